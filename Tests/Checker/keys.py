"""Repeated requests under an `Idempotency-Key`: the first reply is replayed, and the session does not change."""

import json

from .client import Client
from .creating import model
from .findings import Wrong
from .history import Node
from .session import Session, World
from .statefile import identity
from .wire import Reply

REFUSED = (400, 422)
"""Statuses with which a route may refuse a key."""


def again(client: Client, session: Session) -> None:
    """Repeats one of the last requests under keys."""
    world = session.world
    kept = [reply for reply in world.replies if reply.reply is not None]
    if not kept:
        return
    chosen = client.chance.choice(kept)
    session.note(f"again {chosen.method} {chosen.path} {chosen.key}")
    reply = client.send(
        chosen.method, chosen.path, chosen.body or None, need=client.need(session) + len(chosen.reply), **chosen.fields)
    session.note(f"  {reply!r:.200}")
    if not reply.ok:
        return client.refused(session, reply)
    session.used(client.asked)
    if not reply.fields.get("idempotent-replayed"):
        raise Wrong("a request that was done twice", f"{chosen}: {reply}")
    if reply.body != chosen.reply:
        raise Wrong("another answer under the same key", f"{reply.body!r:.200} was {chosen.reply!r:.200}")
    client.arena.findings.count("retry")


def other_body(client: Client, session: Session) -> None:
    """Sends another request under a used key, which must be refused."""
    if not session.world.replies:
        return
    chosen = client.chance.choice(session.world.replies)
    body = {session.model.field: client.draw(session.world.node, 1)[0], "top_logprobs": None}
    reply = client.send("POST", session.path + "/step", body, need=client.need(session), Idempotency_Key=chosen.key)
    session.note(f"other body under {chosen.key}: {reply!r:.200}")
    if reply.ok:
        raise Wrong("a key of two requests", f"{chosen}: {reply}")
    if reply.problem != "idempotency-key-reused":
        return client.refused(session, reply)
    client.arena.findings.count("key of another request")


def probe(client: Client, session: Session) -> None:
    """Checks that routes without inputs honour a key or refuse it: none may ignore it."""
    world = session.world
    _, probing = client.chance.choice(PROBES)
    probing(client, session, world)


def _twice(
    client: Client, session: Session, what: str, path: str, body: object, *names: str, method: str = "POST",
    **fields: str,
) -> tuple[Reply, Reply] | None:
    """Sends a request twice under one key. Returns both replies, which are the same, or None where it is refused."""
    fields["Idempotency_Key"] = f"p{client.chance.getrandbits(64):x}"
    # The caller checks the result.
    client.doubtful.update(names)
    first = client.send(method, path, body, need=2 * client.need(session), **fields)
    session.note(f"{method} {path} {fields}: {first!r:.200}")
    if not first.ok:
        session.possible = session.possible[:1]
        if first.status not in REFUSED or b"dempotency" not in first.body:
            client.refused(session, first)
        client.arena.findings.count(f"key refused: {what}")
        return None
    second = client.send(method, path, body, need=2 * client.need(session), **fields)
    session.note(f"  again: {second!r:.200}")
    if second.problem and not second.ok and second.status in (429, 503, 507):
        return None
    if not second.fields.get("idempotent-replayed"):
        raise Wrong(f"an Idempotency-Key that {what} ignores", f"{first!r:.300} and then {second!r:.300}")
    if second.body != first.body:
        raise Wrong("another answer under the same key", f"{what}: {first!r:.300} and then {second!r:.300}")
    client.arena.findings.count(f"key honoured: {what}")
    return first, second


def _create(client: Client, session: Session, world: World) -> None:
    of, name = model(client), client.name()
    body = {"model": of.name, of.field + "s": list(client.draw(client.root(of), 2))}
    if client.chance.random() < 0.7:
        body["id"] = name
    else:
        client.unknown += 2
    _twice(client, session, "create", "/v1/sessions", body, name)
    client.send("DELETE", f"/v1/sessions/{name}")


def _fork(client: Client, session: Session, world: World) -> None:
    names = [client.name()]
    # The kept reply may replace an older one.
    session.possible = [World(world.node, world.checkpoints)]
    _twice(client, session, "fork", session.path + "/fork", {"ids": names}, *names)
    client.send("DELETE", f"/v1/sessions/{names[0]}")
    _unmoved(client, session, world.node)


def _checkpoint(client: Client, session: Session, world: World) -> None:
    # Without a name, so that a second one would be another, or be refused.
    client.abandon(session)
    _twice(client, session, "checkpoints", session.path + "/checkpoints", {})


def _rewind(client: Client, session: Session, world: World) -> None:
    if not world.checkpoints:
        return
    name, node = client.chance.choice(world.checkpoints)
    client.abandon(session)
    if _twice(client, session, "rewind", session.path + "/rewind", {"checkpoint": name}):
        _unmoved(client, session, node)


def _put(client: Client, session: Session, world: World) -> None:
    files = [file for file in client.files if file[0].model is session.model]
    if not files:
        return
    node, data = client.chance.choice(files)
    client.abandon(session)
    path = session.path + "/state"
    if _twice(client, session, "PUT state", path, data, method="PUT", Content_Type="application/octet-stream"):
        _unmoved(client, session, node)


def _infer(client: Client, session: Session, world: World) -> None:
    of = client.arena.models["letters"]
    sequence = f"{client.name()}-k"
    node = client.root(of)
    node = node.child(client.draw(node, 2))
    path, name = f"/v2/models/{of.name}/infer", f"sequence:{of.name}:{sequence}"
    client.doubtful.add(name)
    first = client.send("POST", path, infer_body(sequence, node, start=True), need=client.need(session))
    if not first.ok:
        return
    node = node.child(client.draw(node, 1))
    body = infer_body(sequence, node)
    if _twice(client, session, "V2 infer", path, body, name):
        probe = Session(name, of, World(node), durability="memory")
        client.current = probe
        _unmoved(client, probe, node)
    client.send("DELETE", f"/v1/sessions/{name}")


def _unmoved(client: Client, session: Session, node: Node) -> None:
    reply = client.send("GET", session.path + "/state", need=client.need(session))
    if not reply.ok:
        return
    step, digest = identity(reply.body)
    if (step, digest) != (node.step, client.digest(node)):
        raise Wrong("a request that was done twice", f"at {step}, not at {node}")


def infer_body(sequence: str, node: Node, *, start: bool = False, end: bool = False) -> bytes:
    """The body of a request of a sequence, with the last inputs of a history."""
    values = list(node.inputs)
    tensor = {"name": "tokens", "datatype": "INT64", "shape": [1, len(values)], "data": values}
    parameters = {"sequence_id": sequence, "sequence_start": start, "sequence_end": end, "return": "last"}
    return json.dumps({"inputs": [tensor], "parameters": parameters}).encode()


PROBES = (
    ("create", _create), ("fork", _fork), ("checkpoints", _checkpoint), ("rewind", _rewind), ("PUT state", _put),
    ("V2 infer", _infer),
)
