"""Concurrent requests about one session on several connections: the server runs them in some order."""

import itertools
import json

from .client import Client
from .findings import Wrong
from .models import Input
from .session import Session, World
from .wire import Connection, Reply

RACERS = 3
"""The number of requests; with more, too many orders would be possible after a crash."""


def in_any_order(client: Client, session: Session) -> None:
    """Sends a step on each connection; the replies have their order."""
    world = session.world
    inputs = client.draw(world.node, RACERS)
    orders = (order for count in range(1, RACERS + 1) for order in itertools.permutations(inputs, count))
    session.may_become(*(world.at(world.node.child(order)) for order in dict.fromkeys(orders)))
    replies = _at_once(client, session, [_step(client, session, value) for value in inputs])
    done: list[tuple[int, Input, dict]] = []
    for value, reply in zip(inputs, replies):
        if reply.ok:
            done.append((reply.json()["step"], value, reply.json()["output"]))
    done.sort(key=lambda item: item[0])
    node = world.node
    session.possible = [world]
    for step, value, output in done:
        node = node.child((value,))
        client.step_is(node, {"step": step})
        client.output(node, output)
        session.stands(session.world.at(node))
    _refused(client, session, replies)
    client.arena.findings.count("step in a race", len(done))


def with_one_winner(client: Client, session: Session) -> None:
    """Sends steps that expect the same step: one is done, the others are refused."""
    world = session.world
    inputs = client.draw(world.node, RACERS)
    worlds = [world.at(world.node.child((value,))) for value in inputs]
    session.may_become(*worlds)
    replies = _at_once(client, session, [_step(client, session, value, world.node.step) for value in inputs])
    won = [index for index, reply in enumerate(replies) if reply.ok]
    late = [reply for reply in replies if reply.problem == "step-mismatch"]
    if len(won) > 1 or late and not won:
        raise Wrong("steps that expect the same", f"{replies}")
    session.possible = [world]
    for index in won:
        session.stands(worlds[index])
        client.step_is(worlds[index].node, replies[index].json())
        client.output(worlds[index].node, replies[index].json()["output"])
    for reply in late:
        client.step_is(session.world.node, reply.json())
    _refused(client, session, [reply for reply in replies if reply not in late])
    client.arena.findings.count("race with one winner")


def under_one_key(client: Client, session: Session) -> None:
    """Sends the same request under the same key: it is done once, and all replies are the same."""
    world = session.world
    (value,) = client.draw(world.node, 1)
    # Its kept reply may replace an older one, so which ones are kept is unknown from here on.
    new = World(world.node.child((value,)), world.checkpoints)
    session.may_become(new)
    fields = {"Idempotency_Key": f"r{client.chance.getrandbits(64):x}"}
    replies = _at_once(client, session, [_step(client, session, value)] * RACERS, **fields)
    session.possible = [world]
    done = [reply for reply in replies if reply.ok]
    if done:
        session.stands(new)
        client.step_is(new.node, done[0].json())
        client.output(new.node, done[0].json()["output"])
    replayed = [reply for reply in done if reply.fields.get("idempotent-replayed")]
    if len(done) - len(replayed) > 1 or len({reply.body for reply in done}) > 1:
        raise Wrong("a request that was done twice", f"{replies}")
    _refused(client, session, replies)
    client.arena.findings.count("race under one key")


def _step(client: Client, session: Session, value: Input, expected: int | None = None) -> bytes:
    body = {session.model.field: value, **client.output_fields(session.model)}
    return json.dumps(body if expected is None else body | {"expected_step": expected}).encode()


def _at_once(client: Client, session: Session, bodies: list[bytes], **fields: str) -> list[Reply]:
    """Sends all requests before reading a reply."""
    path, connections = session.path + "/step", []
    session.note(f"at once: {bodies} {fields}")
    with client.arena.needs.of(len(bodies) * client.need(session)):
        try:
            for body in bodies:
                connections.append(client.connect())
                connections[-1].send(client.encode("POST", path, body, **fields))
            return [_reply(session, connection) for connection in connections]
        finally:
            for connection in connections:
                connection.close()


def _reply(session: Session, connection: Connection) -> Reply:
    reply = connection.head()
    reply.body = connection.body(reply)
    session.note(f"  {reply!r:.200}")
    return reply


def _refused(client: Client, session: Session, replies: list[Reply]) -> None:
    if any(reply.ok for reply in replies):
        session.used(client.asked)
    for reply in replies:
        if not reply.ok:
            client.refused(session, reply)
