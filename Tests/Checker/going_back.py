"""Operations that make, list and delete checkpoints, and rewind sessions to them."""

from dataclasses import replace

from . import moving
from .client import Client
from .findings import Wrong
from .session import Session

MOST = 12
"""The most checkpoints of a session."""


def checkpoints(client: Client, session: Session) -> None:
    """Makes a checkpoint, or several with steps in between."""
    for _ in range(client.chance.randint(1, client.arena.setting.checkpoints)):
        for asking in (_checkpoint, moving.step):
            # A step whose first reply was lost may be refused when repeated, and be done all the same.
            if session not in client.sessions or not session.is_certain:
                return
            asking(client, session)


def _checkpoint(client: Client, session: Session) -> None:
    world = session.world
    if len(world.checkpoints) >= MOST:
        return delete_checkpoint(client, session)
    name = f"p{client.chance.randrange(10**6)}"
    new = replace(world, checkpoints=(*world.checkpoints, (name, world.node)))
    body = {"name": name, "expected_step": world.node.step}
    reply = client.ask(session, "POST", session.path + "/checkpoints", body, new, keyed=client.keyed(), was_move=False)
    if not reply:
        return
    answer = reply.json()
    if (answer["name"], answer["step"]) != (name, world.node.step):
        raise Wrong("another checkpoint", f"{answer}")
    client.arena.findings.count("checkpoint")


def delete_checkpoint(client: Client, session: Session) -> None:
    """Deletes a checkpoint."""
    world = session.world
    if not world.checkpoints:
        return
    chosen = client.chance.choice(world.checkpoints)
    new = replace(world, checkpoints=tuple(item for item in world.checkpoints if item != chosen))
    path = f"{session.path}/checkpoints/{chosen[0]}"
    if client.ask(session, "DELETE", path, None, new, was_move=False):
        client.arena.findings.count("delete checkpoint")


def list_checkpoints(client: Client, session: Session) -> None:
    """Lists the checkpoints, and of recent states only the latest."""
    world = session.world
    reply = client.ask(session, "GET", session.path + "/checkpoints", None, world, was_move=False)
    if not reply:
        return
    found = reply.json()["data"]
    named = sorted((item["name"], item["step"]) for item in found if item["name"])
    wanted = sorted((name, node.step) for name, node in world.checkpoints)
    if named != wanted:
        raise Wrong("other checkpoints", f"{named} is not {wanted}")
    steps = sorted(item["step"] for item in found if not item["name"])
    known = [node.step for node in session.recent]
    count = len(steps)
    if session.keeps_recent and steps != sorted(known[len(known) - count :]):
        raise Wrong("other recent states", f"{steps} is not of {known}")
    if session.keeps_recent and not client.arena.setting.is_kept_on_disk and count != len(known):
        raise Wrong("other recent states", f"{steps} is not {known}")
    client.arena.findings.count("list checkpoints")


def rewind(client: Client, session: Session) -> None:
    """Rewinds the session to a checkpoint or to an earlier step."""
    world, chance = session.world, client.chance
    if world.checkpoints and chance.random() < 0.7:
        name, node = chance.choice(world.checkpoints)
        new = world.at(node)
        reply = client.ask(session, "POST", session.path + "/rewind", {"checkpoint": name}, new, keyed=client.keyed())
        if reply:
            client.step_is(node, reply.json())
            client.arena.findings.count("rewind")
        return
    steps = [node.step for node in session.recent] + [node.step for _, node in world.checkpoints]
    if steps:
        _to_step(client, session, chance.choice(steps))


def _to_step(client: Client, session: Session, step: int) -> None:
    world = session.world
    recent = [node for node in session.recent if node.step == step]
    named = [node for _, node in world.checkpoints if node.step == step]
    exact = session.keeps_recent and not client.arena.setting.is_kept_on_disk
    nodes = (recent[-1:] or named[-1:]) if exact else [*recent[::-1], *named[::-1]]
    body = {"to_step": step, "expected_step": world.node.step}
    session.may_become(*(world.at(node) for node in nodes))
    reply = client.send("POST", session.path + "/rewind", body, need=client.need(session, states=3))
    session.note(f"POST rewind {body}: {reply!r:.200}")
    if not reply.ok:
        session.possible = [world]
        if reply.problem == "checkpoint-not-found" and not named and not (exact and recent):
            return
        return client.refused(session, reply)
    client.step_is(nodes[0], reply.json())
    session.used(client.asked)
    if session.recent_states:
        session.recent = [*session.recent, world.node][-session.recent_states :]
    session.past += [world] if session.durability == "async" else []
    session.possible = [world.at(node) for node in nodes]
    keeps = session.keeps_recent
    if len({node.hash for node in nodes}) == 1:
        session.possible = session.possible[:1]
    else:
        client.resolve(session)
        session.keeps_recent = keeps
    client.arena.findings.count("rewind")
