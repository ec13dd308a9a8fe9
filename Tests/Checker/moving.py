"""Operations that advance sessions: steps, prefills, requests about many sessions, and generations."""

import base64
import json
from dataclasses import replace

from .client import Abandoned, Client
from .creating import look, model
from .findings import Wrong
from .history import Node, as_bytes
from .session import Generating, Run, Session, World
from .statefile import identity
from .wire import Reply, Stuck

LONGEST = 1500
"""The step after which a session gets no long prefill."""


def step(client: Client, session: Session) -> None:
    """Absorbs one input."""
    world = session.world
    inputs = client.draw(world.node, 1)
    new = world.at(world.node.child(inputs))
    body = {session.model.field: inputs[0], **client.output_fields(session.model)}
    if client.chance.random() < 0.3:
        body["expected_step"] = world.node.step
    if client.chance.random() < 0.05:
        return _wrong_step(client, session, body | {"expected_step": world.node.step + 1})
    reply = client.ask(session, "POST", session.path + "/step", body, new, keyed=client.chance.random() < 0.3)
    if reply:
        client.step_is(new.node, reply.json())
        client.output(new.node, reply.json()["output"], is_numeric=session.is_numeric)
        client.arena.findings.count("step")


def _wrong_step(client: Client, session: Session, body: dict) -> None:
    reply = client.send("POST", session.path + "/step", body, need=client.need(session))
    session.note(f"POST step {body}: {reply!r:.200}")
    if reply.problem != "step-mismatch":
        if reply.ok:
            raise Wrong("a step that was not expected", f"{reply}")
        return client.refused(session, reply)
    client.step_is(session.world.node, reply.json())
    client.arena.findings.count("step that is not expected")


def prefill(client: Client, session: Session) -> None:
    """Absorbs many inputs."""
    world, chance = session.world, client.chance
    most = 4 if world.node.step > LONGEST else 150
    inputs = client.draw(world.node, chance.choice((1, 3, 20, 60, most)))
    new = world.at(world.node.child(inputs))
    wanted = chance.choice(("last", "last", "none", "all"))
    body = {session.model.field + "s": list(inputs), "return": wanted, **client.output_fields(session.model)}
    reply = client.ask(
        session, "POST", session.path + "/prefill", body, new, keyed=chance.random() < 0.3,
        need=client.need(session) + 300 * len(inputs))
    if not reply:
        return
    answer = reply.json()
    client.step_is(new.node, answer)
    if wanted == "last":
        client.output(new.node, answer["output"], is_numeric=session.is_numeric)
    if wanted == "all":
        name = "logits" if session.model.takes_tokens else "vector"
        for key, output in zip(world.node.keys(inputs), answer["outputs"], strict=True):
            client.same(key, "output", as_bytes(output[name]))
    client.arena.findings.count("prefill")


def settings(client: Client) -> dict:
    """Draws the settings of a generation."""
    chance = client.chance
    return {
        "temperature": chance.choice((0, 0.7, 1)), "top_k": chance.choice((0, 3)), "seed": chance.randrange(3),
        "max_tokens": chance.choice((1, 2, 5, 20)),
    }


def generation(client: Client, session: Session) -> tuple[dict, World, Generating]:
    """The body of a generation, the world in which it begins, and what is known before its reply."""
    world = session.world
    inputs = client.draw(world.node, client.chance.choice((0, 0, 1, 5)) if world.node.step else 2)
    chosen = settings(client)
    body = chosen | ({"tokens": list(inputs)} if inputs else {})
    return body, world.at(world.node.child(inputs)), Generating(world, inputs, chosen, 0, False)


def generated(client: Client, begin: World, settings: dict, tokens: list[int]) -> World:
    """The world after a generation. Checks that each token follows from the history, the settings and the seed."""
    node, how = begin.node, ("token", settings["temperature"], settings["top_k"], settings["seed"])
    for key, token in zip([node.hash, *node.keys(tokens)], tokens):
        client.same(key, how, token)
    return begin.at(node.child(tokens))


def generate(client: Client, session: Session) -> None:
    """Generates tokens, in one reply."""
    if not session.model.takes_tokens:
        return step(client, session)
    body, begin, unknown = generation(client, session)
    keyed = client.chance.random() < 0.3
    reply = client.ask(session, "POST", session.path + "/generate", body, unknown, keyed=keyed)
    if not reply:
        return
    answer = reply.json()
    new = generated(client, begin, unknown.settings, answer["tokens"])
    if keyed:
        new = new.keeping(replace(session.possible[1].keyed, reply=reply.body))
    session.stands(new)
    client.step_is(new.node, answer)
    client.arena.findings.count("generate")


