"""Two small random models, and their outputs by the recurrences of the README in numpy."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

CHARACTERS = "abcdefghijklm"
EPSILON = 1e-6

Input = int | tuple[float, ...]
"""A token or a vector."""


@dataclass(frozen=True)
class Shape:
    """The architecture of a model folder, as in its `config.json`."""

    cell: str
    candidate: str
    layers: int
    width: int
    inner: int
    kernel: int
    """Of the convolution; 0 for none."""
    vector: int
    """Values of an input and of an output; 0 for tokens and logits."""

    @property
    def state_floats(self) -> int:
        """Floats of a state: hidden values and the convolution's window of each layer, and the last block's output."""
        return self.layers * (self.inner + max(0, self.kernel - 1) * self.width) + self.width

    def configuration(self) -> dict:
        """The `config.json`."""
        tokens = {"kind": "tokens", "vocabulary_size": len(CHARACTERS)}
        return {
            "cell": self.cell, "candidate": self.candidate, "order": "paper", "layers": self.layers,
            "width": self.width, "inner_width": self.inner, "norm": {"kind": "rms", "epsilon": EPSILON},
            "final_norm": True, "convolution": {"kernel": self.kernel} if self.kernel else None, "mlp": None,
            "input": {"kind": "vectors", "size": self.vector} if self.vector else tokens,
            "output": {"kind": "vectors", "size": self.vector} if self.vector else {"kind": "logits"},
        }


SHAPES = {
    "letters": Shape("minGRU", "log-space", layers=2, width=12, inner=256, kernel=3, vector=0),
    "points": Shape("minLSTM", "vanilla", layers=1, width=8, inner=200, kernel=0, vector=2),
}


class Model:
    """A model folder with random weights; its states here are lists of arrays, never changed in place."""

    def __init__(self, name: str, shape: Shape, seed: int = 1) -> None:
        self.name, self.shape = name, shape
        self.state_bytes = 4 * shape.state_floats
        self._tensors = _tensors(shape, np.random.default_rng(seed))

    @property
    def takes_tokens(self) -> bool:
        """Whether an input is a token."""
        return not self.shape.vector

    @property
    def field(self) -> str:
        """The name of one input in a request; of several with an `s` behind it."""
        return "token" if self.takes_tokens else "vector"

    def write(self, folder: Path) -> None:
        """Makes the model folder in `folder`."""
        place = folder / self.name
        place.mkdir(parents=True)
        (place / "config.json").write_text(json.dumps(self.shape.configuration()))
        save_file(self._tensors, place / "model.safetensors")
        if self.takes_tokens:
            kind = {"kind": "characters", "characters": list(CHARACTERS)}
            (place / "tokenizer.json").write_text(json.dumps(kind))

    def draw(self, chance: random.Random, step: int) -> Input:
        """Draws an input; one of few in the first steps, so that sessions share histories."""
        if self.takes_tokens:
            return chance.randrange(2 if step < 3 else len(CHARACTERS))
        return tuple(chance.choice((-1.0, 0.0, 0.5)) for _ in range(self.shape.vector))

    def initial(self) -> list:
        """The state before the first input: (hidden, window) of each layer."""
        window = np.zeros((max(0, self.shape.kernel - 1), self.shape.width), np.float32)
        return [(np.zeros(self.shape.inner, np.float32), window) for _ in range(self.shape.layers)]

    def step(self, state: list, value: Input) -> tuple[list, np.ndarray]:
        """The state after one input, and the output."""
        tensors, after = self._tensors, []
        if self.takes_tokens:
            stream = tensors["embedding.weight"][value]
        else:
            stream = tensors["input.weight"] @ np.asarray(value, np.float32)
        for layer, (hidden, window) in enumerate(state):
            prefix = f"layers.{layer}."
            inner = _norm(stream, tensors[prefix + "rnn_norm.weight"])
            if self.shape.kernel:
                rows = np.vstack((window, inner))
                window = rows[1:]
                inner = np.einsum("tw,wt->w", rows, tensors[prefix + "conv.weight"])
            hidden = self._cell(prefix, hidden, inner)
            stream = stream + tensors[prefix + "rnn.out.weight"] @ hidden
            after.append((hidden, window))
        return after, tensors["output.weight"] @ _norm(stream, tensors["norm.weight"])

    def _cell(self, prefix: str, hidden: np.ndarray, inner: np.ndarray) -> np.ndarray:
        def part(name: str) -> np.ndarray:
            return self._tensors[f"{prefix}rnn.{name}.weight"] @ inner

        candidate = part("candidate")
        if self.shape.candidate == "log-space":
            candidate = np.where(candidate >= 0, candidate + np.float32(0.5), _sigmoid(candidate))
        if self.shape.cell == "minGRU":
            return hidden + _sigmoid(part("gate")) * (candidate - hidden)
        forget, enter = _sigmoid(part("forget")), _sigmoid(part("input"))
        return (forget * hidden + enter * candidate) / (forget + enter)


def models() -> dict[str, Model]:
    """The models by name."""
    return {name: Model(name, shape) for name, shape in SHAPES.items()}


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def _norm(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return values / np.sqrt(np.mean(values * values) + np.float32(EPSILON)) * weight


def _tensors(shape: Shape, chance: np.random.Generator) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        tensors[name + ".weight"] = (chance.normal(size=(outputs, inputs)) * inputs**-0.5).astype(np.float32)

    def around_one(name: str) -> None:
        tensors[name] = (1 + 0.3 * chance.normal(size=shape.width)).astype(np.float32)

    if shape.vector:
        linear("input", shape.width, shape.vector)
    else:
        tensors["embedding.weight"] = chance.normal(size=(len(CHARACTERS), shape.width)).astype(np.float32)
    for layer in range(shape.layers):
        prefix = f"layers.{layer}."
        around_one(prefix + "rnn_norm.weight")
        if shape.kernel:
            tensors[prefix + "conv.weight"] = chance.normal(size=(shape.width, shape.kernel)).astype(np.float32) * 0.6
        for part in ("gate", "candidate") if shape.cell == "minGRU" else ("forget", "input", "candidate"):
            linear(prefix + "rnn." + part, shape.inner, shape.width)
        linear(prefix + "rnn.out", shape.width, shape.inner)
    around_one("norm.weight")
    linear("output", shape.vector or len(CHARACTERS), shape.width)
    return tensors
