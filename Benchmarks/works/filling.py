"""Creates and steps many sessions over HTTP, with as many in one request as the server allows."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from ours import Server
from settings import Settings

AT_ONCE = 4096
OVERHEAD = 256
"""Bytes of `--session-memory` that a session takes besides its state."""


@dataclass(frozen=True)
class Model:
    """A model as the server describes it."""

    folder: Path
    vocabulary: int
    state_bytes: int

    @property
    def name(self) -> str:
        return self.folder.name

    def memory(self, count: int) -> int:
        """The `--session-memory` that `count` sessions fill."""
        return count * (self.state_bytes + OVERHEAD)


def describe(settings: Settings, folder: Path) -> Model:
    with Server(settings, folder.parent) as server:
        found = json.loads(server.get(f"/v1/models/{folder.name}"))
    return Model(folder, found["vocabulary_size"], found["state_bytes"])


def session(index: int) -> str:
    return f"s{index:07}"


def token(model: Model, index: int, step: int) -> int:
    """The input that advances a session to `step`."""
    return (index + index // model.vocabulary * step) % model.vocabulary


def create(server: Server, model: Model, indices: range) -> float:
    """Creates sessions of one token each and returns the seconds. Raises where one was not created."""
    start = perf_counter()
    for some in _portions(indices):
        sequences = [{"tokens": [token(model, index, 1)], "create": session(index)} for index in some]
        body = {"model": model.name, "sequences": sequences, "return": "none"}
        results = server.post("/v1/prefill", body)["results"]
        wrong = _wrong(results, some, 1)
        if wrong:
            raise RuntimeError(f"{len(wrong)} of {len(some)} sessions were not made: {wrong[0]}")
    return perf_counter() - start


def step(server: Server, model: Model, indices: range, to: int) -> tuple[float, list[dict]]:
    """Advances each session by one step. Returns the seconds, and the results of those that are not at step `to`."""
    start = perf_counter()
    wrong: list[dict] = []
    for some in _portions(indices):
        steps = [
            {"session": session(index), "token": token(model, index, to), "expected_step": to - 1} for index in some
        ]
        wrong += _wrong(server.post("/v1/step", {"steps": steps})["results"], some, to)
    return perf_counter() - start, wrong


def _portions(indices: range) -> Iterator[range]:
    for start in range(0, len(indices), AT_ONCE):
        yield indices[start : start + AT_ONCE]


def _wrong(results: list[dict], indices: range, step: int) -> list[dict]:
    return [
        result
        for index, result in zip(indices, results, strict=True)
        if result.get("session") != session(index) or result.get("step") != step
    ]
