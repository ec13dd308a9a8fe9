"""Requests whose clients disconnect in the head, the body, the reply or a stream; some stay to the end."""

import random
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable

from .server import MODEL

SESSIONS, OPEN = 64, 64
TIMEOUT_SECONDS = 30
RESET = struct.pack("ii", 1, 0)
"""With this, closing resets the connection and both sides discard what is in flight (socket(7), SO_LINGER)."""


class Departures:
    """Clients side by side, each replaced by another as it disconnects. The same seed makes the same requests."""

    def __init__(self, port: int, seed: int) -> None:
        self._address = ("127.0.0.1", port)
        self._random = random.Random(seed)
        self._open: deque[tuple[socket.socket, Callable[[socket.socket], None]]] = deque()
        self._kept: socket.socket | None = None
        self.kinds: Counter[str] = Counter()
        """The number of requests of each kind."""
        kinds = {
            self._nothing: 1, self._in_the_head: 3, self._in_the_body: 3, self._before_the_reply: 3,
            self._in_the_reply: 3, self._in_a_stream: 3, self._in_a_duplex_stream: 3, self._to_the_end: 6,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())
        for index in range(SESSIONS):
            self._create(f"leaves-{index}")

    def run(self, requests: int) -> None:
        """Makes `count` requests."""
        for kind in self._random.choices(self._kinds, self._weights, k=requests):
            self.kinds[kind.__name__.strip("_").replace("_", " ")] += 1
            if kind == self._to_the_end:
                self._to_the_end()
                continue
            client = socket.create_connection(self._address, timeout=TIMEOUT_SECONDS)
            # What the client does at its turn to disconnect; until then others run.
            self._open.append((client, kind(client)))
            if len(self._open) >= OPEN:
                self._let_go()

    def finish(self) -> None:
        """Disconnects the last clients."""
        while self._open:
            self._let_go()
        if self._kept:
            self._kept.close()
            self._kept = None

    def _let_go(self) -> None:
        client, last = self._open.popleft()
        try:
            last(client)
        except ConnectionError as error:
            raise RuntimeError(f"the server has left first: {error}") from error
        finally:
            if self._random.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()

    def _message(self, path: str, body: str = "", method: str = "POST", fields: str = "") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}\r\n{body}".encode()

    def _session(self) -> str:
        return f"/v1/sessions/leaves-{self._random.randrange(SESSIONS)}"

    def _create(self, name: str) -> None:
        with socket.create_connection(self._address, timeout=TIMEOUT_SECONDS) as client:
            client.sendall(self._message("/v1/sessions", f'{{"model": "{MODEL}", "id": "{name}", "text": "O"}}'))
            if b" 201 " not in client.recv(4096):
                raise RuntimeError(f"the session {name} was not made")

    # Each of these sends what precedes the client's turn to disconnect, and returns what it does then.

    def _nothing(self, _: socket.socket) -> Callable[[socket.socket], None]:
        return _leave

    def _in_the_head(self, client: socket.socket) -> Callable[[socket.socket], None]:
        message = self._message(self._session() + "/step", '{"token": 1}')
        client.sendall(message[: self._random.randrange(1, message.index(b"\r\n\r\n"))])
        return _leave

    def _in_the_body(self, client: socket.socket) -> Callable[[socket.socket], None]:
        message = self._message("/v1/prefill", f'{{"model": "{MODEL}", "sequences": [{{"text": "{"O" * 500}"}}]}}')
        client.sendall(message[: self._random.randrange(message.index(b"\r\n\r\n") + 4, len(message))])
        return _leave

    def _before_the_reply(self, client: socket.socket) -> Callable[[socket.socket], None]:
        text = "".join(self._random.choices("abcdefgh ", k=24))
        client.sendall(self._message("/v1/prefill", f'{{"model": "{MODEL}", "sequences": [{{"text": "{text}"}}]}}'))
        return _leave

    def _in_the_reply(self, client: socket.socket) -> Callable[[socket.socket], None]:
        if self._random.random() < 0.5:
            client.sendall(self._message("/openapi.yaml", method="GET"))
        else:
            sequence = f'{{"text": "{"O" * 40}"}}'
            wanted = '"return": "all", "logits": true'
            client.sendall(self._message("/v1/prefill", f'{{"model": "{MODEL}", "sequences": [{sequence}], {wanted}}}'))
        size = self._random.randrange(1, 4000)
        return lambda client: _read(client, size)

    def _in_a_stream(self, client: socket.socket) -> Callable[[socket.socket], None]:
        accept = self._random.choice(("Accept: text/event-stream\r\n", ""))
        generate = '{"max_tokens": 50, "stream": true}'
        client.sendall(self._message(self._session() + "/generate", generate, fields=accept))
        return lambda client: _read(client, 300)

    def _in_a_duplex_stream(self, client: socket.socket) -> Callable[[socket.socket], None]:
        client.sendall(self._message(self._session() + "/stream", fields="Transfer-Encoding: chunked\r\n"))
        line = b'{"token": 1}\n'
        for _ in range(self._random.randrange(3)):
            client.sendall(b"%x\r\n%s\r\n" % (len(line), line))
        client.sendall(b"%x\r\n%s" % (len(line), line[: self._random.randrange(len(line))]))
        return lambda client: _read(client, 10)

    def _to_the_end(self) -> None:
        """One step, on a connection that is kept open."""
        if not self._kept or self._random.random() < 0.02:
            if self._kept:
                self._kept.close()
            self._kept = socket.create_connection(self._address, timeout=TIMEOUT_SECONDS)
        message = self._random.choice((
            self._message("/livez", method="GET"), self._message("/v1/models", method="GET"),
            self._message("/nothing", method="GET"), self._message("/v1/step", '{"steps": []}'),
        ))
        self._kept.sendall(message)
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += _read(self._kept, 1)
        head, _, body = reply.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        _read(self._kept, length - len(body))


def _leave(_: socket.socket) -> None:
    pass


def _read(client: socket.socket, least: int) -> bytes:
    """Reads at least `count` bytes."""
    parts, count = [], 0
    while count < least:
        part = client.recv(65536)
        if not part:
            raise ConnectionError("the reply has ended")
        parts.append(part)
        count += len(part)
    return b"".join(parts)
