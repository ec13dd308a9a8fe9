"""The state that the clients of one server share: its process, its restarts and the findings."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .findings import Findings
from .history import Memory
from .models import Model
from .program import Program
from .watch import Needs


@dataclass(frozen=True)
class Setting:
    """The settings of a server, and the load on it."""

    name: str
    memory: int
    """Bytes for sessions."""
    is_kept_on_disk: bool
    sessions: int
    """The number of each client's sessions."""
    clients: int
    owners: tuple[str, ...] = ("",)
    checkpoints: int = 1
    """The most that are made in one operation."""
    ends: bool = True
    """Whether the server is killed and stopped; otherwise one process serves all, and its memory must not grow."""
    fits: bool = False
    """Whether memory has room for each session by itself: then no operation may be refused for lack of memory."""


@dataclass
class Arena:
    """The shared state of all clients of one server."""

    setting: Setting
    program: Program
    models: dict[str, Model]
    memory: Memory
    findings: Findings
    needs: Needs
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    """The API key of each owner."""
    events: list[str] = field(default_factory=list)
    """The ends of the server so far: `kill` and `end`."""
    keeps_keys: bool = False
    """Whether all routes that are not idempotent honour keys, not only those that take inputs."""
    is_over: bool = False

    def __post_init__(self) -> None:
        self._condition = threading.Condition()
        self._is_paused = False
        self._at_rest = 0
        self._running = 0

    # Of clients.

    def joined(self, number: int) -> None:
        """Adds `number` to the running clients."""
        with self._condition:
            self._running += number
            self._condition.notify_all()

    def rest(self) -> None:
        """Called between two operations: waits while the clients are paused."""
        with self._condition:
            self._at_rest += 1
            self._condition.notify_all()
            while self._is_paused and not self.is_over:
                self._condition.wait(1)
            self._at_rest -= 1

    def wait_for_event(self, known: int, seconds: float) -> bool:
        """Waits until there are more than `known` events; False where none comes in time."""
        with self._condition:
            return self._condition.wait_for(lambda: len(self.events) > known or self.is_over, seconds)

    # Of the game.

    def pause(self, seconds: float) -> bool:
        """Pauses all clients between two operations; False where an operation does not end in time."""
        with self._condition:
            self._is_paused = True
            return self._condition.wait_for(lambda: self._at_rest >= self._running, seconds)

    def go_on(self) -> None:
        """Resumes all clients."""
        with self._condition:
            self._is_paused = False
            self._condition.notify_all()

    def happened(self, event: str) -> None:
        """Records that the server has ended in that way and runs again."""
        with self._condition:
            self.events.append(event)
            self._condition.notify_all()

    def finish(self) -> None:
        """Ends all clients."""
        with self._condition:
            self.is_over = True
            self._condition.notify_all()

    def wait_for_all(self, seconds: float) -> bool:
        """Waits until all clients have ended."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._running, seconds)

    def sleep(self, seconds: float) -> None:
        """Sleeps in small parts, until the clients are to end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.is_over:
            time.sleep(min(0.05, max(0, end - time.monotonic())))
