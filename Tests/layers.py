#!/usr/bin/env python3
"""Compares the layers of docs/architecture.md with the targets of Package.swift and with every import of Sources.

A target may import only what it declares as a dependency, and only from layers below its own. Prints what does not
fit and, last, `N passed, N failed`; exits 1 on any.
"""

import os
import re
import subprocess
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/architecture.md"


def main() -> int:
    layers = {target: layer for layer, targets in rows() for target in targets}
    declared = targets()
    problems, passed = [], 0
    for target in sorted(declared.keys() ^ layers.keys()):
        problems.append(f"{target} is {'in no layer' if target in declared else 'no target'}")
    for target, dependencies in declared.items():
        for other in sorted(dependencies & layers.keys()):
            if layers[other] < layers.get(target, 0):
                passed += 1
            else:
                problems.append(f"{target} depends on {other}, which is in no layer below its own")
        for file in sorted((ROOT / "Sources" / target).rglob("*.swift")):
            for name in imports(file) & layers.keys():
                if name in dependencies:
                    passed += 1
                else:
                    problems.append(f"{file.relative_to(ROOT)} imports {name}, which {target} does not depend on")
    for problem in problems:
        print(f"FAILED  {problem}")
    print(f"{passed} passed, {len(problems)} failed")
    return 1 if problems or not passed else 0


def rows() -> list[tuple[int, list[str]]]:
    """The table of layers: each number with its targets."""
    found = re.findall(r"^\| (\d+) \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE)
    return [(int(layer), re.findall(r"`(\w+)`", targets)) for layer, targets in found]


def targets() -> dict[str, set[str]]:
    """The targets in Sources and what each declares to depend on."""
    command = [os.environ.get("SWIFT", "swift"), "package", "dump-package"]
    package = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return {
        target["name"]: {name for each in target["dependencies"] for name in names(each)}
        for target in package["targets"]
        if (ROOT / "Sources" / target["name"]).is_dir()
    }


def names(dependency: dict) -> list[str]:
    """What a dependency is imported as; one from another package is a product."""
    return [values[0] for values in dependency.values() if values]


def imports(file: Path) -> set[str]:
    found = re.findall(r"^(?:@\w+ |public |private |internal )*import (?:\w+ )?(\w+)", file.read_text(), re.MULTILINE)
    return set(found)


if __name__ == "__main__":
    raise SystemExit(main())
