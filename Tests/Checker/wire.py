"""A minimal HTTP/1.1 client on plain sockets, which can disconnect at any byte."""

import json
import socket
import struct
from collections.abc import Iterator

STUCK_SECONDS = 20
"""Seconds after which a request counts as stuck."""
RESET = struct.pack("ii", 1, 0)
"""With this, closing resets the connection (socket(7), SO_LINGER)."""


class ServerGone(Exception):
    """The connection has ended before the reply."""


class Stuck(Exception):
    """No reply came in time."""


class Reply:
    """A status, header fields with names in lower case, and a body."""

    def __init__(self, status: int, fields: dict[str, str], body: bytes = b"") -> None:
        self.status, self.fields, self.body = status, fields, body

    @property
    def ok(self) -> bool:
        """Whether the request was done."""
        return 200 <= self.status < 300

    def json(self) -> dict:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The name of a problem, or the error text of an Open Inference reply; empty for other replies."""
        if self.ok or not self.body.startswith(b"{"):
            return ""
        body = self.json()
        return str(body.get("type", "")).removeprefix("urn:scanstep:") or str(body.get("error", ""))

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:300].decode(errors='replace')}"


def message(method: str, path: str, body: bytes | None, fields: dict[str, str]) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
        if not any(name.lower() == "content-type" for name in fields):
            lines.append("Content-Type: application/json")
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Connection:
    """One connection, kept between requests."""

    def __init__(self, port: int) -> None:
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=STUCK_SECONDS)
        except TimeoutError as error:
            raise Stuck("no connection") from error
        except OSError as error:
            raise ServerGone(str(error)) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.is_reusable = True

    def send(self, data: bytes) -> None:
        """Sends bytes."""
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise Stuck("the request is not read") from error
        except OSError as error:
            raise ServerGone(str(error)) from error

    def close(self, with_reset: bool = False) -> None:
        """Closes the connection."""
        self.is_reusable = False
        try:
            if with_reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._socket.close()
        except OSError:
            pass

    def exchange(self, data: bytes, method: str) -> Reply:
        """Sends a request and reads its reply."""
        self.send(data)
        reply = self.head()
        if reply.status in (204, 304) or method == "HEAD":
            return reply
        reply.body = self.body(reply)
        return reply

    def body(self, reply: Reply) -> bytes:
        """Reads the body behind a head."""
        if reply.fields.get("transfer-encoding") == "chunked":
            return b"".join(self.chunks())
        return self._take(int(reply.fields.get("content-length", 0)))

    def head(self) -> Reply:
        """Reads the head of a reply."""
        while True:
            lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ", 2)[1])
            if status != 100:
                break
        fields = {}
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
        if fields.get("connection", "").lower() == "close":
            self.is_reusable = False
        return Reply(status, fields)

    def chunks(self) -> Iterator[bytes]:
        """Reads the chunks of a body, each as it arrives."""
        while True:
            size = int(self._until(b"\r\n"), 16)
            part = self._take(size + 2)
            if not size:
                return
            yield part[:-2]

    def lines(self) -> Iterator[bytes]:
        """Reads the lines of a chunked body, each as it arrives."""
        rest = b""
        for part in self.chunks():
            *whole, rest = (rest + part).split(b"\n")
            yield from whole

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        part, _, self._buffer = self._buffer.partition(end)
        return part

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        part, self._buffer = self._buffer[:count], self._buffer[count:]
        return part

    def _more(self) -> None:
        try:
            part = self._socket.recv(1 << 16)
        except TimeoutError as error:
            raise Stuck(f"no reply in {STUCK_SECONDS} s") from error
        except OSError as error:
            raise ServerGone(str(error)) from error
        if not part:
            raise ServerGone("the connection has ended")
        self._buffer += part
