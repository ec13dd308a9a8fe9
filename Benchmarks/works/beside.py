"""Stepping clients beside a long prefill: how much longer their slowest steps take."""

import threading
from dataclasses import asdict

from figures import Ratio, Target
from load import Load, steps
from models import LARGE, make
from ours import Server
from settings import Settings

CLIENTS = 32


def run(settings: Settings) -> dict:
    folder = make(settings.scratch / "beside" / "large", LARGE)
    tokens = 10_000 if settings.quick else 100_000
    duration = settings.seconds(8)
    without: list[Load] = []
    beside: list[Load] = []
    with Server(settings, folder.parent) as server:
        for index in range(CLIENTS):
            server.post("/v1/sessions", {"model": "large", "id": f"s{index}"})
        body = {
            "model": "large",
            "sequences": [{"tokens": [index * 7 % 256 for index in range(tokens)]}],
            "return": "none",
            # The same prompt every time, which must be absorbed every time.
            "cache": {"mode": "bypass"},
        }
        prefills: list[float] = []
        for _ in range(settings.rounds(5)):
            without.append(steps(server.port, CLIENTS, duration, "s", int(LARGE["num_tokens"])))
            running = threading.Event()
            prefilling = threading.Thread(target=_prefill, args=(server, body, running, prefills))
            running.set()
            prefilling.start()
            beside.append(steps(server.port, CLIENTS, duration, "s", int(LARGE["num_tokens"])))
            running.clear()
            prefilling.join()
    figure = Ratio(
        f"p99 of {CLIENTS} stepping clients beside a prefill of {tokens:,} tokens", "p99 without the prefill",
        [load.p99_ms for load in beside], [load.p99_ms for load in without], "ms",
        target=Target(3, at_least=False),
    )
    return {
        "figures": [figure.record()],
        "beside": [asdict(load) for load in beside],
        "without": [asdict(load) for load in without],
        "prefill_seconds": prefills,
    }


def _prefill(server: Server, body: dict, running: threading.Event, prefills: list[float]) -> None:
    """One prefill after another for as long as the load lasts, so that there is one at every moment of it."""
    while running.is_set():
        timings = server.post("/v1/prefill", body)["timings"]
        prefills.append(timings["compute_ms"] / 1e3)
