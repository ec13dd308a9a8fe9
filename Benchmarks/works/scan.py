"""The exact scan against the associative one, alone and within whole prefills."""

from figures import Ratio
from ours import bench
from settings import Settings

CHANNELS = (64, 1024)


def run(settings: Settings) -> dict:
    steps = (256, 1024) if settings.quick else (256, 1024, 4096, 16_384, 65_536)
    sizes = ",".join(f"{sequences}x{length}" for sequences in (1, 16) for length in steps)
    rounds = settings.rounds(5)
    alone: list[dict] = []
    whole: list[dict] = []
    for threads in (1, 2, 3, 4):
        options = ("--threads", str(threads), "--runs", str(rounds), "--seconds", "20")
        channels = ",".join(map(str, CHANNELS))
        report = bench(settings, None, "--scan-only", "--scans", sizes, "--channels", channels, *options)
        alone += _pairs(report["works"], threads)
        for width in CHANNELS:
            # One layer without an MLP: where the scan weighs most.
            shape = f"cell=minGRU,layers=1,width={width},inner={width},mlp=0,vocabulary=64"
            works: list[dict] = []
            for scan in ("exact", "associative"):
                report = bench(
                    settings, None, "--shape", shape, "--scan", scan, "--prefill", sizes, "--step", "none", *options
                )
                works += [{**work, "channels": width} for work in report["works"]]
            whole += _pairs(works, threads)
    figures = [
        Ratio(
            f"{what} {pair['sequences']} × {pair['steps']:,}, {pair['channels']} channels, {pair['threads']} threads",
            "exact scan", pair["associative"], pair["exact"], "ms", inverse=True,
        ).record()
        for what, pairs in (("scan alone", alone), ("prefill", whole))
        for pair in pairs
        if pair["steps"] == steps[-1] and pair["threads"] == settings.threads
    ]
    return {"figures": figures, "alone": alone, "whole": whole}


def _pairs(works: list[dict], threads: int) -> list[dict]:
    """Milliseconds of every run of both scans, of each work; as many as both have."""
    pairs: list[dict] = []
    for exact in works:
        if exact["scan"] != "exact":
            continue
        place = ("channels", "sequences", "steps")
        other = next(
            work for work in works if work["scan"] == "associative" and all(work[key] == exact[key] for key in place)
        )
        runs = min(exact["runs"], other["runs"])
        pairs.append(
            {key: exact[key] for key in place}
            | {"threads": threads}
            | {
                name: [1e3 * time for time in work["seconds"]["all"][:runs]]
                for name, work in (("exact", exact), ("associative", other))
            }
        )
    return pairs
