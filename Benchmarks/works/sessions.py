"""A million sessions in one server: their memory, steps among all of them, and states that are spilled to a disk."""

import json
from dataclasses import asdict
from time import perf_counter

import machine
from figures import Measure, Ratio, Target
from load import Load, livez, random_steps
from models import WIDE, make
from ours import Server, serve_has
from settings import ROOT, Settings
from works import spill
from works.filling import Model, create, describe, step

CONNECTIONS, FEW = 64, 1_000
MIB = 2**20


def run(settings: Settings) -> dict:
    wide = describe(settings, make(settings.scratch / "sessions" / "wide", WIDE))
    shipped = describe(settings, ROOT / "Models" / "shakespeare-mingru")
    part: dict = {"figures": [], "left_out": [], "cases": []}
    for model, count, few in ((wide, 1_000_000, 20_000), (shipped, 500_000, 10_000)):
        _measure(settings, model, few if settings.quick else count, part)
    if serve_has(settings, "--state-dir"):
        spill.measure(settings, wide, 5_000 if settings.quick else 200_000, part)
    else:
        part["left_out"].append("spilling, as `scanstep serve` has no `--state-dir`")
    return part


def _measure(settings: Settings, model: Model, count: int, part: dict) -> None:
    work = f"{count:,} sessions of {model.state_bytes:,} bytes ({model.name})"
    states = count * model.state_bytes
    needed, available = int(1.1 * states) + 512 * MIB, machine.available_bytes()
    if needed > available:
        gibibytes = f"{needed / 2**30:.1f} GiB of memory and {available / 2**30:.1f} are free"
        part["left_out"].append(f"{work}, as they need {gibibytes}")
        return
    everywhere: list[Load] = []
    few: list[Load] = []
    cheapest: list[Load] = []
    memory = f"{model.memory(count) + 64 * MIB}B"
    with Server(settings, model.folder.parent, "--session-memory", memory, "--session-idle", "none") as server:
        empty = server.resident_bytes()
        making = create(server, model, range(count))
        stepping, wrong = step(server, model, range(count), to=2)
        if wrong:
            raise RuntimeError(f"{len(wrong)} of {count} sessions are not at step 2: {wrong[0]}")
        listing = [_list_one(server) for _ in range(5)]
        resident = server.resident_bytes()
        for turn in range(settings.rounds(7)):
            for loads, sessions in ((everywhere, count), (few, FEW)):
                loads.append(
                    random_steps(server.port, CONNECTIONS, settings.seconds(5), sessions, model.vocabulary, seed=turn)
                )
            cheapest.append(livez(server.port, CONNECTIONS, settings.seconds(5)))
        resident_then = server.resident_bytes()

    rates, few_rates, livez_rates = ([load.rate for load in loads] for loads in (everywhere, few, cheapest))
    goal = Target(1.1 + 256 * MIB / states, at_least=False)
    figures = [
        Ratio(f"{work}: resident memory", "bytes of the states", [resident / MIB], [states / MIB], "MiB", target=goal),
        Ratio(f"{work}: random steps", f"among {FEW:,} of them", rates, few_rates, "requests/s", target=Target(0.8)),
        Ratio(f"{work}: random steps", "the server's own /livez", rates, livez_rates, "requests/s"),
        Measure(work, "made", [count / making], "sessions/s"),
        Measure(work, "stepped, 4096 a request", [count / stepping], "steps/s"),
        Measure(work, "listing one", listing, "ms"),
    ]
    part["figures"] += [figure.record() for figure in figures]
    part["cases"].append({
        "model": model.name,
        "sessions": count,
        "state_bytes": model.state_bytes,
        "resident_empty_bytes": empty,
        "resident_bytes": resident,
        "resident_after_random_steps_bytes": resident_then,
        "seconds": {"making": making, "stepping": stepping},
        "loads": {
            name: [asdict(load) for load in loads]
            for name, loads in (("all", everywhere), ("few", few), ("livez", cheapest))
        },
    })


def _list_one(server: Server) -> float:
    """Milliseconds for a page of one session."""
    start = perf_counter()
    page = json.loads(server.get("/v1/sessions?limit=1"))
    milliseconds = 1e3 * (perf_counter() - start)
    if [found["step"] for found in page["data"]] != [2] or not page["has_more"]:
        raise RuntimeError(f"a page of one session is {page}")
    return milliseconds
