"""h2load, speaking HTTP/1.1: many requests on several connections, pipelined, and none of them lost."""

import json
import re
import subprocess
import tempfile
import urllib.request

from .report import Report
from .server import MODEL, Server


def run(server: Server, report: Report) -> None:
    _load(report, "GET /livez", 20_000, 32, f"{server.base}/livez")
    _load(report, "GET /livez, four at once on each", 20_000, 8, f"{server.base}/livez", "--max-concurrent-streams=4")

    body = json.dumps({"model": MODEL, "id": "h2load"}).encode()
    headers = {"Content-Type": "application/json"}
    making = urllib.request.Request(f"{server.base}/v1/sessions", body, headers)
    urllib.request.urlopen(making, timeout=30, context=server.trust).close()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write('{"token": 1}')
        file.flush()
        session = f"{server.base}/v1/sessions/h2load"
        options = f"--data={file.name}", "--header=content-type: application/json"
        _load(report, "steps of one session", 2_000, 8, f"{session}/step", *options)
        with urllib.request.urlopen(session, timeout=30, context=server.trust) as reply:
            report.equal("each has moved it once", json.load(reply)["step"], 2_000)


def _load(report: Report, what: str, requests: int, clients: int, url: str, *options: str) -> None:
    command = ["h2load", "--h1", f"--requests={requests}", f"--clients={clients}", "--threads=1", *options, url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    succeeded = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said.stdout)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said.stdout)
    found = [int(group) for match in (succeeded, statuses) if match for group in match.groups()]
    report.check(what, found == [requests, 0, 0, 0, requests, 0, 0, 0], f"{said.stdout[-600:]}{said.stderr[-200:]}")
