"""Steps over HTTP that are on the disk before they are answered, against steps that are in memory only."""

import os
from contextlib import ExitStack
from dataclasses import asdict
from tempfile import TemporaryDirectory
from time import sleep

import machine
from figures import Ratio, Target
from load import Load, steps
from ours import Server, serve_has
from settings import ROOT, Settings
from works.filling import describe

# As many sessions as connections.
CONNECTIONS = 256
MODES = ("none", "sync", "async")


def run(settings: Settings) -> dict:
    if not serve_has(settings, "--state-dir"):
        return {"figures": [], "left_out": ["everything, as `scanstep serve` has no `--state-dir`"]}
    disk = machine.disk(settings.scratch)
    if disk["filesystem"] in ("tmpfs", "ramfs"):
        reason = f"everything, as {settings.scratch.parent} is in memory: TMPDIR=FOLDER takes a folder on a disk"
        return {"figures": [], "left_out": [reason]}
    model = describe(settings, ROOT / "Models" / "shakespeare-mingru")
    loads: dict[str, list[Load]] = {mode: [] for mode in MODES}
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for mode in MODES:
            folder = stack.enter_context(TemporaryDirectory(dir=settings.scratch))
            server = Server(settings, model.folder.parent, "--state-dir", folder, "--durability", mode)
            servers[mode] = stack.enter_context(server)
            for index in range(CONNECTIONS):
                server.post("/v1/sessions", {"model": model.name, "id": f"s{index}"})
            steps(server.port, CONNECTIONS, 1, "s", model.vocabulary)
        for _ in range(settings.rounds(7)):
            for mode, server in servers.items():
                # What the load before has left to write must not take time of this one.
                sleep(1)
                os.sync()
                loads[mode].append(steps(server.port, CONNECTIONS, settings.seconds(5), "s", model.vocabulary))

    def rates(mode: str) -> list[float]:
        return [load.rate for load in loads[mode]]

    work = f"steps of {CONNECTIONS} sessions on {CONNECTIONS} connections, `--durability"
    figures = [
        Ratio(f"{work} sync`", "`none`", rates("sync"), rates("none"), "requests/s", target=Target(0.3)),
        Ratio(f"{work} async`", "`none`", rates("async"), rates("none"), "requests/s"),
    ]
    return {
        "figures": [figure.record() for figure in figures],
        "disk": disk,
        "loads": {mode: [asdict(load) for load in list_] for mode, list_ in loads.items()},
    }
