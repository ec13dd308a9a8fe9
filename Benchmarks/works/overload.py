"""Load at ten times the server's capacity: latency of admitted requests, refusals, and the server's memory."""

from pathlib import Path
from typing import Any

from figures import Measure, Ratio, Target
from load import OpenLoop
from models import LARGE, make
from ours import Server
from settings import Settings

TOKENS = 24
CONNECTIONS, FEW = 1_024, 16
TIMES = 10
MIB = 2**20
GROWTH_MIB = 8
NONE = Target(0, at_least=False)


def run(settings: Settings) -> dict:
    folder = make(settings.scratch / "overload" / "large", LARGE)
    body = {
        "model": "large",
        "sequences": [{"tokens": [index * 7 % 256 for index in range(TOKENS)]}],
        # The same prompt every time, which must be absorbed every time.
        "cache": {"mode": "bypass"},
    }
    generator = OpenLoop(settings.scratch)
    seconds = settings.seconds(30)
    runs: list[dict[str, Any]] = []
    for _ in range(settings.rounds(3)):
        runs.append(_round(settings, folder.parent, generator, body, seconds))

    def times(name: str, quantile: str) -> list[float]:
        return [run[name]["admitted_ms"][quantile] for run in runs]

    overloads = [run["overload"] for run in runs]
    work = f"{TIMES} times as many requests as can be done, {seconds:.0f} s"
    figures = [
        Ratio(
            f"{work}: p99 of those taken in", "p99 of one at a time", times("overload", "p99"), times("unloaded", "p99"),
            "ms", target=Target(2, at_least=False),
        ),
        Ratio(
            f"{work}: median of those taken in", "median of one at a time", times("overload", "p50"),
            times("unloaded", "p50"), "ms",
        ),
        Ratio(
            f"{work}: done in a second", f"{FEW} that ask again at once", [_rate(load) for load in overloads],
            [_rate(run["capacity"]) for run in runs], "requests/s",
        ),
        Measure(work, "refused", [load["refused"] / load["seconds"] for load in overloads], "requests/s"),
        Measure(work, "median time to a refusal", [load["refused_ms"]["p50"] for load in overloads], "ms"),
        Measure(
            work, "refused without Retry-After", [load["without_retry_after"] for load in overloads], "requests", NONE
        ),
        Measure(work, "neither done nor refused", [_lost(load) for load in overloads], "requests", NONE),
        Measure(
            work, "resident memory that the server has more of then", [run["growth_bytes"] / MIB for run in runs], "MiB",
            Target(GROWTH_MIB, at_least=False),
        ),
    ]
    return {"figures": [figure.record() for figure in figures], "rounds": runs}


def _round(
    settings: Settings, models: Path, generator: OpenLoop, body: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Measures capacity and latency without a bound, then the overload with a bound that follows from them."""

    def load(server: Server, connections: int, rate: float, duration: float) -> dict[str, Any]:
        return generator.post(server.port, "/v1/prefill", body, connections, rate, duration)

    # One compute thread, so that the event loop and the generator have a processor.
    with Server(settings, models, "--max-queue-time", "none", "--threads", "1") as server:
        alone = load(server, 1, 10, settings.seconds(5))
        load(server, FEW, 0, 2)
        capacity = load(server, FEW, 0, settings.seconds(5))
    # A request that waits no longer than half of its latency is done within twice that latency, with a margin.
    bound = max(1, round(alone["admitted_ms"]["p50"] / 2))
    with Server(settings, models, "--max-queue-time", f"{bound}ms", "--threads", "1") as server:
        rate = TIMES * _rate(capacity)
        unloaded = load(server, 1, 10, settings.seconds(20))
        load(server, CONNECTIONS, rate, 3)
        before = server.resident_bytes()
        overload = load(server, CONNECTIONS, rate, seconds)
        growth = server.resident_bytes() - before
    return {
        "max_queue_time_ms": bound,
        "rate": rate,
        "growth_bytes": growth,
        "capacity": capacity,
        "unloaded": unloaded,
        "overload": overload,
    }


def _rate(load: dict[str, Any]) -> float:
    return load["admitted"] / load["seconds"]


def _lost(load: dict[str, Any]) -> int:
    """Requests with another answer, broken off, without an answer, or not sent since no connection was free."""
    unanswered = load["sent"] - load["answered"] - load["broken"]
    return load["other"] + load["broken"] + unanswered + load["unsent"]
