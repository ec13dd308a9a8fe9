"""Chooses the next operation of a client."""

from . import creating, going_back, keys, moving, racing, sequences, streaming
from .client import Client
from .session import Session

OF_ONE = {
    moving.step: 10, moving.prefill: 6, moving.generate: 4, streaming.stream: 4, streaming.duplex: 3, creating.look: 2,
    creating.fork: 1.5, creating.export: 2, creating.carry: 2, creating.delete: 0.5, going_back.checkpoints: 3,
    going_back.list_checkpoints: 1, going_back.rewind: 3, going_back.delete_checkpoint: 0.5, keys.again: 3,
    keys.other_body: 0.5, keys.probe: 0.4, racing.in_any_order: 2, racing.with_one_winner: 1, racing.under_one_key: 1,
}
"""Operations on one session, and how often each is done."""
OF_MANY = {moving.step_many: 6, moving.prefill_many: 3}
MANY = 0.1
"""How often an operation is on many sessions."""


def choose(client: Client) -> None:
    """Chooses an operation and runs it."""
    chance, setting = client.chance, client.arena.setting
    if len(client.sessions) < setting.sessions and chance.random() < 0.4 or not client.sessions:
        kind = chance.random()
        return (creating.bring if kind < 0.15 else sequences.begin if kind < 0.25 else creating.create)(client)
    if chance.random() < MANY:
        return _many(client)
    session = chance.choice(client.sessions)
    if _rests(client, session):
        return
    client.use(session)
    if len(client.sessions) > setting.sessions:
        return creating.delete(client, session)
    if sequences.is_sequence(session) and chance.random() < 0.5:
        return sequences.go_on(client, session)
    (kind,) = chance.choices(list(OF_ONE), list(OF_ONE.values()))
    kind(client, session)


def _many(client: Client) -> None:
    chance = client.chance
    count = chance.choice((2, 5, len(client.sessions)))
    chosen = chance.sample(client.sessions, min(count, len(client.sessions)))
    certain = []
    for session in chosen:
        if _rests(client, session):
            continue
        if chance.random() < 0.3 or session.is_certain and not session.pending:
            client.use(session)
            certain.append(session)
    if certain:
        (kind,) = chance.choices(list(OF_MANY), list(OF_MANY.values()))
        client.current = None
        kind(client, certain)


def _rests(client: Client, session: Session) -> bool:
    """Whether the session is left alone, so that it may expire."""
    return 0 < session.idle < 10 and client.chance.random() < 0.98
