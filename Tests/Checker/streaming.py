"""Streamed generations, some of them cut and resumed; and duplex streams of steps."""

import json
from collections.abc import Iterator

from .client import Client
from .findings import Wrong
from .moving import generated, generation
from .session import Generating, Run, Session, World
from .wire import Connection

EVENTS = {"Accept": "text/event-stream"}


def stream(client: Client, session: Session) -> None:
    """Reads a generation as lines or as server-sent events; cuts some."""
    if not session.model.takes_tokens:
        return duplex(client, session)
    body, begin, unknown = generation(client, session)
    body |= {"stream": True, "expected_step": session.world.node.step}
    is_events = client.chance.random() < 0.6
    cut = client.chance.randrange(1, body["max_tokens"] + 1) if client.chance.random() < 0.4 else None
    reading = Reading(client, session, begin, unknown)
    done = reading.read(body, EVENTS if is_events else {}, cut)
    if not done and is_events and reading.tokens and client.chance.random() < 0.8:
        last = str(begin.node.step + len(reading.tokens))
        done = reading.read(body, EVENTS | {"Last_Event_ID": last}, None)
        client.arena.findings.count("stream that is gone on with")
    if done:
        reading.end(done)
    elif not session.is_certain:
        client.resolve(session)
    client.arena.findings.count("stream")


class Reading:
    """Reads a generation in parts."""

    def __init__(self, client: Client, session: Session, begin: World, unknown: Generating) -> None:
        self._client, self._session, self._begin, self._unknown = client, session, begin, unknown
        self.tokens: list[int] = []

    def read(self, body: dict, fields: dict[str, str], cut: int | None) -> dict | None:
        """Reads to the end, or disconnects after `cut` tokens. Returns the last event, if it was read."""
        client, session = self._client, self._session
        session.note(f"POST generate {body} {fields}, to be cut at {cut}")
        self._may_be()
        need = client.need(session) + 100 * body["max_tokens"]
        with client.arena.needs.of(need):
            connection = client.connect()
            try:
                connection.send(client.encode("POST", session.path + "/generate", body, **fields))
                return self._events(connection, cut)
            finally:
                session.note(f"  {len(self.tokens)} tokens")
                connection.close(with_reset=client.chance.random() < 0.5)

    def _events(self, connection: Connection, cut: int | None) -> dict | None:
        client, session = self._client, self._session
        reply = connection.head()
        if not reply.ok:
            reply.body = connection.body(reply)
            session.note(f"  {reply!r:.200}")
            if not self.tokens:
                session.possible = [self._unknown.before]
                client.refused(session, reply)
            elif reply.problem not in ("stream-not-kept", "stream-taken-over"):
                client.refused(session, reply)
            return None
        session.used(client.asked)
        for event in _events(connection):
            if "error" in event:
                slug = event["error"]["type"].removeprefix("urn:scanstep:")
                client.arena.findings.refused(f"{slug} in a stream")
                if slug not in ("draining", "state-dir-busy", "session-store-full", "session-gone", "client-gone"):
                    raise Wrong("a stream that ends with an error", f"{event}")
                return None
            if event.get("done"):
                return event
            self.tokens.append(event["token"])
            self._may_be()
            if event["step"] != self._begin.node.step + len(self.tokens):
                raise Wrong("a wrong step", f"{event} is the token {len(self.tokens)} behind {self._begin.node.step}")
            if len(self.tokens) == cut:
                generated(client, self._begin, self._unknown.settings, self.tokens)
                return None
        raise Wrong("a stream without an end", f"{len(self.tokens)} tokens")

    def _may_be(self) -> None:
        """Sets the possible worlds: from the tokens that were read to the end of the generation."""
        before, seen = self._unknown.before, len(self.tokens)
        unknown = Generating(before, self._unknown.input, self._unknown.settings, seen, True)
        self._session.possible = [unknown] if seen else [before, unknown]

    def end(self, done: dict) -> None:
        """Checks the end of a generation that was read whole."""
        client, session = self._client, self._session
        new = generated(client, self._begin, self._unknown.settings, self.tokens)
        session.possible = [self._unknown.before]
        session.stands(new, between=Run(self._begin, tuple(self.tokens)))
        client.step_is(new.node, done)
        if len(self.tokens) != self._unknown.settings["max_tokens"]:
            raise Wrong("a generation of another length", f"{len(self.tokens)} tokens, {self._unknown.settings}")


def _events(connection: Connection) -> Iterator[dict]:
    """The objects of either kind of stream."""
    for line in connection.lines():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
        elif line.startswith(b"{"):
            yield json.loads(line)


def duplex(client: Client, session: Session) -> None:
    """Steps a session on a duplex stream, line by line."""
    with client.arena.needs.of(client.need(session)):
        connection = client.connect()
        try:
            connection.send(client.encode("POST", session.path + "/stream", None, Transfer_Encoding="chunked"))
            _lines(client, session, connection)
        finally:
            connection.close(with_reset=client.chance.random() < 0.3)


def _lines(client: Client, session: Session, connection: Connection) -> None:
    chance, lines = client.chance, None
    session.note("POST stream")
    for _ in range(chance.choice((1, 3, 10))):
        world = session.world
        inputs = client.draw(world.node, 1)
        new = world.at(world.node.child(inputs))
        line = {session.model.field: inputs[0], "expected_step": world.node.step} | client.output_fields(session.model)
        session.may_become(new)
        connection.send(_chunk(json.dumps(line).encode() + b"\n"))
        if lines is None:
            reply = connection.head()
            if not reply.ok:
                reply.body = connection.body(reply)
                session.note(f"  {reply!r:.200}")
                session.possible = [world]
                return client.refused(session, reply)
            lines = connection.lines()
        answer = json.loads(next(lines, b'{"done": true, "reason": "none"}'))
        session.note(f"  {line}: {answer!r:.200}")
        if "error" in answer or answer.get("done"):
            session.possible = [world]
            slug = answer.get("error", {}).get("type", "").removeprefix("urn:scanstep:") or answer.get("reason")
            client.arena.findings.refused(f"{slug} in lines")
            known = ("draining", "state-dir-busy", "session-store-full", "session-gone", "session-not-found")
            if slug not in (*known, "session", "overloaded", "queue-full"):
                raise Wrong("a line that is refused", f"{answer}")
            return
        session.used(client.asked)
        session.stands(new)
        client.step_is(new.node, answer)
        client.output(new.node, answer["output"], is_numeric=session.is_numeric)
        client.arena.findings.count("line of a stream")
    if chance.random() < 0.7:
        connection.send(b"0\r\n\r\n")
        last = json.loads(next(lines, b"{}"))
        if not last.get("done") or last["reason"] not in ("end", "draining"):
            raise Wrong("lines without an end", f"{last}")
        client.step_is(session.world.node, last)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
