"""Steps over HTTP: against the same server's cheapest route, and against PyTorch behind FastAPI."""

from dataclasses import asdict

from figures import Measure, Ratio, Target
from load import Load, livez, steps
from models import TINY, make
from ours import Server, post
from peers.process import PeerServer
from settings import Settings

MANY, FEW = 64, 8
VOCABULARY = int(TINY["num_tokens"])


def run(settings: Settings) -> dict:
    folder = make(settings.scratch / "http" / "tiny", TINY)
    duration = settings.seconds(5)
    loads: dict[str, list[Load]] = {
        name: [] for name in ("livez", "step", "few livez", "few step", "one", "batched", "few one", "few batched")
    }
    with (
        Server(settings, folder.parent) as server,
        PeerServer("http_server", str(folder), "one") as one,
        PeerServer("http_server", str(folder), "batched") as batched,
    ):
        for index in range(MANY):
            server.post("/v1/sessions", {"model": "tiny", "id": f"s{index}"})
            for peer in (one, batched):
                post(peer.port, "/v1/sessions", {"id": f"s{index}"})
        for port in (server.port, one.port, batched.port):
            steps(port, MANY, 1, "s", VOCABULARY)
        for _ in range(settings.rounds(7)):
            for prefix, connections in (("", MANY), ("few ", FEW)):
                loads[prefix + "livez"].append(livez(server.port, connections, duration))
                loads[prefix + "step"].append(steps(server.port, connections, duration, "s", VOCABULARY))
                loads[prefix + "one"].append(steps(one.port, connections, duration, "s", VOCABULARY))
                loads[prefix + "batched"].append(steps(batched.port, connections, duration, "s", VOCABULARY))

    def rates(name: str) -> list[float]:
        return [load.rate for load in loads[name]]

    medians = [load.p50_ms for load in loads["few step"]]
    many, few = f"steps over HTTP, {MANY} connections", f"steps over HTTP, {FEW} connections"
    figures = [
        Ratio(many, "the server's own /livez", rates("step"), rates("livez"), "requests/s", target=Target(0.6)),
        Ratio(many, "FastAPI + PyTorch", rates("step"), rates("one"), "requests/s", target=Target(15)),
        Ratio(
            many, "FastAPI + PyTorch, batching", rates("step"), rates("batched"), "requests/s", target=Target(15)
        ),
        Ratio(few, "the server's own /livez", rates("few step"), rates("few livez"), "requests/s"),
        Ratio(few, "FastAPI + PyTorch", rates("few step"), rates("few one"), "requests/s"),
        Ratio(few, "FastAPI + PyTorch, batching", rates("few step"), rates("few batched"), "requests/s"),
        Measure(few, "median latency", medians, "ms", Target(0.5, at_least=False)),
    ]
    return {
        "figures": [figure.record() for figure in figures],
        "loads": {name: [asdict(load) for load in list_] for name, list_ in loads.items()},
    }
