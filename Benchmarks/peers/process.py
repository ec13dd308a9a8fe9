"""A peer in a process of its own: requests and replies are lines of JSON on its standard input and output."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).resolve().parent.parent


class ServerProcess:
    """A server that is a program of its own, for as long as the context lasts."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def _line(self) -> str:
        return self._process.stdout.readline()


class PeerProcess:
    """Runs a module of this package. The process ends when its standard input does, with the context."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"peers.{module}", *arguments]
        self._process = subprocess.Popen(
            command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _line(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer {self._process.args} ended")
        return line


class Peer(PeerProcess):
    """A peer that runs operations on request, and times them itself."""

    def ask(self, what: str, **arguments: Any) -> Any:
        """Runs an operation in the peer and returns its result."""
        self._process.stdin.write(json.dumps({"what": what, "arguments": arguments}) + "\n")
        return json.loads(self._line())


class PeerServer(PeerProcess):
    """A peer that serves HTTP and prints its port first."""

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__(module, *arguments)
        self.port = int(self._line())


def answer(handlers: dict[str, Callable[..., Any]]) -> None:
    """The peer's side: runs the operations that its standard input names, until it ends."""
    # Libraries may print; only answers belong on the pipe.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        replies.write(json.dumps(handlers[request["what"]](**request["arguments"])) + "\n")
