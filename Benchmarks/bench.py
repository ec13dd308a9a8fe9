#!/usr/bin/env python3
"""Measures Scanstep and its peers side by side and writes the results: `make bench`.

Each part replaces what the results had of it; the table and the plots are drawn anew from all parts.
"""

import argparse
import json
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import machine
import plots
import table
from settings import ROOT, Settings
from works import (
    absorb,
    beside,
    cells,
    crowd,
    durability,
    hello,
    http,
    leaks,
    million,
    overload,
    prefill,
    prefixes,
    scan,
    sessions,
    step,
)

PARTS = {
    "prefill": prefill.run,
    "million": million.run,
    "step": step.run,
    "http": http.run,
    "beside": beside.run,
    "absorb": absorb.run,
    "cells": cells.run,
    "scan": scan.run,
    "sessions": sessions.run,
    "durability": durability.run,
    "prefixes": prefixes.run,
    "hello": hello.run,
    "crowd": crowd.run,
    "overload": overload.run,
    "leaks": leaks.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="see that everything runs; the figures mean little")
    parser.add_argument("--results", type=Path, required=True, help="folder for table, plots and raw figures")
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build/release/scanstep")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    for name in names:
        if name not in PARTS:
            parser.error(f"there is no part {name}; the parts are {', '.join(PARTS)}")

    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    scratch = Path(tempfile.mkdtemp(prefix="scanstep-bench-"))
    try:
        settings = Settings(arguments.scanstep.resolve(), scratch, arguments.quick)
        for name in names:
            busy = machine.busy()
            print(f"measuring: {name}; others keep the machine {busy:.0%} busy", flush=True)
            start = time.monotonic()
            part = PARTS[name](settings)
            part["date"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            part["minutes"] = round((time.monotonic() - start) / 60, 1)
            part["machine"] = machine.describe()
            part["busy_before"] = round(busy, 3)
            part["quick"] = arguments.quick
            results[name] = part
            # After each part: an interruption loses no more than one.
            file.write_text(json.dumps({name: results[name] for name in PARTS if name in results}, indent=1) + "\n")
            table.write(results, arguments.results / "README.md", order=list(PARTS))
            plots.draw(results, arguments.results)
            print(table.of_part(part), flush=True)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
