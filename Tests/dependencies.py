#!/usr/bin/env python3
"""Compares the resolved packages of a build, including indirect ones, with the recorded list: exact versions in
Package.swift leave the dependencies' own dependencies open.

Prints differences and, last, `N passed, N failed`; exits 1 on any. With --record it writes the list anew.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "Tests/dependencies.txt"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch-path", default=".build-test", help="the build; %(default)s")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    command = [os.environ.get("SWIFT", "swift"), "package", "--scratch-path", arguments.scratch_path]
    shown = subprocess.run(
        [*command, "show-dependencies", "--format", "json"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    # SwiftPM prints progress before the JSON.
    found = sorted(set(packages(json.loads(shown[shown.index("{") :]))))
    if arguments.record:
        RECORDED.write_text("".join(f"{line}\n" for line in found))
    recorded = RECORDED.read_text().splitlines()
    for line in sorted({*found, *recorded}):
        if line not in found:
            print(f"FAILED  recorded, but not resolved: {line}")
        elif line not in recorded:
            print(f"FAILED  resolved, but not recorded: {line}")
    failed = len({*found} ^ {*recorded})
    print(f"{len({*found} & {*recorded})} passed, {failed} failed")
    return 1 if failed or not found else 0


def packages(package: dict) -> list[str]:
    """`URL VERSION` of each package below this one."""
    below = package["dependencies"]
    own = [f"{each['url'].removesuffix('.git')} {each['version']}" for each in below]
    return own + [line for each in below for line in packages(each)]


if __name__ == "__main__":
    sys.exit(main())
