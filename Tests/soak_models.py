#!/usr/bin/env python3
"""Serves 300 small models, uses each once, and compares the server's memory with that of a server of one model.

Models share their workspace, which is released while none computes, so many models cost little more than their
weights. Prints what failed and, last, `N passed, N failed`; exits 1 when something has.
"""

import argparse
import array
import json
import random
import struct
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from Clients.report import Report
from Clients.server import ROOT, Server

MODELS, WIDTH, LAYERS, KERNEL, MLP, VOCABULARY = 300, 64, 2, 4, 256, 64
GROWTH = 300 << 20
INPUTS = 1500
RESTING_SECONDS = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build/release/scanstep")
    binary = parser.parse_args().scanstep.resolve()
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        values = array.array("f", (random.Random(1).uniform(-0.2, 0.2) for _ in range(200_000)))
        for index in range(MODELS):
            _write(folder / "many" / f"m{index}", values, index)
        _write(folder / "one" / "m0", values, 0)
        with report.client("one model"), Server(binary, models=folder / "one") as server:
            _use(server, ["m0"], report)
            alone = server.resident_bytes()
        with report.client(f"{MODELS} models"), Server(binary, models=folder / "many") as server:
            loaded = server.resident_bytes()
            _use(server, [f"m{index}" for index in range(MODELS)], report)
            used = server.resident_bytes()
            print(f"one model {alone >> 20} MiB; {MODELS} loaded {loaded >> 20} MiB, used {used >> 20} MiB", flush=True)
            report.check(f"they take at most {GROWTH >> 20} MiB more than one", used - alone <= GROWTH, used - alone)
            end = time.monotonic() + RESTING_SECONDS
            while (held := server.metrics()["scanstep_workspace_bytes"]) > 0 and time.monotonic() < end:
                time.sleep(0.1)
            report.equal("at rest there is no workspace", held, 0)
            print(f"at rest {server.resident_bytes() >> 20} MiB", flush=True)
            report.equal("it ends in order", server.stop(), 0)
    return report.summary()


def _use(server: Server, names: list[str], report: Report) -> None:
    """Creates a session of each model, with one long input, and steps it."""
    tokens = [index * 7 % VOCABULARY for index in range(INPUTS)]
    for name in names:
        _post(server, "/v1/sessions", {"model": name, "id": name, "tokens": tokens})
        step = _post(server, f"/v1/sessions/{name}/step", {"token": 1})["step"]
        if step != INPUTS + 1:
            report.equal(f"{name} has moved", step, INPUTS + 1)
    report.check("all have moved", names)


def _post(server: Server, path: str, body: dict) -> dict:
    request = urllib.request.Request(server.base + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def _write(folder: Path, values: array.array, seed: int) -> None:
    """Writes a model with weights from another offset of `values`."""
    shapes: dict[str, list[int]] = {"embedding.weight": [VOCABULARY, WIDTH], "norm.weight": [WIDTH]}
    for layer in range(LAYERS):
        shapes |= {
            f"layers.{layer}.rnn_norm.weight": [WIDTH],
            f"layers.{layer}.conv.weight": [WIDTH, KERNEL],
            f"layers.{layer}.rnn.candidate.weight": [WIDTH, WIDTH],
            f"layers.{layer}.rnn.gate.weight": [WIDTH, WIDTH],
            f"layers.{layer}.mlp_norm.weight": [WIDTH],
            f"layers.{layer}.mlp.up.weight": [MLP, WIDTH],
            f"layers.{layer}.mlp.down.weight": [WIDTH, MLP],
        }
    shapes["output.weight"] = [VOCABULARY, WIDTH]
    header, count = {}, 0
    for name, shape in shapes.items():
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [4 * count, 4 * (count + size)]}
        count += size
    text = json.dumps(header).encode()
    folder.mkdir(parents=True)
    start = seed * 97
    body = values[start : start + count].tobytes()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    config = {
        "cell": "minGRU",
        "candidate": "log-space",
        "order": "paper",
        "layers": LAYERS,
        "width": WIDTH,
        "norm": {"kind": "rms", "epsilon": 1e-6},
        "convolution": {"kernel": KERNEL},
        "mlp": {"width": MLP},
        "input": {"kind": "tokens", "vocabulary_size": VOCABULARY},
        "output": {"kind": "logits"},
    }
    (folder / "config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    sys.exit(main())