def step_many(client: Client, sessions: list[Session]) -> None:
    """Steps many sessions in one request, by one input each or more, and states that the client supplies."""
    if not sessions:
        return
    chance, steps, inputs = client.chance, [], {}
    for session in sessions:
        node = session.world.node
        inputs[session] = client.draw(node, chance.choice((1, 1, 1, 1, 3)))
        new = session.world.at(node.child(inputs[session]))
        session.may_become(new if len(inputs[session]) == 1 else Run(session.world, inputs[session]))
        session.note(f"POST /v1/step {len(inputs[session])} at {node.step}")
        for index, value in enumerate(inputs[session]):
            item = {"session": session.name, session.model.field: value, **client.output_fields(session.model)}
            steps.append((session, item | {"expected_step": node.step + index}))
    files = [(node, data) for node, data in client.files if chance.random() < 0.2]
    supplied = [(node.child(client.draw(node, 1)), data) for node, data in files]
    bodies = [item for _, item in steps]
    for node, data in supplied:
        state = {"state": base64.b64encode(data).decode(), node.model.field: node.inputs[0], "return_state": True}
        bodies.append(state | client.output_fields(node.model))
    need = client.need(*sessions) + sum(4 * node.model.state_bytes for node, _ in supplied)
    reply = _send(client, "/v1/step", {"steps": bodies}, need, sessions)
    if not reply.ok:
        for session in sessions:
            session.possible = session.possible[:1]
        return client.refused(sessions[0], reply)
    results, refused = reply.json()["results"], set()
    for session in sessions:
        session.possible = session.possible[:1]
    for (session, _), result in zip(steps, results):
        if session in client.sessions:
            session.note(f"  {result!r:.200}")
            _one_of_many(client, session, inputs, refused, result)
    for (node, _), result in zip(supplied, results[len(steps) :], strict=True):
        if "error" in result:
            continue
        client.step_is(node, result)
        client.output(node, result["output"])
        client.same(node.hash, "state", identity(base64.b64decode(result["state"]))[1])
        client.arena.findings.count("step of a supplied state")


def _send(client: Client, path: str, body: dict, need: int, sessions: list[Session]) -> Reply:
    """Sends a request about many sessions. Abandons them where it is stuck."""
    try:
        return client.send("POST", path, body, need=need)
    except Stuck:
        for session in sessions:
            client.abandon(session)
        raise


def _one_of_many(
    client: Client, session: Session, inputs: dict[Session, tuple], refused: set[Session], result: dict
) -> None:
    """Checks the result of one step; after a refused step, later ones of the same session may be refused as well."""
    if "error" in result:
        if session in refused and result["error"]["type"] == "urn:scanstep:step-mismatch":
            return
        refused.add(session)
        return _refused_of_many(client, session, result["error"])
    world, (value, *rest) = session.world, inputs[session]
    inputs[session] = tuple(rest)
    node = world.node.child((value,))
    session.used(client.asked)
    session.stands(world.at(node))
    _check(client, session, node, result)
    client.arena.findings.count("step of many")


def _refused_of_many(client: Client, session: Session, error: dict) -> None:
    """Checks the refusal of one of many, without ending the checks of the others."""
    try:
        client.current = session
        client.refused(session, Reply(error["status"], {}, json.dumps(error).encode()))
    except Abandoned:
        pass
    except Wrong as wrong:
        client.wrong(wrong)


def _check(client: Client, session: Session, node: Node, result: dict) -> None:
    try:
        client.current = session
        client.step_is(node, result)
        client.output(node, result["output"], is_numeric=session.is_numeric)
    except Wrong as wrong:
        client.wrong(wrong)


def prefill_many(client: Client, sessions: list[Session]) -> None:
    """One prefill of existing sessions, of new ones and of a sequence without a session."""
    chance, of = client.chance, model(client)
    sessions = [session for session in sessions if session.model is of]
    sequences, nodes = [], []
    on_disk = client.arena.setting.is_kept_on_disk
    for session in sessions:
        node = session.world.node
        new = node.child(client.draw(node, chance.choice((1, 4, 30))))
        session.may_become(session.world.at(new))
        sequences.append({"session": session.name, "expected_step": node.step})
        nodes.append(new)
        session.note(f"POST /v1/prefill {len(new.inputs)} at {node.step}")
    made = []
    for _ in range(chance.choice((0, 0, 1, 3))):
        session = Session(client.name(), of, None, durability="async", owner=client.owner, is_kept_on_disk=on_disk)
        new = client.root(of)
        new = new.child(client.draw(new, chance.choice((1, 2, 40))))
        session.possible = [None, World(new)]
        session.note("made by POST /v1/prefill")
        made.append(session)
        sequences.append({"create": session.name})
        nodes.append(new)
    if not sequences or chance.random() < 0.3:
        new = client.root(of)
        nodes.append(new.child(client.draw(new, 40)))
        sequences.append({"return_state": True})
    client.sessions += made
    for sequence, node in zip(sequences, nodes):
        sequence[of.field + "s"] = list(node.inputs)
    body = {"model": of.name, "sequences": sequences, **client.output_fields(of)}
    reply = _send(client, "/v1/prefill", body, client.need(*sessions, *made) + 4 * of.state_bytes, [*sessions, *made])
    if not reply.ok:
        for session in sessions:
            session.possible = session.possible[:1]
        for session in made:
            client.drop(session)
        # One missing session is enough for all to be refused.
        if reply.status in (404, 410):
            for session in sessions:
                look(client, client.use(session))
        elif sessions or made:
            client.refused((sessions + made)[0], reply)
        return
    results = reply.json()["results"]
    for session, node, result in zip([*sessions, *made], nodes, results):
        session.note(f"  {result!r:.200}")
        _one_prefill(client, session, node, result)
    if len(results) > len(sessions) + len(made) and "state" in results[-1]:
        client.same(nodes[-1].hash, "state", identity(base64.b64decode(results[-1]["state"]))[1])
        client.output(nodes[-1], results[-1]["output"])


def _one_prefill(client: Client, session: Session, node: Node, result: dict) -> None:
    before = session.possible[0]
    if "error" in result:
        session.possible = [before]
        _refused_of_many(client, session, result["error"])
        return client.drop(session) if before is None else None
    if before is None:
        session.possible = [World(node)]
        session.past = [None] if session.durability == "async" else []
    else:
        session.stands(before.at(node))
    session.used(client.asked)
    _check(client, session, node, result)
    client.arena.findings.count("prefill of many")
