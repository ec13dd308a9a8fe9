"""A million tokens in one sequence: as fast as 2048, in the same memory."""

from statistics import median

from figures import Measure, Ratio, Target
from models import LARGE, make
from ours import bench
from settings import Settings

SHORT = 2048


def run(settings: Settings) -> dict:
    folder = make(settings.scratch / "million", LARGE)
    long = 20_000 if settings.quick else 1_000_000

    def measure(steps: int, runs: int) -> tuple[float, int]:
        report = bench(settings, folder, "--prefill", f"1x{steps}", "--step", "none", "--runs", str(runs))
        return report["works"][0]["tokens_per_second"], report["works"][0]["resident_peak_bytes"]

    rates: list[float] = []
    short_rates: list[float] = []
    mebibytes: list[float] = []
    for _ in range(settings.rounds(3)):
        before, short_bytes = measure(SHORT, 5)
        rate, long_bytes = measure(long, 1)
        after, _ = measure(SHORT, 5)
        rates.append(rate)
        short_rates.append(median([before, after]))
        mebibytes.append((long_bytes - short_bytes) / 2**20)
    work = f"prefill of {long:,} tokens in one sequence"
    figures = [
        Ratio(work, f"ours, {SHORT} tokens", rates, short_rates, "tokens/s", target=Target(0.95)),
        Measure(work, f"memory beyond that of {SHORT} tokens", mebibytes, "MiB", Target(32, at_least=False)),
    ]
    return {"figures": [figure.record() for figure in figures]}
