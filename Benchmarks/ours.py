"""Scanstep, as a command and as a server."""

import http.client
import json
import subprocess
from pathlib import Path
from typing import Any

import machine
from peers.process import ServerProcess
from settings import Settings


def bench(settings: Settings, model: Path | None, *options: str) -> dict[str, Any]:
    """The report of `scanstep bench --json` on a model's folder, or on the shape that the options give."""
    command = [str(settings.scanstep), "bench", *([str(model)] if model else []), "--json", *options]
    if "--threads" not in options:
        command += ["--threads", str(settings.threads)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def serve_has(settings: Settings, option: str) -> bool:
    """Whether `scanstep serve` has an option."""
    command = [str(settings.scanstep), "serve", "--help"]
    return option in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


class Server(ServerProcess):
    """`scanstep serve` on a free port of the loopback interface, for as long as the context lasts."""

    def __init__(self, settings: Settings, models: Path, *options: str, prefix: tuple[str, ...] = ()) -> None:
        command = [*prefix, str(settings.scanstep), "serve", "--models", str(models), "--port", "0"]
        command += ["--log-level", "error", "--threads", str(settings.threads), *options]
        super().__init__(command)
        line = self._line()
        if "listening on" not in line:
            raise RuntimeError("the server did not start")
        self.base = line.rpartition("listening on ")[2].strip()
        self.port = int(line.rsplit(":", 1)[1])

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Sends JSON on a connection of its own."""
        return post(self.port, path, body)

    def get(self, path: str) -> bytes:
        """The body of a reply, on a connection of its own."""
        return _ask(self.port, "GET", path)

    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        return machine.resident_bytes(self.pid)


def post(port: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Sends JSON to a server on this machine and returns its reply."""
    return json.loads(_ask(port, "POST", path, json.dumps(body)))


def _ask(port: int, method: str, path: str, body: str | None = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{path}: {reply.status} {text[:500]!r}")
        return text
    finally:
        connection.close()
