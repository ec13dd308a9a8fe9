"""Node's fetch: the checks are in fetch.mjs, which prints a line of JSON for each."""

import json
import os
import subprocess
from pathlib import Path

from .report import Report
from .server import MODEL, Server

OLDEST = 18
"""The first Node that has a fetch."""


def run(server: Server, report: Report) -> None:
    asked = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=30, check=True)
    version = asked.stdout.strip().removeprefix("v")
    if int(version.partition(".")[0]) < OLDEST:
        print(f"Node's fetch was left out: this is Node {version}, which has none.")
        return
    environment = os.environ | ({"NODE_EXTRA_CA_CERTS": str(server.certificate)} if server.certificate else {})
    command = ["node", str(Path(__file__).with_name("fetch.mjs")), server.base, MODEL]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    for line in said.stdout.splitlines():
        check = json.loads(line)
        report.check(check["what"], check["holds"], check["found"])
    report.check("it runs to its end", said.returncode == 0, said.stderr)
