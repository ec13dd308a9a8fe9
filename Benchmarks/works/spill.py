"""More sessions than memory has room for: whether each comes back from the disk unchanged, and how fast."""

import base64
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import machine
from figures import Measure, Ratio, Target
from ours import Server
from settings import Settings
from works.filling import Model, create, session, step, token

SAMPLE, AT_ONCE = 1_000, 250
MIB = 2**20


def measure(settings: Settings, model: Model, fit: int, part: dict) -> None:
    """With memory for `fit` sessions, and a tenth more of them. Adds its figures to `part`."""
    count = fit + fit // 10
    memory = model.memory(fit)
    options = ("--session-memory", f"{memory}B", "--session-idle", "none", "--durability", "none")
    with TemporaryDirectory(dir=settings.scratch) as folder:
        part["disk"] = machine.disk(Path(folder))
        with Server(settings, model.folder.parent, *options, "--state-dir", folder) as server:
            fitting = create(server, model, range(fit))
            spilling = create(server, model, range(fit, count))
            touching, lost = step(server, model, range(count), to=2)
            # Stepped first, these have been spilled again by the others.
            spilled = range(0, count - fit, max(1, (count - fit) // SAMPLE))[:SAMPLE]
            states, exporting = _export(server, spilled)
            resident, on_disk = server.resident_bytes(), _bytes_on_disk(Path(folder))
            unlike = _unlike(server, model, spilled, states)

    for problem in (*lost[:3], *unlike[:3]):
        print(f"spilled and not back: {problem}", flush=True)
    work = f"{count:,} sessions in memory for {fit:,} ({model.name})"
    none = Target(0, at_least=False)
    figures = [
        Measure(work, "lost, or at another step", [len(lost)], "sessions", none),
        Measure(work, f"unlike a replay, of {len(spilled):,} exported", [len(unlike)], "sessions", none),
        Ratio(f"{work}: resident memory", "`--session-memory`", [resident / MIB], [memory / MIB], "MiB"),
        Measure(work, "on the disk in the end", [on_disk / MIB], "MiB"),
        Measure(work, "made, while they fit", [fit / fitting], "sessions/s"),
        Measure(work, "made, each in place of another", [(count - fit) / spilling], "sessions/s"),
        Measure(work, "stepped, 4096 a request, each read back", [count / touching], "steps/s"),
        Measure(work, "exporting one that is on the disk", exporting, "ms"),
    ]
    part["figures"] += [figure.record() for figure in figures]
    part["spill"] = {
        "sessions": count,
        "fit": fit,
        "state_bytes": model.state_bytes,
        "seconds": {"making": fitting, "spilling": spilling, "touching": touching},
        "resident_bytes": resident,
        "disk_bytes": on_disk,
    }


def _bytes_on_disk(folder: Path) -> int:
    # Blocks are allocated to a file when it is written back.
    os.sync()
    return sum(512 * file.stat().st_blocks for file in folder.rglob("*") if file.is_file())


def _export(server: Server, indices: range) -> tuple[list[bytes | None], list[float]]:
    """State files, None where the server has none, and the milliseconds of each."""
    states: list[bytes | None] = []
    times: list[float] = []
    for index in indices:
        start = perf_counter()
        try:
            states.append(server.get(f"/v1/sessions/{session(index)}/state"))
        except RuntimeError:
            states.append(None)
        times.append(round(1e3 * (perf_counter() - start), 4))
    return states, times


def _unlike(server: Server, model: Model, indices: range, states: list[bytes | None]) -> list[str]:
    """Sessions whose state is not that of a replay of their two tokens."""
    unlike: list[str] = []
    for start in range(0, len(indices), AT_ONCE):
        some = indices[start : start + AT_ONCE]
        sequences = [
            {"tokens": [token(model, index, 1), token(model, index, 2)], "return_state": True} for index in some
        ]
        replayed = server.post("/v1/prefill", {"model": model.name, "sequences": sequences})["results"]
        for index, state, result in zip(some, states[start : start + AT_ONCE], replayed, strict=True):
            if state is None or _parts(state) != _parts(base64.b64decode(result["state"])):
                unlike.append(session(index))
    return unlike


def _parts(file: bytes) -> tuple[dict, dict[str, tuple]]:
    """A safetensors file's metadata, and of each layer's tensors the type, the shape and the bytes."""
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, tensor in header.items():
        if name.startswith("layers."):
            first, end = tensor["data_offsets"]
            tensors[name] = (tensor["dtype"], tensor["shape"], file[start + first : start + end])
    return metadata, tensors
