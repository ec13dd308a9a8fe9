"""Clients of a duplex stream that read while they still write: curl with `-T .`, and the README's lines of Python."""

import contextlib
import http.client
import io
import json
import re
import select
import subprocess
from collections.abc import Callable

from .report import Report
from .server import MODEL, ROOT, Server

LINES = 3
ANSWER_SECONDS = 20


def run(server: Server, report: Report) -> None:
    for name, drive in (("duplex-curl", _curl), ("first", _readme)):
        connection = _connect(server)
        connection.request("POST", "/v1/sessions", json.dumps({"model": MODEL, "id": name}))
        reply = connection.getresponse()
        report.check(f"session {name} is made", reply.status == 201, reply.read())
        connection.close()
        drive(server, report)


def _connect(server: Server) -> http.client.HTTPConnection:
    if server.trust:
        return http.client.HTTPSConnection("127.0.0.1", server.port, context=server.trust)
    return http.client.HTTPConnection("127.0.0.1", server.port)


def _curl(server: Server, report: Report) -> None:
    trust = ["--cacert", str(server.certificate)] if server.certificate else []
    command = ["curl", "--silent", "-NT", ".", "-X", "POST", *trust, f"{server.base}/v1/sessions/duplex-curl/stream"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes, bufsize=0) as curl:
        for number in range(1, LINES + 1):
            curl.stdin.write(b'{"token": 1}\n')
            ready, _, _ = select.select([curl.stdout], [], [], ANSWER_SECONDS)
            answer = json.loads(curl.stdout.readline()) if ready else {}
            report.equal("curl -T . shows each answer before the next line is sent", answer.get("step"), number)
        curl.stdin.close()
        last = json.loads(curl.stdout.readline())
        report.equal("and ends the stream", [last.get(name) for name in ("steps", "reason")], [LINES, "end"])


def _readme(server: Server, report: Report) -> None:
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if "http.client" in block]
    report.equal("the README shows a stream in Python", len(found), 1)
    connect: Callable[[str, int], http.client.HTTPConnection] = lambda _host, _port: _connect(server)
    code = found[0].replace("http.client.HTTPConnection(", "connect(")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {"connect": connect})  # noqa: S102 - the README's own example
    steps = [json.loads(line)["step"] for line in re.findall(r"b'(.*)\\n'", said.getvalue())]
    report.equal("whose answers come line by line", steps, [1, 2])
