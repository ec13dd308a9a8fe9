"""One client: sessions of its own, and one request after the other about them."""

import base64
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from .arena import Arena
from .findings import Wrong
from .history import TOLERANCE, Node, as_bytes, reference_output, root
from .models import Input, Model
from .session import Candidate, Generating, Keyed, Run, Session, World
from .statefile import identity
from .wire import Connection, Reply, ServerGone, Stuck, message

OVERHEAD_BYTES = 512
"""Bytes of a session or a checkpoint besides the state."""
BUSY = {
    "overloaded", "draining", "state-dir-busy", "queue-full", "session-queue-full", "session-store-full", "loading",
}
"""Problems for which the server may refuse a request that it would accept later."""
NAMES_FULL = b"memory for the names of "
"""Part of a refusal that only a new session gets: its name has no room."""


class Abandoned(Exception):
    """The session has ended, as it may; the operation on it stops."""


class Client(threading.Thread):
    """Runs operations until the arena is over. The same seed chooses the same while the replies are the same."""

    def __init__(self, arena: Arena, number: int, seed: int, choose: Callable[["Client"], None]) -> None:
        super().__init__(daemon=True)
        self.arena, self.number = arena, number
        self.chance = random.Random(f"{seed}/{arena.setting.name}/{number}")
        self.owner = arena.setting.owners[number % len(arena.setting.owners)]
        self.sessions: list[Session] = []
        self.files: list[tuple[Node, bytes]] = []
        """Exported state files, with the history of each."""
        self.unknown = 0
        """The number of sessions with unknown names: their creation was not answered."""
        self.doubtful: set[str] = set()
        """Names of sessions that may exist, in an unknown state."""
        self.current: Session | None = None
        self.asked = time.monotonic()
        """The time of the last request."""
        self._choose, self._events, self._names = choose, 0, 0
        self._connection: Connection | None = None
        self._left: list[str] = []
        self.ended: deque[Session] = deque(maxlen=1000)

    # The loop.

    def run(self) -> None:
        """Runs one operation after another."""
        self.arena.joined(1)
        try:
            while not self.arena.is_over:
                self.arena.rest()
                self._one()
        finally:
            self.arena.joined(-1)

    def _one(self) -> None:
        self.current = None
        self.catch_up()
        try:
            # Abandoned sessions still take memory.
            while self._left:
                self.send("DELETE", f"/v1/sessions/{self._left.pop()}")
            self._choose(self)
        except Abandoned:
            pass
        except ServerGone as error:
            self.leave()
            if not self.arena.wait_for_event(self._events, 20):
                self.wrong(Wrong("a connection that ends without a reply", str(error)))
        except Stuck as error:
            self.leave()
            self.wrong(Wrong("an operation that is stuck", str(error)))
        except Wrong as wrong:
            self.wrong(wrong)
        except Exception as error:  # noqa: BLE001 - a reply that the checker cannot read is a finding
            self.wrong(Wrong("a reply that cannot be understood", f"{type(error).__name__}: {error}"))

    def catch_up(self) -> None:
        """Applies the ends of the server since the last operation to all sessions."""
        for event in self.arena.events[self._events :]:
            self._events += 1
            self.leave()
            for session in self.sessions:
                if event == "kill":
                    session.crashed(self.arena.setting.is_kept_on_disk)
                else:
                    session.restarted(self.arena.setting.is_kept_on_disk)

    def wrong(self, wrong: Wrong) -> None:
        """Records a finding, and abandons the current session."""
        session = self.current
        self.arena.findings.add(wrong, (f"session {session.name} of {session.model.name}, {session.durability}",
                                        f"possible: {session.possible}", *session.log) if session else ())
        if session:
            self.abandon(session)

    def abandon(self, session: Session) -> None:
        """Stops checking the session, and has it deleted."""
        self.doubtful.add(session.name)
        self._left.append(session.name)
        self.drop(session)

    def drop(self, session: Session) -> None:
        """Removes the session from those that are checked."""
        self.ended.append(session)
        if session in self.sessions:
            self.sessions.remove(session)

    # Requests.

    def name(self) -> str:
        """A name that no session has had."""
        self._names += 1
        # Clients of different owners use the same names.
        return f"c{self.number // len(self.arena.setting.owners)}-{self._names}"

    def fields(self) -> dict[str, str]:
        """The header fields of every request."""
        return {"Authorization": f"Bearer {self.arena.keys[self.owner]}"} if self.owner else {}

    def connect(self) -> Connection:
        """A new connection to the server."""
        if len(self.arena.events) != self._events:
            raise ServerGone("it has ended")
        self.asked = time.monotonic()
        return Connection(self.arena.program.port)

    def leave(self) -> None:
        """Closes the kept connection."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def send(self, method: str, path: str, body: object = None, *, need: int = 0, **fields: str) -> Reply:
        """Sends a request on the kept connection and returns the reply."""
        data, self.asked = self.encode(method, path, body, **fields), time.monotonic()
        with self.arena.needs.of(need + 2 * len(data)):
            if not self._connection or not self._connection.is_reusable or len(self.arena.events) != self._events:
                self.leave()
                self._connection = self.connect()
            try:
                return self._connection.exchange(data, method)
            except (ServerGone, Stuck):
                self.leave()
                raise

    def encode(self, method: str, path: str, body: object = None, **fields: str) -> bytes:
        """A request as bytes; `body` is bytes or what becomes JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return message(method, path, body, self.fields() | {name.replace("_", "-"): fields[name] for name in fields})

    def need(self, *sessions: Session, states: int = 2) -> int:
        """Bytes that an operation on these sessions may need, with `states` states of each."""
        return sum(states * (session.model.state_bytes + OVERHEAD_BYTES) for session in sessions)

    def ask(
        self, session: Session, method: str, path: str, body: dict | bytes | None, new: Candidate, *,
        keyed: bool = False, need: int = 0, was_move: bool = True, **fields: str,
    ) -> Reply | None:
        """Asks something of a session that leads to `new`, or does nothing. None where it was refused as it may be.
        Under a key it may be asked twice, with the first reply lost."""
        old = session.world
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        kept, is_late = None, session.must_have_expired()
        if keyed:
            kept = Keyed(f"k{self.chance.getrandbits(64):x}", method, path, data or b"")
            fields["Idempotency_Key"] = kept.key
            new = replace(new, keyed=kept) if isinstance(new, Generating) else new.keeping(kept)
            if isinstance(new, World):
                session.pending = (kept, old, new)
        if self.chance.random() < 0.02:
            fields["X_Request_Timeout_Ms"] = str(self.chance.choice((1, 5, 50)))
        session.may_become(new)
        session.note(f"{method} {path} {(data or b'')[:160].decode(errors='replace')} {fields or ''}")
        was_sent = keyed and self.chance.random() < 0.3 and self.lose_reply(method, path, data, **fields)
        reply = self.send(method, path, data, need=need or self.need(session), **fields)
        session.note(f"  {reply!r:.200}")
        if not reply.ok:
            # The one whose reply was lost may have been done, or be done in a moment.
            if not was_sent:
                session.possible, session.pending = [old], None
            if reply.problem == "deadline-passed" and "X_Request_Timeout_Ms" in fields:
                self.arena.findings.refused("504 deadline-passed")
                return None
            self.refused(session, reply)
            return None
        session.used(self.asked)
        if is_late:
            raise Wrong("a session that does not expire", f"its {session.idle} s were over")
        if kept:
            if reply.fields.get("idempotent-replayed") and not was_sent:
                raise Wrong("a reply of another time", f"{reply} is replayed, the key was never used")
            session.pending = None
        if isinstance(new, World):
            session.stands(new.keeping(replace(kept, reply=reply.body)) if kept else new, was_move=was_move)
        return reply

    def lose_reply(self, method: str, path: str, body: bytes | None, **fields: str) -> bool:
        """Sends a request whose reply is lost on its way."""
        connection = self.connect()
        connection.send(self.encode(method, path, body, **fields))
        if self.chance.random() < 0.6:
            time.sleep(self.chance.random() * 0.01)
        connection.close(with_reset=self.chance.random() < 0.5)
        return True

    def refused(self, session: Session, reply: Reply) -> None:
        """A refusal must be one that may be; a session that is gone must be one that may be gone."""
        if reply.status in (404, 410) and reply.problem in ("session-not-found", "session-gone"):
            self.gone(session, reply)
        # A new session may find that the names of others fill the memory.
        is_full = reply.problem == "session-store-full" and NAMES_FULL not in reply.body
        if reply.problem not in BUSY or is_full and self.arena.setting.fits:
            raise Wrong("a refusal that must not be", f"{reply}")
        self.arena.findings.refused(f"{reply.status} {reply.problem}")

    def gone(self, session: Session, reply: Reply) -> None:
        """The server has no such session any more."""
        body = reply.json()
        reason = body.get("reason", "")
        may_be = (
            None in session.possible
            or session.may_have_expired() and (reason == "expired" or session.has_slept)
            or reason == "evicted" and not self.arena.setting.is_kept_on_disk
        )
        if not may_be:
            raise Wrong("a session that is gone", f"{reply}, possible: {session.possible}")
        if session.is_certain and body.get("last_step", session.world.node.step) != session.world.node.step:
            raise Wrong("a wrong last step", f"{reply}, possible: {session.possible}")
        self.arena.findings.refused(f"{reply.status} {reason or reply.problem}")
        self.drop(session)
        raise Abandoned

    # How a session stands.

    def use(self, session: Session) -> Session:
        """Makes the state of the session certain."""
        self.current = session
        if not session.is_certain:
            self.resolve(session)
        if session.pending:
            self._again(session)
        return session

    def _again(self, session: Session) -> None:
        """Repeats a request without a reply: the session must advance once, whether before or now."""
        kept, old, new = session.pending
        session.pending = None
        now = session.world
        was_done = any(reply.key == kept.key for reply in now.replies)
        if not was_done and (now.node.hash, now.checkpoints) != (old.node.hash, old.checkpoints):
            return
        session.possible = [now, new]
        reply = self.send(kept.method, kept.path, kept.body or None, need=self.need(session), **kept.fields)
        session.note(f"again {kept.method} {kept.path} {kept.key}: {reply!r:.200}")
        if not reply.ok:
            session.possible = [now]
            if not was_done:
                return self.refused(session, reply)
            raise Wrong("a kept reply that does not come again", f"{reply}")
        if was_done and not reply.fields.get("idempotent-replayed"):
            raise Wrong("a request that was done twice", f"{kept} {reply}")
        world = (now if was_done else new).keeping(replace(kept, reply=reply.body))
        session.used(self.asked)
        session.stands(world, was_move=not was_done)
        self.arena.findings.count("retries behind a crash")

    def resolve(self, session: Session) -> None:
        """Asks for the session's state, which must be one of the possible ones."""
        reply = self.patiently("GET", session.path + "/state", need=self.need(session))
        session.note(f"GET state: {reply.status} {reply.fields.get('etag', reply.body[:200])}")
        if reply.status in (404, 410):
            self.gone(session, reply)
        if not reply.ok:
            raise Wrong("a state that cannot be read", f"{reply}")
        step, digest = identity(reply.body)
        found = [world for world in self._expand(session.possible, step) if self.digest(world.node) == digest]
        if not found:
            raise Wrong("a session that stands where it cannot", f"step {step}, {digest[:8]}")
        listed = self.patiently("GET", session.path + "/checkpoints", need=self.need(session))
        if not listed.ok:
            self.refused(session, listed)
            raise Abandoned
        named = sorted((item["name"], item["step"]) for item in listed.json()["data"] if item["name"])
        session.note(f"GET checkpoints: {named}")
        found = [world for world in found if sorted((name, node.step) for name, node in world.checkpoints) == named]
        if not found:
            raise Wrong("checkpoints of another time", f"step {step}: {named}")
        # Kept replies that differ between the candidates are unknown.
        world = found[-1]
        kept = tuple(r for r in world.replies if all(any(r.key == o.key for o in w.replies) for w in found))
        session.possible = [replace(world, replies=kept)]
        session.used(self.asked)
        session.keeps_recent = False

    def _expand(self, candidates: list[Candidate], step: int) -> Iterator[World]:
        for candidate in candidates:
            if isinstance(candidate, Generating):
                candidate = self._all_of(candidate)
            if isinstance(candidate, Run):
                yield from candidate.worlds(step)
            elif candidate and candidate.node.step == step:
                yield candidate

    def _all_of(self, generating: Generating) -> World | Run:
        """The whole of a generation, from a repetition in a session of its own."""
        begin = generating.before.node.child(generating.input)
        name = f"scratch-{self.name()}"
        body = {"model": begin.model.name, "id": name, "tokens": begin.all_inputs()}
        self.must(self.patiently("POST", "/v1/sessions", body, need=4 * begin.model.state_bytes))
        reply = self.must(self.patiently("POST", f"/v1/sessions/{name}/generate", generating.settings, need=20_000))
        self.patiently("DELETE", f"/v1/sessions/{name}")
        tokens = tuple(reply.json()["tokens"])
        if generating.is_stream:
            return Run(generating.before.at(begin), tokens, generating.seen)
        return generating.before.at(begin.child(tokens)).keeping(generating.keyed)

    def patiently(self, method: str, path: str, body: object = None, *, need: int = 0, **fields: str) -> Reply:
        """Repeats a request while the server is busy."""
        for _ in range(100):
            reply = self.send(method, path, body, need=need, **fields)
            if reply.ok or reply.problem not in BUSY:
                return reply
            self.arena.findings.refused(f"{reply.status} {reply.problem}")
            time.sleep(0.05)
        raise Wrong("a server that stays busy", f"{method} {path}: {reply}")

    def must(self, reply: Reply) -> Reply:
        """The reply, which must not be a refusal."""
        if not reply.ok:
            raise Wrong("a refusal that must not be", f"{reply}")
        return reply

    # Expectations from histories.

    def digest(self, node: Node) -> str:
        """The digest of the state after a history: the first that was seen, else one that the server computes anew."""
        known = self.arena.memory.known(node.hash, "state")
        if known:
            return known
        if not node.parent:
            raise AssertionError("the empty history's state is known from the start")
        sequence = {node.model.field + "s": node.all_inputs(), "return_state": True}
        body = {"model": node.model.name, "sequences": [sequence], "return": "none", "cache": {"mode": "bypass"}}
        reply = self.must(self.patiently("POST", "/v1/prefill", body, need=4 * node.model.state_bytes))
        step, digest = identity(base64.b64decode(reply.json()["results"][0]["state"]))
        if step != node.step:
            raise Wrong("a wrong step", f"{step} after {node.step} inputs")
        self.same(node.hash, "state", digest)
        return digest

    def same(self, key: bytes, what: object, value: object) -> None:
        """Checks that the same history gives the same bytes."""
        first = self.arena.memory.same(key, what, value)
        if first is not None:
            raise Wrong("other bytes of the same history", f"{what}: {value!r:.200} was {first!r:.200}")

    def output(self, node: Node, output: dict, *, is_numeric: bool = False) -> None:
        """Checks the output after a history: the same bytes as before, and near numpy's."""
        values = output["logits"] if node.model.takes_tokens else output["vector"]
        self.same(node.hash, "output", as_bytes(values))
        if not is_numeric:
            return
        expected = reference_output(node)
        if not np.allclose(expected, values, rtol=TOLERANCE, atol=TOLERANCE):
            raise Wrong("an output that is wrong", f"{node}: {values}, by numpy {expected.tolist()}")

    def step_is(self, node: Node, reply: dict) -> None:
        """Checks that a reply has the step of the history."""
        if reply["step"] != node.step:
            raise Wrong("a wrong step", f"{reply['step']} after {node.step} inputs")

    def output_fields(self, model: Model) -> dict:
        """The fields of a request that asks for outputs."""
        return {"logits": True} if model.takes_tokens else {}

    def keyed(self) -> bool:
        """Whether to send a key, on routes that do not take inputs."""
        return self.arena.keeps_keys and self.chance.random() < 0.3

    def draw(self, node: Node, count: int) -> tuple[Input, ...]:
        """Draws `count` inputs."""
        return tuple(node.model.draw(self.chance, node.step + index) for index in range(count))

    def root(self, model: Model) -> Node:
        """The empty history."""
        return root(model)
