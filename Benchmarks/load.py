"""HTTP load from wrk, on one thread so that the server has the other cores, and from openloop.c."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine

SCRIPT = Path(__file__).resolve().parent / "wrk.lua"


@dataclass(frozen=True)
class Load:
    """The measurements of one load."""

    rate: float
    """Requests per second."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def livez(port: int, connections: int, seconds: float) -> Load:
    return _run(_base(port), connections, seconds, "livez")


def fetch(url: str, connections: int, seconds: float) -> Load:
    """Repeats one GET, from cores other than `machine.first_core`."""
    base, path = url.rsplit("/", 1)
    return _run(base, connections, seconds, "get", f"/{path}", prefix=machine.other_cores())


def steps(port: int, connections: int, seconds: float, prefix: str, vocabulary: int) -> Load:
    """Steps one session on each connection: those named PREFIX0, PREFIX1, …"""
    return _run(_base(port), connections, seconds, "step", str(connections), prefix, str(vocabulary))


def random_steps(port: int, connections: int, seconds: float, sessions: int, vocabulary: int, seed: int) -> Load:
    """Steps sessions drawn at random from those named s0000000, s0000001, …; the same seed draws the same sessions."""
    return _run(_base(port), connections, seconds, "random", str(sessions), str(vocabulary), str(seed))


class OpenLoop:
    """A generator that sends on schedule, whether or not replies arrive: openloop.c, compiled into a folder."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "openloop"
        self._request = folder / "request"
        source = SCRIPT.with_name("openloop.c")
        subprocess.run(["cc", "-O2", "-o", str(self._program), str(source)], check=True)

    def post(
        self, port: int, path: str, body: dict[str, Any], connections: int, rate: float, seconds: float
    ) -> dict[str, Any]:
        """Sends a body `rate` times a second; at a rate of 0, on each connection as soon as its reply arrives."""
        content = json.dumps(body)
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        self._request.write_text(f"{head}Content-Length: {len(content)}\r\n\r\n{content}")
        command = [str(self._program), str(port), str(connections), str(rate), str(seconds), str(self._request)]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _run(base: str, connections: int, seconds: float, *what: str, prefix: tuple[str, ...] = ()) -> Load:
    command = [*prefix, "wrk", "--threads", "1", "--connections", str(connections), "--duration"]
    command += [f"{max(1, round(seconds))}s", "--timeout", "60s", "--script", str(SCRIPT), base, "--", *what]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result = json.loads(output.split("RESULT ", 1)[1])
    if result["bad"] or not result["requests"]:
        raise RuntimeError(f"{result['bad']} of {result['requests']} requests failed: {' '.join(command)}")
    rate = result["requests"] / result["seconds"]
    return Load(rate, result["p50_ms"], result["p90_ms"], result["p99_ms"], result["max_ms"])
