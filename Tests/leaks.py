#!/usr/bin/env python3
"""Makes many requests, most by clients that disconnect in the middle, and looks for leaks in the server.

Descriptors, connections, queued work and sessions must not have grown; resident memory may have by a little.
Prints what failed and, last, `N passed, N failed`; exits 1 when something has. With --json the figures come first, as a
line of JSON.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from Clients.departures import Departures
from Clients.report import Report
from Clients.server import ROOT, Server

COUNTS = (
    "scanstep_connections",
    "scanstep_queue_works",
    "scanstep_queue_input_bytes",
    'scanstep_sessions{tier="memory"}',
    "process_threads",
)
QUIET_SECONDS = 20
"""Seconds within which the server must notice that all clients have disconnected."""
WARM_UP = 0.25
"""The fraction of the requests before the measurement, after which buffers and pools have their size."""
GROWTH_BYTES = 16 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build-test/release/scanstep")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    report = Report()
    with report.client("leaks"), Server(arguments.scanstep.resolve(), "--log-level", "error") as server:
        departures = Departures(server.port, arguments.seed)
        warm_up = int(WARM_UP * arguments.requests)
        departures.run(warm_up)
        departures.finish()
        before = _settled(server)
        start = time.monotonic()
        departures.run(arguments.requests - warm_up)
        departures.finish()
        seconds = time.monotonic() - start
        after = _settled(server)
        for name in COUNTS:
            report.equal(name, after[name], before[name])
        grown = after["resident_bytes"] - before["resident_bytes"]
        report.check("resident memory stays", grown <= GROWTH_BYTES, f"it has grown by {grown / 2**20:.1f} MiB")
        report.equal("descriptors", after["descriptors"], before["descriptors"])
        report.equal("it ends in order", server.stop(), 0)
        if arguments.json:
            figures = {"requests": arguments.requests, "seconds": seconds, "kinds": departures.kinds}
            figures |= {"before": before, "after": after}
            print(json.dumps(figures))
    return report.summary()


def _settled(server: Server) -> dict[str, float]:
    """The counts once the server has noticed all disconnections, or after QUIET_SECONDS."""
    end = time.monotonic() + QUIET_SECONDS
    while True:
        metrics = server.metrics()
        # The connection of this request is one of them.
        if metrics["scanstep_connections"] <= 1 and not metrics["scanstep_queue_works"] or time.monotonic() > end:
            break
        time.sleep(0.1)
    counts = {name: metrics[name] for name in COUNTS}
    # The connection of that request closes in a moment.
    descriptors = []
    for _ in range(20):
        descriptors.append(server.descriptors())
        time.sleep(0.05)
    return counts | {"resident_bytes": server.resident_bytes(), "descriptors": min(descriptors)}


if __name__ == "__main__":
    sys.exit(main())
