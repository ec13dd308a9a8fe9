"""Operations on sequences of the Open Inference Protocol, which are sessions under names of their own."""

from .client import Client
from .findings import Wrong
from .history import as_bytes
from .keys import infer_body
from .session import Session, World
from .wire import Reply

PREFIX = "sequence:letters:"


def begin(client: Client) -> None:
    """Starts a sequence."""
    of, sequence = client.arena.models["letters"], client.name()
    node = client.root(of)
    node = node.child(client.draw(node, client.chance.choice((1, 3, 30))))
    on_disk = client.arena.setting.is_kept_on_disk
    session = Session(
        PREFIX + sequence, of, None, durability="async", owner=client.owner, is_kept_on_disk=on_disk)
    session.possible = [None, World(node)]
    client.sessions.append(session)
    client.current = session
    reply = _infer(client, session, infer_body(sequence, node, start=True))
    if not reply.ok:
        session.possible = [None]
        _refused(client, session, reply)
        return client.drop(session)
    session.possible, session.past = [World(node)], [None] if on_disk else []
    session.used(client.asked)
    _check(client, session, reply)


def go_on(client: Client, session: Session) -> None:
    """Sends more inputs of a sequence, which may end it."""
    world, ends = session.world, client.chance.random() < 0.2
    new = world.at(world.node.child(client.draw(world.node, client.chance.choice((1, 1, 5)))))
    session.possible = [world, new, *([None] if ends else [])]
    reply = _infer(client, session, infer_body(session.name.removeprefix(PREFIX), new.node, end=ends))
    if not reply.ok:
        session.possible = [world]
        return _refused(client, session, reply)
    session.used(client.asked)
    session.possible = [world]
    session.stands(new)
    _check(client, session, reply)
    if ends:
        session.possible, session.past = [None], []
        after = client.send("GET", session.path)
        if after.status != 410:
            raise Wrong("a sequence that was ended", f"{after}")
        client.drop(session)


def is_sequence(session: Session) -> bool:
    """Whether the session is a sequence."""
    return session.name.startswith(PREFIX)


def _infer(client: Client, session: Session, body: bytes) -> Reply:
    session.note(f"POST infer {body!r:.300}")
    reply = client.send("POST", "/v2/models/letters/infer", body, need=client.need(session))
    session.note(f"  {reply!r:.200}")
    return reply


def _check(client: Client, session: Session, reply: Reply) -> None:
    answer, node = reply.json(), session.world.node
    client.step_is(node, answer["parameters"])
    client.same(node.hash, "output", as_bytes(answer["outputs"][0]["data"]))
    client.arena.findings.count("infer of a sequence")


def _refused(client: Client, session: Session, reply: Reply) -> None:
    """Checks a refusal by its text, since this protocol has no names of problems."""
    if reply.status in (404, 410) or reply.status == 400 and "START flag" in reply.problem:
        on_disk = client.arena.setting.is_kept_on_disk
        if None not in session.possible and (on_disk or "evicted" not in reply.problem):
            raise Wrong("a session that is gone", f"{reply}, possible: {session.possible}")
        client.arena.findings.refused(f"{reply.status} of a sequence")
        return client.drop(session)
    if reply.status not in (429, 503, 507):
        raise Wrong("a refusal that must not be", f"{reply}")
    client.arena.findings.refused(f"{reply.status} of a sequence")
