"""Operations that create, read, fork, export, import and delete sessions."""

from .client import OVERHEAD_BYTES, Client
from .findings import Wrong
from .history import Node
from .models import Model
from .session import Session, World
from .statefile import identity

IDLE_SECONDS = (0.5, 2, 3600)
FILES = 8
"""State files that a client keeps."""


def model(client: Client) -> Model:
    """Draws a model."""
    return client.arena.models[client.chance.choice(("letters", "letters", "points"))]


def create(client: Client) -> None:
    """Creates a session, with or without inputs, under a name of the client's or of the server's."""
    chance, arena = client.chance, client.arena
    of, on_disk = model(client), client.arena.setting.is_kept_on_disk
    node = client.root(of)
    inputs = client.draw(node, chance.choice((0, 1, 2, 5, 40)))
    node = node.child(inputs)
    body: dict = {"model": of.name, **client.output_fields(of)}
    if inputs:
        body[of.field + "s"] = list(inputs)
    durability = chance.choice(("none", "async", "sync")) if on_disk else "none"
    recent, idle = chance.choice((0, 0, 0, 4)), chance.choice(IDLE_SECONDS) if chance.random() < 0.2 else 0
    body |= {"durability": durability, "recent_states": recent, "idle_seconds": idle}
    name = client.name() if chance.random() < 0.8 else ""
    if name:
        body["id"] = name
    session = Session(
        name, of, None, durability=durability, owner=client.owner, recent_states=recent, idle=idle,
        is_kept_on_disk=on_disk)
    session.possible, session.is_numeric = [None, World(node)], chance.random() < 0.15
    session.note(f"POST /v1/sessions {body}"[:200])
    if name:
        client.sessions.append(session)
    else:
        client.unknown += 1
    client.current = session if name else None
    reply = client.send("POST", "/v1/sessions", body, need=client.need(session))
    session.note(f"  {reply!r:.200}")
    if not name:
        client.unknown -= 1
    if not reply.ok:
        session.possible = [None]
        return client.refused(session, reply) or client.drop(session)
    answer = reply.json()
    if not name:
        session.name = answer["id"]
        client.sessions.append(session)
    client.current = session
    session.used(client.asked)
    session.possible = [World(node)]
    if session.durability == "async":
        session.past = [None]
    client.step_is(node, answer)
    _described(session, answer)
    if inputs:
        client.output(node, answer["output"], is_numeric=session.is_numeric)
    arena.findings.count("create")


def _described(session: Session, answer: dict) -> None:
    found = {name: answer[name] for name in ("id", "model", "state_bytes", "recent_states")}
    wanted = {
        "id": session.name, "model": session.model.name, "state_bytes": session.model.state_bytes,
        "recent_states": session.recent_states,
    }
    if session.durability != "memory":
        found["durability"], wanted["durability"] = answer["durability"], session.durability
    if found != wanted:
        raise Wrong("a session that is described wrongly", f"{found} is not {wanted}")


def look(client: Client, session: Session) -> None:
    """Reads the description of the session."""
    node = session.world.node
    reply = client.send("GET", session.path)
    session.note(f"GET {session.path}: {reply!r:.200}")
    if not reply.ok:
        return client.refused(session, reply)
    client.step_is(node, reply.json())
    _described(session, reply.json())
    client.arena.findings.count("look")


def fork(client: Client, session: Session) -> None:
    """Forks the session."""
    world, on_disk = session.world, client.arena.setting.is_kept_on_disk
    count = client.chance.choice((1, 1, 2, 4))
    names = [client.name() for _ in range(count)]
    copies = [
        Session(name, session.model, None, durability=session.durability, owner=session.owner,
                recent_states=session.recent_states, idle=session.idle, is_kept_on_disk=on_disk)
        for name in names
    ]
    for copy in copies:
        copy.possible = [None, World(world.node)]
        copy.note(f"fork of {session.name}, {copy.durability}, {copy.recent_states} recent states, one of {count}")
    client.sessions += copies
    body = {"ids": names, "expected_step": world.node.step}
    need = client.need(session) + count * OVERHEAD_BYTES
    reply = client.ask(session, "POST", session.path + "/fork", body, world, need=need, was_move=False)
    if not reply:
        for copy in copies:
            client.drop(copy)
        return
    for copy, answer in zip(copies, reply.json()["sessions"], strict=True):
        copy.possible = [World(world.node)]
        copy.past = [None] if copy.durability == "async" else []
        copy.used(client.asked)
        client.step_is(world.node, answer)
        _described(copy, answer)
    client.arena.findings.count("fork", count)


