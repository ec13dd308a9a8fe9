"""The possible states of a session, given all requests about it and all replies."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .history import Node
from .models import Input, Model

KEPT_REPLIES = 8
"""The most replies under keys that a session keeps."""


@dataclass(frozen=True)
class Keyed:
    """A request under an `Idempotency-Key`, and the body of its reply; None until one was read."""

    key: str
    method: str
    path: str
    body: bytes
    reply: bytes | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The header fields of its repetition."""
        kind = "application/octet-stream" if self.method == "PUT" else "application/json"
        return {"Idempotency_Key": self.key, "Content_Type": kind}


@dataclass(frozen=True)
class World:
    """A state of a session, with its checkpoints and kept replies."""

    node: Node
    checkpoints: tuple[tuple[str, Node], ...] = ()
    replies: tuple[Keyed, ...] = ()

    def at(self, node: Node) -> "World":
        """The same at another history."""
        return replace(self, node=node)

    def keeping(self, keyed: Keyed | None) -> "World":
        """The same with one more kept reply."""
        if not keyed:
            return self
        others = tuple(reply for reply in self.replies if reply.key != keyed.key)
        return replace(self, replies=(*others, keyed)[-KEPT_REPLIES:])


@dataclass(frozen=True)
class Run:
    """A stream that may have advanced a session by some of these inputs, one at a time."""

    before: World
    inputs: tuple[Input, ...]
    least: int = 0
    """The least number of inputs that were absorbed."""

    def worlds(self, step: int) -> Iterator[World]:
        """The possible worlds at a step."""
        count = step - self.before.node.step
        if self.least <= count <= len(self.inputs):
            yield self.before.at(self.before.node.child(self.inputs[:count]))


@dataclass(frozen=True)
class Generating:
    """A generation whose tokens are not all known, after an input."""

    before: World
    input: tuple[Input, ...]
    settings: dict
    seen: int
    """The number of tokens that were reported."""
    is_stream: bool
    keyed: Keyed | None = None


Candidate = World | Run | Generating | None
"""None where there is no session."""


class Session:
    """A session and its possible worlds: in `possible` those of the server, in `past` those of the disk, where writes
    are asynchronous."""

    def __init__(
        self, name: str, model: Model, world: World | None, *, durability: str, owner: str = "",
        recent_states: int = 0, idle: float = 0, is_kept_on_disk: bool = True,
    ) -> None:
        self.name, self.model, self.owner = name, model, owner
        self.durability = durability if is_kept_on_disk else "memory"
        self.recent_states, self.idle = recent_states, idle
        self.possible: list[Candidate] = [world]
        self.past: list[Candidate] = []
        self.recent: list[Node] = []
        self.keeps_recent = True
        """Whether the server keeps exactly `recent`, apart from states dropped on disk; otherwise it keeps some."""
        self.pending: tuple[Keyed, World, World] | None = None
        """A request under a key without a reply, and the worlds before and after it."""
        self.asked = self.answered = time.monotonic()
        """The earliest and the latest possible time of its last use."""
        self.moved = self.asked
        """The time of its last change: uses without a change are lost in a restart."""
        self.has_slept = False
        """Whether the server was down since its last use."""
        self.log: deque[str] = deque(maxlen=16)
        self.is_numeric = False

    @property
    def path(self) -> str:
        """The path of the session."""
        return f"/v1/sessions/{self.name}"

    @property
    def world(self) -> World:
        """The only possible world, where the state is certain."""
        (world,) = self.possible
        assert isinstance(world, World), world
        return world

    @property
    def is_certain(self) -> bool:
        """Whether only one world is possible."""
        return len(self.possible) == 1 and isinstance(self.possible[0], World)

    def may_become(self, *candidates: Candidate) -> None:
        """Adds the results of a request that may or may not be done."""
        self.possible = [self.world, *candidates]

    def stands(self, world: World, *, between: Candidate = None, was_move: bool = True) -> None:
        """Sets the only possible world after a reply."""
        before = self.possible[0]
        if self.durability == "async":
            self.past += [candidate for candidate in (before, between) if isinstance(candidate, World | Run)]
        if self.recent_states and was_move and isinstance(before, World):
            left = [before.node]
            if isinstance(between, Run):
                begin = between.before.node
                left += [begin.child(between.inputs[:count]) for count in range(len(between.inputs))]
                self.keeps_recent = False
            self.recent = [*self.recent, *left][-self.recent_states :]
        self.possible = [world]
        self.moved = self.asked if was_move else self.moved

    def crashed(self, is_kept_on_disk: bool) -> None:
        """Sets the worlds that are possible after a kill of the server."""
        self.note("kill")
        if self.durability == "async":
            self.possible = self.past + [one for candidate in self.possible for one in _behind(candidate)]
        elif self.durability == "none":
            self.possible = [*self.possible, None]
        self.past = []
        self.restarted(is_kept_on_disk)

    def restarted(self, is_kept_on_disk: bool) -> None:
        """Sets the worlds that are possible after a restart of the server."""
        self.note("restart")
        if not is_kept_on_disk:
            self.possible = [None]
        self.past, self.recent, self.has_slept, self.asked = [], [], True, self.moved

    def used(self, asked: float) -> None:
        """Records a use between the time `asked` and now."""
        self.asked, self.answered, self.has_slept = asked, time.monotonic(), False

    def may_have_expired(self) -> bool:
        """Whether its idle time may be over."""
        return bool(self.idle) and time.monotonic() - self.asked >= self.idle - 0.05

    def must_have_expired(self) -> bool:
        """Whether its idle time is over in any case."""
        return bool(self.idle) and not self.has_slept and time.monotonic() - self.answered > self.idle + 2

    def note(self, text: str) -> None:
        """Adds a line to the session's log."""
        self.log.append(f"{time.monotonic():.3f} {text}")


def _behind(candidate: Candidate) -> list[Candidate]:
    """The possible worlds on disk, which may lack inputs that were reported."""
    match candidate:
        case Generating():
            return [candidate.before, replace(candidate, seen=0)]
        case Run():
            return [candidate.before, replace(candidate, least=0)]
        case _:
            return [candidate]
