#!/usr/bin/env python3
"""Measures every model of a folder through a server of its own, by the public routes alone, on data that no recipe
has seen.

    python Models/training/evaluate.py
    python Models/training/evaluate.py --data tinyshakespeare.txt --only surface-code --quick

Writes the figures into README.md of the folder and of each model, and plots into its figures/. Sequences, shots and
trajectories are drawn anew each time, from the seed that is recorded with the figures; the text is the last tenth of
Tiny Shakespeare, fetched if no file is named.
"""

import argparse
import contextlib
import re
import secrets
import sys
import tempfile
from pathlib import Path

import bounded

ROOT = Path(__file__).resolve().parents[2]
KINDS = {
    "shakespeare": ("Shakespeare", r"shakespeare-.+"),
    "selective-copy": ("Selective copy", r"selective-copy-.+"),
    "surface-code": ("Surface code", r"surface-code-d[0-9]+"),
    "lorenz": ("Lorenz system", r"lorenz-.+"),
}
"""The parts of the report: title, and pattern of the models' names."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/scanstep", help="the server; %(default)s")
    parser.add_argument("--models", type=Path, default=ROOT / "Models", help="default: %(default)s")
    parser.add_argument("--data", type=Path, help="a copy of Tiny Shakespeare")
    parser.add_argument("--only", choices=KINDS, help="only models of this kind")
    parser.add_argument(
        "--seed", type=bounded.seed, default=secrets.randbelow(1_000_000), help="default: another each time"
    )
    parser.add_argument("--quick", action="store_true", help="little data; writes to standard output only")
    options = parser.parse_args()

    from evaluation import copying, forecast, report, surface, text
    from serving import Refused, serving

    measures = dict(zip(KINDS, (text.measure, copying.measure, surface.measure, forecast.measure)))
    results = options.models / "figures" / "results.json"
    if not options.binary.is_file():
        sys.exit(f"evaluate: {options.binary} is not built: `swift build -c release` builds it")
    pictures = tempfile.TemporaryDirectory() if options.quick else contextlib.nullcontext(results.parent)
    try:
        with pictures as folder, serving(options.binary, options.models) as client:
            options.figures = Path(folder)
            served = sorted(model["id"] for model in client.get("/v1/models")["data"])
            known = {
                kind: [model for model in served if re.fullmatch(pattern, model)]
                for kind, (_, pattern) in KINDS.items()
                if options.only in (None, kind)
            }
            measured = sum(known.values(), [])
            if not measured:
                sys.exit(f"evaluate: {options.models} has no {options.only or 'known'} model")
            if not options.only and len(measured) < len(served):
                unknown = ", ".join(model for model in served if model not in measured)
                print(f"evaluate: there is no measure for {unknown}", file=sys.stderr)
            if not options.quick:
                report.check(options.models, measured)
            for kind, models in known.items():
                rows = measures[kind](client, models, options) if models else []
                for row in rows:
                    print("  ".join(filter(None, [row.model, *row.cells(False)])), flush=True)
                if rows and not options.quick:
                    report.record(results, KINDS[kind][0], rows, options.seed)
    except Refused as refused:
        sys.exit(f"evaluate: {refused}")
    if not options.quick:
        report.write(results, options.models)


if __name__ == "__main__":
    main()
