"""What the clients of one server share: its process, whether it is there, and what was seen."""

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
    """How a server is set, and how it is used."""

    name: str
    memory: int
    """Bytes for sessions."""
    is_kept_on_disk: bool
    sessions: int
    """Of each client."""
    clients: int
    owners: tuple[str, ...] = ("",)
    checkpoints: int = 1
    """The most that are made one after the other."""
    ends: bool = True
    """Whether the server is killed and ended; else one process does it all, and nothing may grow."""
    fits: bool = False
    """Whether there is room for each session by itself: then none is refused for want of memory, however many move."""


@dataclass
class Arena:
    """Everything that is the same for all clients of one server."""

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
    """What became of the server so far: `kill` and `end`."""
    keeps_keys: bool = False
    """Whether all routes that could do something twice keep keys, not only those that take inputs."""
    is_over: bool = False

    def __post_init__(self) -> None:
        self._condition = threading.Condition()
        self._is_paused = False
        self._at_rest = 0
        self._running = 0

    # Of clients.

    def joined(self, number: int) -> None:
        """So many more clients are at work, or fewer."""
        with self._condition:
            self._running += number
            self._condition.notify_all()

    def rest(self) -> None:
        """Between two operations: waits while nobody is to ask anything."""
        with self._condition:
            self._at_rest += 1
            self._condition.notify_all()
            while self._is_paused and not self.is_over:
                self._condition.wait(1)
            self._at_rest -= 1

    def wait_for_event(self, known: int, seconds: float) -> bool:
        """Waits until more has become of the server than is known; False when nothing has."""
        with self._condition:
            return self._condition.wait_for(lambda: len(self.events) > known or self.is_over, seconds)

    # Of who leads them.

    def pause(self, seconds: float) -> bool:
        """Has all clients wait between two operations; False where one does not come to the end of its own."""
        with self._condition:
            self._is_paused = True
            return self._condition.wait_for(lambda: self._at_rest >= self._running, seconds)

    def go_on(self) -> None:
        """Lets them go on."""
        with self._condition:
            self._is_paused = False
            self._condition.notify_all()

    def happened(self, event: str) -> None:
        """The server has ended in that way, and is there again."""
        with self._condition:
            self.events.append(event)
            self._condition.notify_all()

    def finish(self) -> None:
        """Has all clients end."""
        with self._condition:
            self.is_over = True
            self._condition.notify_all()

    def wait_for_all(self, seconds: float) -> bool:
        """Waits until they have."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._running, seconds)

    def sleep(self, seconds: float) -> None:
        """Lets time go by in small parts."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.is_over:
            time.sleep(min(0.05, max(0, end - time.monotonic())))
