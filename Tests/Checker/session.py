"""What a session may be at present, by all that was asked of it and all that it has answered."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .history import Node
from .models import Input, Model

KEPT_REPLIES = 8
"""Replies under keys that a session keeps."""


@dataclass(frozen=True)
class Keyed:
    """A request under an `Idempotency-Key`, and the body of its reply; None while nobody has seen that."""

    key: str
    method: str
    path: str
    body: bytes
    reply: bytes | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The header fields with which it is sent again."""
        kind = "application/octet-stream" if self.method == "PUT" else "application/json"
        return {"Idempotency_Key": self.key, "Content_Type": kind}


@dataclass(frozen=True)
class World:
    """How a session stands."""

    node: Node
    checkpoints: tuple[tuple[str, Node], ...] = ()
    replies: tuple[Keyed, ...] = ()

    def at(self, node: Node) -> "World":
        """The same elsewhere."""
        return replace(self, node=node)

    def keeping(self, keyed: Keyed | None) -> "World":
        """The same with a reply that is kept."""
        if not keyed:
            return self
        others = tuple(reply for reply in self.replies if reply.key != keyed.key)
        return replace(self, replies=(*others, keyed)[-KEPT_REPLIES:])


@dataclass(frozen=True)
class Run:
    """A stream that may have moved a session by some of these inputs, each by itself."""

    before: World
    inputs: tuple[Input, ...]
    least: int = 0
    """So many of them at least."""

    def worlds(self, step: int) -> Iterator[World]:
        """Those at that step."""
        count = step - self.before.node.step
        if self.least <= count <= len(self.inputs):
            yield self.before.at(self.before.node.child(self.inputs[:count]))


@dataclass(frozen=True)
class Generating:
    """A generation of which not all is known: tokens behind an input."""

    before: World
    input: tuple[Input, ...]
    settings: dict
    seen: int
    """Tokens that were reported."""
    is_stream: bool
    keyed: Keyed | None = None


Candidate = World | Run | Generating | None
"""None where there is no session."""


class Session:
    """A session and the worlds in which it may be. `possible` has those in which the server may have it now, `past`
    those in which the disk may have it, where it is written a moment later."""

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
        """Whether `recent` is what the server keeps, but for what it has forgotten on the disk; else some of it is."""
        self.pending: tuple[Keyed, World, World] | None = None
        """A request under a key that saw no reply: what it was, and the worlds before and after."""
        self.asked = self.answered = time.monotonic()
        """When it was last used, at the earliest and at the latest."""
        self.moved = self.asked
        """When it last moved: what is asked without moving it is not known behind a restart."""
        self.has_slept = False
        """Whether the server was down since."""
        self.log: deque[str] = deque(maxlen=16)
        self.is_numeric = False

    @property
    def path(self) -> str:
        """Its address."""
        return f"/v1/sessions/{self.name}"

    @property
    def world(self) -> World:
        """How it stands, where that is certain."""
        (world,) = self.possible
        assert isinstance(world, World), world
        return world

    @property
    def is_certain(self) -> bool:
        """Whether it is known how it stands."""
        return len(self.possible) == 1 and isinstance(self.possible[0], World)

    def may_become(self, *candidates: Candidate) -> None:
        """Something is asked of it that leads there, or does not happen."""
        self.possible = [self.world, *candidates]

    def stands(self, world: World, *, between: Candidate = None, was_move: bool = True) -> None:
        """It is known to stand there, after all that was possible."""
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
        """The server was killed: what is allowed now."""
        self.note("kill")
        if self.durability == "async":
            self.possible = self.past + [one for candidate in self.possible for one in _behind(candidate)]
        elif self.durability == "none":
            self.possible = [*self.possible, None]
        self.past = []
        self.restarted(is_kept_on_disk)

    def restarted(self, is_kept_on_disk: bool) -> None:
        """The server has ended and has begun again."""
        self.note("restart")
        if not is_kept_on_disk:
            self.possible = [None]
        self.past, self.recent, self.has_slept, self.asked = [], [], True, self.moved

    def used(self, asked: float) -> None:
        """It was used, by something that was asked then and is answered now."""
        self.asked, self.answered, self.has_slept = asked, time.monotonic(), False

    def may_have_expired(self) -> bool:
        """Whether its idle time may be over."""
        return bool(self.idle) and time.monotonic() - self.asked >= self.idle - 0.05

    def must_have_expired(self) -> bool:
        """Whether its idle time is over in any case."""
        return bool(self.idle) and not self.has_slept and time.monotonic() - self.answered > self.idle + 2

    def note(self, text: str) -> None:
        """Remembers what was asked of it and what came."""
        self.log.append(f"{time.monotonic():.3f} {text}")


def _behind(candidate: Candidate) -> list[Candidate]:
    """Where a session may be on disk of which the disk may not have all that was reported."""
    match candidate:
        case Generating():
            return [candidate.before, replace(candidate, seen=0)]
        case Run():
            return [candidate.before, replace(candidate, least=0)]
        case _:
            return [candidate]
