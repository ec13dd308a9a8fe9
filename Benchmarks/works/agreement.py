"""Whether both sides compute the same; otherwise their speeds do not compare."""

import random
from pathlib import Path

import numpy
from ours import Server
from peers.process import Peer
from settings import Settings

TOKENS = [random.Random(3).randrange(256) for _ in range(192)]
LIMIT = 1e-3


def differences(settings: Settings, folder: Path, peers: dict[str, Peer], what: str) -> dict[str, float]:
    """The largest difference of any logit to each peer; raises where it exceeds rounding."""
    with Server(settings, folder.parent) as server:
        body = {"model": folder.name, "sequences": [{"tokens": TOKENS}], "return": "all", "logits": True}
        outputs = server.post("/v1/prefill", body)["results"][0]["outputs"]
    ours = numpy.array([output["logits"] for output in outputs])
    found: dict[str, float] = {}
    for name, peer in peers.items():
        found[name] = float(abs(numpy.array(peer.ask(what, tokens=TOKENS)) - ours).max())
        print(f"logits differ from {name} ({what}) by at most {found[name]:.2e}", flush=True)
        if found[name] > LIMIT:
            raise RuntimeError(f"{name} computes something else")
    return found
