"""nn.GRU and nn.LSTM of three layers against PyTorch, ONNX Runtime and OpenVINO, on the same state dict."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import sleep

import numpy
import torch
from figures import Ratio, Target
from ours import Server, bench
from peers.process import Peer
from safetensors.torch import save_file
from settings import Settings
from torch import nn

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}
LAYERS, WIDTHS = 3, (64, 384, 1024)
TABLED = 384
"""The width at which the table has every work against every peer."""
ABSORBED = ((1, 64), (1, 256), (1, 1024), (1, 4096), (1, 16_384), (16, 1024))
SESSIONS = (1, 64, 512)
WEIGHTS = ("f32", "f16")
PEERS = {"eager": "PyTorch eager", "onnx": "ONNX Runtime", "openvino": "OpenVINO"}
COMPILERS = ("onnx", "openvino")

PAUSE = 0.5
"""Seconds before each measurement: threads of a peer may spin for tenths of a second after its last operation."""
LONG, LONG_ROUNDS = 4.0, 3
"""Seconds from which on a work is measured in fewer rounds."""
LARGE = 1 << 28
"""Products of one matrix from which on a measurement is one run, not the median of three."""
LIMIT = 1e-4


@dataclass(frozen=True)
class Work:
    cell: str
    width: int
    sequences: int
    steps: int

    def options(self) -> list[str]:
        """Of `scanstep bench`."""
        if self.steps == 1:
            return ["--prefill", "none", "--step", str(self.sequences)]
        return ["--prefill", f"{self.sequences}x{self.steps}", "--step", "none"]

    def __str__(self) -> str:
        if self.steps == 1:
            what = f"step of {self.sequences} session{'s' * (self.sequences > 1)}"
        else:
            what = f"absorbing {self.sequences} × {self.steps:,}"
        return f"{self.cell.upper()}, {LAYERS} × {self.width}: {what}"


# At width 384: by how much ours, of that type, must exceed the best of these peers.
TARGETS: dict[tuple[str, int, int, str], list[tuple[tuple[str, ...], float]]] = {
    ("gru", 1, 1024, "f32"): [(("eager",), 4.0), (COMPILERS, 1.1)],
    ("lstm", 1, 1024, "f32"): [(("eager",), 1.15), (COMPILERS, 1.0)],
    ("gru", 64, 1, "f32"): [(tuple(PEERS), 1.1)],
    ("lstm", 64, 1, "f32"): [(tuple(PEERS), 1.0)],
}
for _cell in CELLS:
    TARGETS |= {
        (_cell, 1, 1024, "f16"): [(COMPILERS, 1.3)],
        (_cell, 1, 1, "f32"): [(("onnx",), 1.0)],
        (_cell, 1, 1, "f16"): [(("onnx",), 1.5)],
        (_cell, 512, 1, "f32"): [(tuple(PEERS), 0.95)],
    }

Times = dict[Work, dict[str, list[float]]]


def run(settings: Settings) -> dict:
    seconds: Times = {}
    apart: dict[str, float] = {name: 0.0 for name in PEERS}
    for width in WIDTHS[:2] if settings.quick else WIDTHS:
        for cell in CELLS:
            folder = make(settings.scratch / f"cells-{cell}-{width}" / "stack", cell, width)
            with ExitStack() as stack:
                arguments = (str(folder), cell)
                peers = {
                    name: stack.enter_context(Peer("cell_stack", *arguments, name, str(settings.threads)))
                    for name in PEERS
                }
                for name, largest in differences(settings, folder, peers, width).items():
                    apart[name] = max(apart[name], largest)
                seconds |= measure(settings, folder, peers, works(cell, width, settings.quick))
    return {
        "figures": [figure.record() for figure in figures(seconds)],
        "largest_difference_of_outputs": apart,
        "works": [
            {"cell": work.cell, "width": work.width, "sequences": work.sequences, "steps": work.steps, "seconds": times}
            for work, times in seconds.items()
        ],
    }


def make(folder: Path, cell: str, width: int) -> Path:
    """Writes the state dict of a random stack, and nothing beside it."""
    torch.manual_seed(1)
    folder.mkdir(parents=True)
    save_file(CELLS[cell](width, width, LAYERS).state_dict(), folder / "model.safetensors")
    return folder


def works(cell: str, width: int, quick: bool) -> list[Work]:
    sizes = [size for size in ABSORBED if not quick or size[0] * size[1] <= 1024] + [(n, 1) for n in SESSIONS]
    return [Work(cell, width, sequences, steps) for sequences, steps in sizes]


def differences(settings: Settings, folder: Path, peers: dict[str, Peer], width: int) -> dict[str, float]:
    """The largest difference of any output to each peer's, of a whole sequence and of single steps; raises where it
    exceeds rounding."""
    vectors = numpy.random.default_rng(3).standard_normal((48, width), numpy.float32).tolist()
    with Server(settings, folder.parent) as server:
        body = {"model": folder.name, "sequences": [{"vectors": vectors}], "return": "all"}
        outputs = server.post("/v1/prefill", body)["results"][0]["outputs"]
    ours = numpy.array([output["vector"] for output in outputs])
    found: dict[str, float] = {}
    for name, peer in peers.items():
        theirs = [numpy.array(peer.ask(what, vectors=vectors)) for what in ("outputs", "stepped")]
        found[name] = max(float(abs(values - ours).max()) for values in theirs)
        print(f"outputs differ from {name} ({folder.parent.name}) by at most {found[name]:.2e}", flush=True)
        if not found[name] <= LIMIT:
            raise RuntimeError(f"{name} computes something else")
    return found


def measure(settings: Settings, folder: Path, peers: dict[str, Peer], todo: list[Work]) -> Times:
    """Seconds of every round, of ours by the weights' type and of every peer."""
    times: Times = {work: {side: [] for side in (*WEIGHTS, *peers)} for work in todo}
    for done in range(settings.rounds(9)):
        for work, sides in times.items():
            longest = max(max(found) for found in sides.values()) if done else 0.0
            if longest > LONG and done >= LONG_ROUNDS:
                continue
            runs = 3 if work.sequences * work.steps * work.width**2 < LARGE else 1
            for weights in WEIGHTS:
                sleep(PAUSE)
                report = bench(settings, folder, *work.options(), "--runs", str(runs), "--weights", weights)
                sides[weights].append(report["works"][0]["seconds"]["median"])
            for name, peer in peers.items():
                sleep(PAUSE)
                found = [peer.ask("time", sequences=work.sequences, steps=work.steps) for _ in range(runs)]
                sides[name].append(median(found))
    return times


