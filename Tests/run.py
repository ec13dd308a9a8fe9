#!/usr/bin/env python3
"""Runs the parts of `make test` or `make soak` (parts.py), about as many at once as there are cores.

The output of a part goes to .build-test/logs/NAME.log, and is shown where the part has failed. At the end come a table
of times, the errors of failed parts and, last, `N passed, N failed`; exits 1 on any failure.
"""

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

from parts import PARTS, Part

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".build-test/logs"
LIMIT_SECONDS = 1800
"""How long a part of `make test` may take; a part of `make soak` may take as long as it needs."""

COMPLAINT = re.compile(
    r"recorded an issue|^FAIL|^\S*Error: |error: |SUMMARY: |has not ended within|^Fatal error|Killed"
)
"""Matches the lines of a failed part's log that have its errors."""

groups: set[int] = set()
"""The process groups of the parts that run; each has the number of its first process."""


class Run:
    """A part that has ended."""

    def __init__(self, part: Part, status: int, seconds: float, processor: float) -> None:
        self.part, self.status, self.seconds, self.processor = part, status, seconds, processor
        text = part_log(part).read_text(errors="replace")
        self.passed, self.failed = counts(text, status)
        self.complaints = [line for line in text.splitlines() if COMPLAINT.search(line)] if status else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=("test", "soak"))
    parser.add_argument("--only", help="parts, separated by commas; what they need comes with them")
    parser.add_argument("--list", action="store_true", help="print the parts and their commands, and run nothing")
    arguments = parser.parse_args()
    parts = [part for part in PARTS if arguments.which == "soak" or not part.soak]
    if arguments.only:
        parts = chosen(arguments.only.split(","))
    if arguments.list:
        for part in parts:
            print(f"{part.name:<20}{part.command}")
        return 0

    LOGS.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    runs = run_all(parts)
    return summary(parts, runs, time.monotonic() - start)


def chosen(names: list[str]) -> list[Part]:
    """The parts of these names, or of these first words of their names, and those that they need."""
    wanted: set[str] = set()
    while names:
        name = names.pop()
        found = [part for part in PARTS if part.name == name or part.name.startswith(name + "-")]
        if not found:
            sys.exit(f'There is no part "{name}"; there are {", ".join(part.name for part in PARTS)}.')
        # One part's name may begin with the name of another that it needs.
        for part in found:
            if part.name not in wanted:
                wanted.add(part.name)
                names += part.needs
    return [part for part in PARTS if part.name in wanted]


def run_all(parts: list[Part]) -> dict[str, Run]:
    """Runs each part, in order, once those that it needs have passed; one whose needs have failed is left out."""
    # One more than the cores: parts also wait for disks, clocks and each other.
    cores = len(os.sched_getaffinity(0)) + 1
    free, waiting, runs = cores, list(parts), {}
    running: dict[concurrent.futures.Future[Run], int] = {}
    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        while True:
            for part in list(waiting):
                needed = [runs.get(name) for name in part.needs]
                if any(run and run.status for run in needed):
                    waiting.remove(part)
                elif all(needed):
                    if min(part.cores, cores) > free:
                        break
                    waiting.remove(part)
                    free -= min(part.cores, cores)
                    running[pool.submit(run_one, part)] = min(part.cores, cores)
            if not running:
                return runs
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                free += running.pop(future)
                run = future.result()
                runs[run.part.name] = run
                show(run)


def run_one(part: Part) -> Run:
    """Runs the command of a part, in a process group of its own so that nothing of it outlives its end."""
    start = time.monotonic()
    with part_log(part).open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", part.command],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        groups.add(process.pid)
        limit = threading.Timer(LIMIT_SECONDS, overdue, (process.pid, log))
        limit.daemon = True
        if not part.soak:
            limit.start()
        # Its number is not reused before the process is reaped.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        limit.cancel()
        groups.remove(process.pid)
        end(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Run(part, process.returncode, time.monotonic() - start, usage.ru_utime + usage.ru_stime)


def overdue(group: int, log: BinaryIO) -> None:
    log.write(f"\nIt has not ended within {LIMIT_SECONDS} seconds.\n".encode())
    log.flush()
    end(group)


def stop(number: int, _: object) -> None:
    """Kills all running parts, then ends this process by the same signal."""
    for group in list(groups):
        end(group)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def end(group: int) -> None:
    """Kills what is left of a process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def part_log(part: Part) -> Path:
    return LOGS / f"{part.name}.log"


def counts(text: str, status: int) -> tuple[int, int]:
    """How many checks have passed and failed, as the part has printed it last."""
    if found := re.findall(r"(\d+) passed, (\d+) failed", text):
        passed, failed = map(int, found[-1])
    elif found := re.findall(r"Test run with (\d+) tests?", text):
        failed = len(re.findall(r"^\S+ Test (?!run).* failed after", text, re.MULTILINE))
        passed = int(found[-1]) - failed
    else:
        passed, failed = (0, 1) if status else (1, 0)
    return passed, failed or int(status != 0)


def show(run: Run) -> None:
    """Prints one line for a part that has passed, and the whole log of one that has failed."""
    if run.status:
        print(f"\n----- {run.part.name} has failed; {part_log(run.part).relative_to(ROOT)}: -----\n")
        print(part_log(run.part).read_text(errors="replace"))
        print(f"----- end of {run.part.name} -----\n", flush=True)
    else:
        print(f"{run.part.name}: {run.passed} passed in {run.seconds:.0f} s", flush=True)


def summary(parts: list[Part], runs: dict[str, Run], seconds: float) -> int:
    """The table, and the exit status."""
    print(f"\n{'part':<20}{'seconds':>10}{'processor':>12}{'passed':>10}{'failed':>10}")
    for part in parts:
        if run := runs.get(part.name):
            print(f"{part.name:<20}{run.seconds:>10.1f}{run.processor:>12.1f}{run.passed:>10}{run.failed:>10}")
        else:
            print(f"{part.name:<20}{'left out: it needs what has failed':>42}")
    processor = sum(run.processor for run in runs.values())
    passed, failed = (sum(getattr(run, which) for run in runs.values()) for which in ("passed", "failed"))
    failed += len(parts) - len(runs)
    print(f"{'all':<20}{seconds:>10.1f}{processor:>12.1f}{passed:>10}{failed:>10}\n")
    for run in runs.values():
        for line in run.complaints[:10]:
            print(f"{run.part.name}: {line.strip()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
