"""Settings from the command line: sizes, rounds and paths."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    scanstep: Path
    """The release binary."""
    scratch: Path
    """A temporary folder for models, removed at the end."""
    quick: bool
    threads: int = 2

    def rounds(self, count: int) -> int:
        """How often a comparison is repeated."""
        return 2 if self.quick else count

    def seconds(self, count: float) -> float:
        """How long one load lasts."""
        return 1.0 if self.quick else count