def figures(seconds: Times) -> list[Ratio]:
    found: list[Ratio] = []
    for work, sides in seconds.items():
        for weights in WEIGHTS:
            targets = TARGETS.get((work.cell, work.sequences, work.steps, weights), []) if work.width == TABLED else []
            bounds: dict[str, list[float]] = {}
            for names, bound in targets:
                bounds.setdefault(_best(sides, names), []).append(bound)
            best = _best(sides, tuple(PEERS))
            for name in PEERS:
                # The peers' weights are float32; ours in float16 are compared with the best of them.
                shown = name == best or name in bounds or (work.width == TABLED and weights == "f32")
                if shown:
                    found.append(_ratio(work, sides, weights, name, max(bounds.get(name, [0])), name == best))
    return found


def _best(sides: dict[str, list[float]], names: tuple[str, ...]) -> str:
    return min(names, key=lambda name: median(sides[name]))


def _ratio(
    work: Work, sides: dict[str, list[float]], weights: str, name: str, bound: float, is_best: bool
) -> Ratio:
    return Ratio(
        f"{work}, {weights}", PEERS[name] + (", the best" if is_best else ""),
        [1e3 * time for time in sides[weights]], [1e3 * time for time in sides[name]], "ms",
        inverse=True, target=Target(bound) if bound else None,
    )
