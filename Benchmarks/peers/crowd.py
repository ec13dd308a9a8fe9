"""Idle and slow HTTP clients in a peer process."""

import contextlib
import resource
import select
import socket
import threading
from time import monotonic

from peers.process import answer

REQUEST = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SLOW_REQUEST = b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 10_000
PATIENCE_SECONDS = 60

_idle: list[socket.socket] = []
_slow: "SlowClients | None" = None


def idle(port: int, count: int) -> int:
    """Opens connections until there are `count`, each with one request answered, and keeps them open."""
    while len(_idle) < count:
        client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        client.sendall(REQUEST)
        if not client.recv(4096).startswith(b"HTTP/1.1 200 "):
            raise RuntimeError("an idle connection was refused")
        client.setblocking(False)
        _idle.append(client)
    return len(_idle)


def slow(port: int, count: int, seconds: float) -> int:
    """Begins `count` requests, of each of which one byte is sent every `seconds` seconds."""
    global _slow
    _slow = SlowClients(port, count, seconds)
    return count


def state() -> dict[str, int]:
    """How many clients are still connected, and how often a slow one was closed by the server and reconnected."""
    still = 0
    for client in _idle:
        try:
            still += bool(client.recv(1))
        except BlockingIOError:
            still += 1
        except OSError:
            pass
    return {"idle": still, "slow": _slow.count if _slow else 0, "slow_returned": _slow.returned if _slow else 0}


def leave() -> int:
    """Closes all connections."""
    global _slow
    if _slow:
        _slow.stop()
        _slow = None
    for client in _idle:
        client.close()
    _idle.clear()
    return 0


class SlowClients(threading.Thread):
    """Sends the next byte of each request when it is due, and reconnects where the server has closed."""

    def __init__(self, port: int, count: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.returned = 0
        self._address = ("127.0.0.1", port)
        self._pause = seconds / count
        self._poll = select.epoll()
        self._clients: dict[int, tuple[socket.socket, int]] = {}
        self._running = True
        for _ in range(count):
            self._connect()
        self.start()

    @property
    def count(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    def stop(self) -> None:
        """Ends the thread and closes all connections."""
        self._running = False
        self.join()
        for client, _ in self._clients.values():
            client.close()
        self._poll.close()

    def _connect(self) -> None:
        client = socket.create_connection(self._address, timeout=PATIENCE_SECONDS)
        client.setblocking(False)
        self._clients[client.fileno()] = client, 0
        self._poll.register(client, select.EPOLLIN | select.EPOLLRDHUP)

    def run(self) -> None:
        due = monotonic()
        turn: list[int] = []
        while self._running:
            for descriptor, _ in self._poll.poll(max(0.0, min(1.0, due - monotonic()))):
                self._replace(descriptor)
            while self._running and due <= monotonic():
                turn = turn or list(self._clients)
                self._send_byte(turn.pop())
                due += self._pause

    def _send_byte(self, descriptor: int) -> None:
        client, sent = self._clients.get(descriptor, (None, 0))
        if client:
            with contextlib.suppress(OSError):
                client.send(SLOW_REQUEST[sent : sent + 1])
                self._clients[descriptor] = client, sent + 1

    def _replace(self, descriptor: int) -> None:
        """Reconnects a client to which the server has sent anything, since it sends slow ones nothing but a refusal."""
        client, _ = self._clients.pop(descriptor)
        client.close()
        self.returned += 1
        self._connect()


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    answer({"idle": idle, "slow": slow, "state": state, "leave": leave})


main()
