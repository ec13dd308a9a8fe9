"""The exact scan against the associative one, alone and within whole prefills."""

from figures import Ratio
from ours import bench
from settings import Settings

# Rows of the server's batches of a model, by its channels.
ROWS = {64: 1024, 1024: 192}
SEQUENCES = (1, 16)
THREADS = (1, 2, 3, 4)


def run(settings: Settings) -> dict:
    lengths = (256, 1024) if settings.quick else (256, 1024, 4096, 16_384, 65_536)
    sizes = [(n, length) for n in SEQUENCES for length in lengths]
    alone: list[dict] = []
    whole: list[dict] = []
    for threads in THREADS:
        for channels in ROWS:
            alone += _alone(settings, sizes, channels, threads)
            # Of 1024 channels, 16 prefills of 65,536 steps would take half an hour: they are left out.
            whole += _whole(settings, [(n, l) for n, l in sizes if n * l * channels < 1 << 30], channels, threads)
    figures = [
        Ratio(
            f"{what} {pair['sequences']} × {pair['steps']:,}, {pair['channels']} channels",
            "exact scan", pair["associative"], pair["exact"], "ms", inverse=True,
        ).record()
        for what, pairs in (("scan alone", alone), ("prefill", whole))
        for pair in pairs
        if pair["threads"] == settings.threads and _is_longest(pair, pairs)
    ]
    return {"figures": figures, "alone": alone, "whole": whole}


def _alone(settings: Settings, sizes: list[tuple[int, int]], channels: int, threads: int) -> list[dict]:
    report = bench(
        settings, None, "--scan-only", "--scans", _text(sizes), "--channels", str(channels), "--rows",
        str(ROWS[channels]), "--threads", str(threads), "--runs", str(settings.rounds(5)), "--seconds", "6",
    )
    return _pairs(report["works"], channels, threads)


def _whole(settings: Settings, sizes: list[tuple[int, int]], channels: int, threads: int) -> list[dict]:
    # One layer without an MLP: where the scan weighs most.
    shape = f"cell=minGRU,layers=1,width={channels},inner={channels},mlp=0,vocabulary=64"
    works: list[dict] = []
    for _ in range(settings.rounds(3)):
        for scan in ("exact", "associative"):
            works += bench(
                settings, None, "--shape", shape, "--scan", scan, "--prefill", _text(sizes), "--step", "none",
                "--rows", str(ROWS[channels]), "--threads", str(threads), "--runs", "1",
            )["works"]
    return _pairs(works, channels, threads)


def _text(sizes: list[tuple[int, int]]) -> str:
    return ",".join(f"{sequences}x{steps}" for sequences, steps in sizes)


def _pairs(works: list[dict], channels: int, threads: int) -> list[dict]:
    """Milliseconds of every run of both scans, of each size; as many as both have."""
    times: dict[tuple[int, int], dict[str, list[float]]] = {}
    for work in works:
        both = times.setdefault((work["sequences"], work["steps"]), {"exact": [], "associative": []})
        both[work["scan"]] += [1e3 * time for time in work["seconds"]["all"]]
    pairs: list[dict] = []
    for (sequences, steps), both in times.items():
        runs = min(len(list_) for list_ in both.values())
        pairs.append(
            {"channels": channels, "threads": threads, "sequences": sequences, "steps": steps}
            | {scan: list_[:runs] for scan, list_ in both.items()}
        )
    return pairs


def _is_longest(pair: dict, pairs: list[dict]) -> bool:
    """Whether its steps are the most of all with as many sequences."""
    return pair["steps"] == max(other["steps"] for other in pairs if other["sequences"] == pair["sequences"])
