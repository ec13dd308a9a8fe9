"""Histories of inputs, and the first bytes that were seen of each: the server must give the same again."""

import hashlib
import struct
from collections.abc import Iterable

import numpy as np

from .models import Input, Model

TOLERANCE = 2e-4
"""Between the server's outputs and numpy's, of outputs of the order of one."""


class Node:
    """A history: the inputs since step 0. Equal histories of one model are one node while it is in use."""

    __slots__ = ("model", "hash", "step", "parent", "inputs", "state")

    def __init__(self, model: Model, key: bytes, step: int, parent: "Node | None", inputs: tuple[Input, ...]) -> None:
        self.model, self.hash, self.step, self.parent, self.inputs = model, key, step, parent, inputs
        self.state: list | None = None

    def all_inputs(self) -> list[Input]:
        """Every input since step 0."""
        parts, node = [], self
        while node.parent:
            parts.append(node.inputs)
            node = node.parent
        return [value for part in reversed(parts) for value in part]

    def child(self, inputs: Iterable[Input]) -> "Node":
        """The history with more inputs."""
        inputs = tuple(inputs)
        if not inputs:
            return self
        keys = self.keys(inputs)
        return Node(self.model, keys[-1], self.step + len(inputs), self, inputs)

    def keys(self, inputs: Iterable[Input]) -> list[bytes]:
        """The hash after each of more inputs."""
        keys, key = [], self.hash
        for value in inputs:
            text = bytes((value,)) if isinstance(value, int) else struct.pack(f"<{len(value)}f", *value)
            key = hashlib.blake2b(key + text, digest_size=16).digest()
            keys.append(key)
        return keys

    def __repr__(self) -> str:
        return f"{self.model.name}@{self.step}#{self.hash.hex()[:8]}"


def root(model: Model) -> Node:
    """The history of a session that has absorbed nothing."""
    return Node(model, hashlib.blake2b(model.name.encode(), digest_size=16).digest(), 0, None, ())


class Memory:
    """The values that were first seen of each history, by its hash. Operations of dictionaries are atomic, so that
    threads may share one."""

    MOST = 400_000

    def __init__(self) -> None:
        self._seen: dict[tuple[bytes, object], object] = {}

    def same(self, key: bytes, what: object, value: object) -> object | None:
        """Records a value; returns the first one where it was another."""
        if len(self._seen) > self.MOST:
            self._seen.clear()
        first = self._seen.setdefault((key, what), value)
        return None if first == value else first

    def known(self, key: bytes, what: object) -> object | None:
        """The value that was seen first, if any was."""
        return self._seen.get((key, what))


def as_bytes(values: Iterable[float]) -> bytes:
    """The bytes of float32 values, which distinguish -0.0 and 0.0."""
    values = list(values)
    return struct.pack(f"<{len(values)}f", *values)


def reference_output(node: Node) -> np.ndarray:
    """The output after a history by numpy. Keeps the state at the node for later calls."""
    parts, start = [], node
    while start.parent and (start is node or start.state is None):
        parts.append(start.inputs)
        start = start.parent
    state = start.state or node.model.initial()
    output = np.zeros(0, np.float32)
    for part in reversed(parts):
        for value in part:
            state, output = node.model.step(state, value)
    if start.step % 64:
        start.state = None
    node.state = state
    return output
