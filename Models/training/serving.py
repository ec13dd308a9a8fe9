"""Runs a server for a context, and calls its routes. Needs nothing but Python's standard library."""

import contextlib
import http.client
import json
import socket
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

LISTENING = "scanstep: listening on "
JSON = {"Content-Type": "application/json"}


class Refused(Exception):
    """The server did not start, or refused a request; one sentence."""


@contextlib.contextmanager
def serving(binary: Path, models: Path, *options: str) -> Iterator["Client"]:
    """Starts a server of the folder on a free port, yields a client of it and stops it."""
    command = [str(binary), "serve", "--models", str(models), "--port", "0", *options]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            line = next((line for line in process.stdout if line.startswith(LISTENING)), None)
            if line is None:
                process.wait()
                log.seek(0)
                raise Refused(f"the server does not take the models: {log.read().strip()}")
            yield Client(line.removeprefix(LISTENING).strip())
        finally:
            process.terminate()


class Client:
    """One kept connection to a server."""

    def __init__(self, address: str):
        self.address = urllib.parse.urlsplit(address)
        self._connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=600)

    def another(self) -> "Client":
        """A client of the same server with a connection of its own."""
        return Client(self.address.geturl())

    def request(self, method: str, path: str, body: bytes | None = None) -> dict:
        try:
            self._connection.request(method, path, body, JSON if body is not None else {})
            reply = self._connection.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"no reply from {self.address.netloc}: {error}") from error
        if reply.status >= 400:
            raise Refused(f"{reply.status} from {path}: {text.decode(errors='replace')}")
        return json.loads(text) if text else {}

    def get(self, path: str) -> dict:
        return self.request("GET", path)

    def post(self, path: str, body: dict) -> dict:
        return self.request("POST", path, json.dumps(body).encode())

    def results(self, path: str, body: dict) -> list[dict]:
        """The results of /v1/prefill or /v1/step, one for each sequence or step. Raises where one is an error."""
        return self.results_of(path, json.dumps(body).encode())

    def results_of(self, path: str, body: bytes) -> list[dict]:
        """The same, of a body that is JSON already."""
        found = self.request("POST", path, body)["results"]
        for result in found:
            if "error" in result:
                raise Refused(f"{path}: {result['error']}")
        return found

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def stream(self, session: str) -> "Stream":
        return Stream(self.address, f"/v1/sessions/{session}/stream")


class Stream:
    """A session's duplex stream: a line goes out as a chunk, and its reply comes back while the request is still
    open."""

    def __init__(self, address: urllib.parse.SplitResult, path: str):
        self._socket = socket.create_connection((address.hostname, address.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = [f"POST {path} HTTP/1.1", f"Host: {address.netloc}", "Content-Type: application/x-ndjson"]
        self._socket.sendall("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
        self._reader = self._socket.makefile("rb")
        self._in_body, self._lines = False, []

    def send(self, *lines: bytes) -> None:
        self._socket.sendall(b"".join(b"%x\r\n%s\n\r\n" % (len(line) + 1, line) for line in lines))

    def receive(self) -> dict:
        """The next line of the reply."""
        if not self._in_body:
            status = self._reader.readline()
            if b" 200 " not in status:
                raise Refused(f"the stream was answered {status.decode().strip()}: {self._reader.read(2000).decode()}")
            while self._reader.readline() not in (b"\r\n", b""):
                pass
            self._in_body = True
        while not self._lines:
            size = int(self._reader.readline() or b"0", 16)
            if size == 0:
                raise Refused("the stream has ended")
            self._lines = self._reader.read(size).splitlines()
            self._reader.readline()
        return json.loads(self._lines.pop(0))

    def close(self) -> None:
        """Ends the request and reads the reply to its end."""
        self._socket.sendall(b"0\r\n\r\n")
        while not self.receive().get("done"):
            pass
        self._reader.close()
        self._socket.close()
