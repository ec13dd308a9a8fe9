#!/usr/bin/env python3
"""Compares a server, which is killed and restarted, with a reference model of its sessions.

Concurrent clients create, step, generate, stream, fork, rewind, import and delete sessions, lose replies and repeat
requests under the same keys, while memory is too small for all sessions and the server is killed or stopped at any
moment.
Each reply must follow from the session's history to the byte; a crash may lose only what the session's durability
allows; memory stays within its bound; no request is stuck, and the process does not grow.

Prints findings and, last, `N passed, N failed`; exits 1 on any finding, and keeps the servers' logs and folders then.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from Checker.findings import Findings
from Checker.game import SETTINGS, Game
from Checker.history import Memory
from Checker.models import models
from Clients.server import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build-test/release/scanstep")
    parser.add_argument("--operations", type=int, default=20_000, help="on sessions, of all workers together")
    parser.add_argument("--kills", type=int, default=5, help="kill -9, of all workers together")
    parser.add_argument("--seconds", type=float, default=86_400, help="the time limit of the whole run")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="servers at once")
    parser.add_argument("--clients", type=int, help="of each server")
    parser.add_argument("--memory", type=int, help="bytes for sessions, of each server")
    parser.add_argument("--only", help=f"settings, of {', '.join(setting.name for setting in SETTINGS)}")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="scanstep-checker-"))
    for model in models().values():
        model.write(folder / "models")
    print(f"seed {arguments.seed}, in {folder}", flush=True)
    results, start = multiprocessing.Queue(), time.monotonic()
    workers = [
        multiprocessing.Process(target=_work, args=(arguments, number, folder, results))
        for number in range(arguments.workers)
    ]
    for worker in workers:
        worker.start()
    passed, kinds = 0, Counter()
    counts = {title: Counter() for title in ("operations", "refusals", "events")}
    for number, worker in enumerate(workers):
        worker.join()
        if worker.exitcode:
            kinds[f"worker {number} has ended with {worker.exitcode}"] += 1
            continue
        findings: Findings = results.get()
        passed += findings.passed
        kinds += findings.kinds
        for title, counter in counts.items():
            counter.update(getattr(findings, title))
    for title, counter in (counts | {"wrong": kinds}).items():
        print(f"{title}: {', '.join(f'{name} {count}' for name, count in counter.most_common())}")
    seconds = time.monotonic() - start
    print(f"{counts['operations'].total()} operations in {seconds:.0f} s")
    if kinds:
        print(f"seed {arguments.seed}; logs and folders are in {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{passed} passed, {kinds.total()} failed")
    return 1 if kinds or not passed else 0


def _work(arguments: argparse.Namespace, number: int, folder: Path, results: multiprocessing.Queue) -> None:
    """Runs one server after another, each with its own settings."""
    findings, memory, known = Findings(f"worker {number}"), Memory(), models()
    place = folder / f"worker-{number}"
    place.mkdir()
    (place / "models").symlink_to(folder / "models")
    chosen = [setting for setting in SETTINGS if not arguments.only or setting.name in arguments.only.split(",")]
    parts = arguments.workers * len(chosen)
    killed = [setting for setting in chosen if setting.ends]
    until = time.monotonic() + arguments.seconds
    for index, setting in enumerate(chosen):
        changes = {"clients": arguments.clients, "memory": arguments.memory}
        setting = replace(setting, **{name: value for name, value in changes.items() if value})
        kills = 0
        if setting.ends:
            place_of = number * len(killed) + len([one for one in chosen[:index] if one.ends])
            kills = (arguments.kills - place_of - 1) // (arguments.workers * len(killed)) + 1
        late = time.monotonic() + (until - time.monotonic()) / (len(chosen) - index)
        seed = arguments.seed * 1000 + number
        game = Game(setting, arguments.scanstep.resolve(), place, known, memory, findings, seed)
        game.play(arguments.operations // parts, kills, late)
    results.put(findings)


if __name__ == "__main__":
    sys.exit(main())
