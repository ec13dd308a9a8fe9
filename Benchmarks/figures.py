"""Figures of the table: the measurements of every round, and their targets."""

from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Target:
    bound: float
    at_least: bool = True

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Ratio:
    """Scanstep against a peer: one measurement of each in every round."""

    work: str
    against: str
    ours: list[float]
    theirs: list[float]
    unit: str
    """The unit of both sides."""
    inverse: bool = False
    """Whether the ratio is theirs over ours, as of times, so that larger is better."""
    target: Target | None = None

    def record(self) -> dict:
        """For the JSON file, with what follows from the measurements."""
        pairs = zip(self.ours, self.theirs, strict=True)
        ratios = [theirs / ours if self.inverse else ours / theirs for ours, theirs in pairs]
        return _record(self, ratios)


@dataclass(frozen=True)
class Measure:
    """A figure without a peer, and its target where it has one."""

    work: str
    what: str
    values: list[float]
    unit: str
    target: Target | None = None

    def record(self) -> dict:
        """For the JSON file, with what follows from the measurements."""
        return _record(self, self.values)


def _record(figure: Ratio | Measure, values: list[float]) -> dict:
    middle = median(values)
    return asdict(figure) | {
        "median": middle,
        "min": min(values),
        "max": max(values),
        "runs": len(values),
        "reached": figure.target and figure.target.reached(middle),
    }
