"""Stepping clients beside a crowd of connections that are idle or slow, and the memory of the idle ones."""

import resource
from dataclasses import asdict
from time import sleep

from figures import Measure, Ratio, Target
from load import Load, steps
from models import TINY, make
from ours import Server
from peers.process import Peer
from settings import Settings

CLIENTS, IDLE, SLOW = 64, 10_000, 1_000
BYTE_SECONDS = 2.0
"""Between two bytes of a slow request."""
SPARE_DESCRIPTORS = 500
KIB = 2**10
VOCABULARY = int(TINY["num_tokens"])


def run(settings: Settings) -> dict:
    idle = 1_000 if settings.quick else IDLE
    slow = 100 if settings.quick else SLOW
    needed, most = idle + slow + SPARE_DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if needed > most:
        reason = f"everything, as a process may have {most} descriptors and {needed} are needed"
        return {"figures": [], "left_out": [reason]}
    folder = make(settings.scratch / "crowd" / "tiny", TINY)
    loads: dict[str, list[Load]] = {"without": [], "idle": [], "idle and slow": []}
    bytes_each: list[float] = []
    returned: list[int] = []
    limits = ["--max-connections", "20000", "--max-connections-per-address", "20000", "--idle-timeout", "10m"]
    # Short enough that many slow clients are closed, and reconnect, during a load.
    limits += ["--head-timeout", "5s"]
    for turn in range(settings.rounds(5)):
        # A new server every round, since memory that connections have had stays with it.
        with Server(settings, folder.parent, *limits) as server, Peer("crowd") as crowd:
            for index in range(CLIENTS):
                server.post("/v1/sessions", {"model": "tiny", "id": f"s{index}"})

            def stepping() -> Load:
                return steps(server.port, CLIENTS, settings.seconds(8), "s", VOCABULARY)

            steps(server.port, CLIENTS, 2, "s", VOCABULARY)
            # The load without the crowd comes first and last in turns, so that neither is always on a fresh server.
            if turn % 2 == 0:
                loads["without"].append(stepping())
            before = server.resident_bytes()
            crowd.ask("idle", port=server.port, count=idle)
            bytes_each.append((server.resident_bytes() - before) / idle / KIB)
            loads["idle"].append(stepping())
            crowd.ask("slow", port=server.port, count=slow, seconds=BYTE_SECONDS)
            loads["idle and slow"].append(stepping())
            state = crowd.ask("state")
            if state["idle"] < idle or state["slow"] < slow:
                raise RuntimeError(f"of {idle} idle and {slow} slow connections there are only {state}")
            returned.append(state["slow_returned"])
            crowd.ask("leave")
            if turn % 2:
                sleep(1)
                loads["without"].append(stepping())

    return {
        "figures": [figure.record() for figure in _figures(idle, slow, loads, bytes_each)],
        "loads": {name: [asdict(load) for load in list_] for name, list_ in loads.items()},
        "slow_connections_replaced": returned,
    }


def _figures(
    idle: int, slow: int, loads: dict[str, list[Load]], bytes_each: list[float]
) -> list[Ratio | Measure]:
    def p99(name: str) -> list[float]:
        return [load.p99_ms for load in loads[name]]

    alone = f"p99 of {CLIENTS} stepping clients alone"
    work = f"p99 of {CLIENTS} stepping clients beside {idle:,} idle connections"
    both = f"{work} and {slow:,} slow ones"
    return [
        Ratio(both, alone, p99("idle and slow"), p99("without"), "ms", target=Target(1.5, at_least=False)),
        Ratio(work, alone, p99("idle"), p99("without"), "ms"),
        Ratio(
            both.replace("p99", "rate"), alone.replace("p99", "rate"),
            [load.rate for load in loads["idle and slow"]], [load.rate for load in loads["without"]], "requests/s",
        ),
        Measure(f"{idle:,} idle connections", "resident memory of each", bytes_each, "KiB", Target(8, at_least=False)),
    ]
