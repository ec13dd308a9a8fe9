"""A million requests whose clients disconnect at random moments: what the server leaks."""

import json
import subprocess
import sys

from figures import Measure, Target
from settings import ROOT, Settings

REQUESTS, FEW = 1_000_000, 20_000
MIB = 2**20
GROWTH_MIB = 16
HOUR_SECONDS = 3_600
NONE = Target(0, at_least=False)


def run(settings: Settings) -> dict:
    requests = FEW if settings.quick else REQUESTS
    command = [sys.executable, str(ROOT / "Tests" / "leaks.py"), "--scanstep", str(settings.scanstep), "--json"]
    command += ["--requests", str(requests)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=HOUR_SECONDS, check=False)
    # Its exit status does not matter here: the figures have targets.
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"Tests/leaks.py has measured nothing: {done.stdout}")
    found = json.loads(lines[0])
    work = f"{requests:,} requests, most of them left"

    def more(name: str) -> list[float]:
        return [found["after"][name] - found["before"][name]]

    grown = more("resident_bytes")[0] / MIB
    figures = [
        Measure(work, "descriptors more than before", more("descriptors"), "", NONE),
        Measure(work, "connections more than before", more("scanstep_connections"), "", NONE),
        Measure(work, "queued works more than before", more("scanstep_queue_works"), "", NONE),
        Measure(work, "sessions more than before", more('scanstep_sessions{tier="memory"}'), "", NONE),
        Measure(work, "resident memory more than before", [grown], "MiB", Target(GROWTH_MIB, at_least=False)),
    ]
    return {"figures": [figure.record() for figure in figures], "found": found}