def delete(client: Client, session: Session) -> None:
    """Deletes the session; later requests are answered 410."""
    step = session.world.node.step
    session.possible = [session.world, None]
    reply = client.send("DELETE", session.path)
    session.note(f"DELETE: {reply!r:.200}")
    if not reply.ok:
        if reply.status in (404, 410):
            session.possible = session.possible[:1]
        return client.refused(session, reply)
    session.possible, session.past = [None], []
    after = client.send("GET", session.path)
    if after.status != 410 or (after.json()["reason"], after.json()["last_step"]) != ("deleted", step):
        raise Wrong("a session that was deleted", f"{after}, at step {step}")
    client.drop(session)
    client.arena.findings.count("delete")


def export(client: Client, session: Session) -> None:
    """Exports the state as a file."""
    node = session.world.node
    reply = client.ask(session, "GET", session.path + "/state", None, session.world, was_move=False)
    if not reply:
        return
    step, digest = identity(reply.body)
    client.step_is(node, {"step": step})
    if reply.fields["etag"] != f'"{digest}"':
        raise Wrong("an entity tag that is not the file's", f"{reply.fields['etag']} {digest}")
    client.same(node.hash, "state", digest)
    again = client.send("GET", session.path + "/state", None, If_None_Match=f'"{digest}"', need=client.need(session))
    if again.status != 304 and again.problem not in ("session-gone", "session-not-found") and again.ok:
        raise Wrong("a state that the client has", f"{again.status} {again.fields}")
    client.files = [*client.files, (node, reply.body)][-FILES:]
    client.arena.findings.count("export")


def carry(client: Client, session: Session) -> None:
    """Replaces the state by one from a file."""
    file = _file(client, session.model)
    if not file:
        return export(client, session)
    node, data = file
    fields = {"Content_Type": "application/octet-stream"}
    if client.chance.random() < 0.3:
        known = client.arena.memory.known(session.world.node.hash, "state")
        right = known and client.chance.random() < 0.6
        fields["If_Match"] = f'"{known}"' if right else '"0123"'
        if not right:
            reply = client.send("PUT", session.path + "/state", data, need=client.need(session), **fields)
            if reply.status in (404, 410) or reply.problem in ("queue-full", "session-queue-full"):
                return client.refused(session, reply)
            if reply.problem != "state-changed" and reply.status not in (503, 507):
                raise Wrong("a condition that does not hold", f"{reply}")
            return look(client, session)
    # An expired session is created anew, with other settings.
    if session.idle:
        return look(client, session)
    if not client.arena.setting.is_kept_on_disk:
        # An evicted session has no state with that tag.
        fields.pop("If_Match", None)
    keyed = client.keyed() and "If_Match" not in fields and client.arena.setting.is_kept_on_disk
    reply = client.ask(session, "PUT", session.path + "/state", data, session.world.at(node), keyed=keyed, **fields)
    if not reply:
        return
    if reply.status == 201:
        if client.arena.setting.is_kept_on_disk:
            raise Wrong("a session that was not there", f"{reply}")
        return client.abandon(session)
    client.step_is(node, reply.json())
    client.same(node.hash, "state", reply.fields["etag"].strip('"'))
    client.arena.findings.count("import")


def bring(client: Client) -> None:
    """Creates a session from a state file."""
    if not client.files:
        return create(client)
    node, data = client.chance.choice(client.files)
    on_disk = client.arena.setting.is_kept_on_disk
    session = Session(client.name(), node.model, None, durability="async", owner=client.owner, is_kept_on_disk=on_disk)
    session.possible = [None, World(node)]
    client.sessions.append(session)
    client.current = session
    fields = {"Content_Type": "application/octet-stream", "If_None_Match": "*"}
    reply = client.send("PUT", session.path + "/state", data, need=client.need(session), **fields)
    session.note(f"PUT {session.path} {reply!r:.200}")
    if not reply.ok:
        session.possible = [None]
        return client.refused(session, reply) or client.drop(session)
    session.possible, session.past = [World(node)], [None] if on_disk else []
    session.used(client.asked)
    client.step_is(node, reply.json())
    _described(session, reply.json())
    client.arena.findings.count("import")


def _file(client: Client, of: Model) -> tuple[Node, bytes] | None:
    found = [file for file in client.files if file[0].model is of]
    return client.chance.choice(found) if found else None


