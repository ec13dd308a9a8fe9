"""A checkpoint's tensors while they are converted, and the result."""

from dataclasses import dataclass, field

import torch

from .archive import Checkpoint, Refusal

Tensors = dict[str, torch.Tensor]


@dataclass
class Converted:
    layout: str
    config: dict
    tensors: Tensors
    # What the tensors leave open, for the reference.
    options: dict[str, object] = field(default_factory=dict)
    cell: str = ""
    # Tokens of the vocabulary, or values of an input vector.
    vocabulary: int | None = None
    features: int | None = None
    logits: bool = False

    def described(self) -> "Converted":
        """Sets cell, inputs and outputs from a config.json of the whole architecture."""
        self.config = {name: value for name, value in self.config.items() if value is not None}
        inputs = self.config["input"]
        self.cell, self.logits = self.config["cell"], self.config["output"]["kind"] == "logits"
        self.vocabulary, self.features = inputs.get("vocabulary_size"), inputs.get("size")
        return self


class Source:
    """A checkpoint's tensors, taken one by one with the shape that each must have, so that none is left unread."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.tensors, self.aliases = checkpoint.tensors, checkpoint.aliases
        self.taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        if name not in self.tensors:
            raise Refusal(f"tensor {name} is missing")
        shape = tuple(self.tensors[name].shape)
        if len(shape) != dimensions or 0 in shape:
            raise Refusal(f"tensor {name} has shape {list(shape)}, expected {dimensions} dimensions")
        return shape

    def take(self, name: str, *shape: int) -> torch.Tensor:
        found = self.shape(name, len(shape))
        if found != shape:
            raise Refusal(f"tensor {name} has shape {list(found)}, expected {list(shape)}")
        stored = self.tensors[name]
        if not stored.is_floating_point():
            raise Refusal(f"tensor {name} has type {str(stored.dtype).removeprefix('torch.')}, expected a float type")
        tensor = stored.float()
        if not torch.isfinite(tensor).all():
            raise Refusal(f"tensor {name} holds NaN or infinity")
        self.taken.add(name)
        return tensor

    def ignore(self, name: str) -> None:
        self.taken.add(name)

    def layers(self, rest: str, before: str = "") -> int:
        return next(n for n in range(len(self.tensors) + 1) if f"{before}layers.{n}.{rest}" not in self)

    def linear(self, name: str, outputs: int, inputs: int, to: str, into: Tensors) -> None:
        into[to + ".weight"] = self.take(name + ".weight", outputs, inputs)
        if name + ".bias" in self:
            into[to + ".bias"] = self.take(name + ".bias", outputs)

    def norm(self, name: str, width: int, to: str, into: Tensors) -> None:
        if name + ".gamma" in self:
            into[to + ".weight"] = self.take(name + ".gamma", width) + 1
        else:
            into[to + ".weight"] = self.take(name + ".weight", width)

    def parts(self, name: str, names: list[str], outputs: int, inputs: int, to: str, into: Tensors) -> None:
        """Takes maps whose rows are stacked in one matrix."""
        weights = self.take(name + ".weight", len(names) * outputs, inputs).chunk(len(names))
        biases = [None] * len(names)
        if name + ".bias" in self:
            biases = self.take(name + ".bias", len(names) * outputs).chunk(len(names))
        for part, weight, bias in zip(names, weights, biases, strict=True):
            into[f"{to}.{part}.weight"] = weight
            if bias is not None:
                into[f"{to}.{part}.bias"] = bias

    def convolution(self, layer: str, width: int, into: Tensors) -> dict | None:
        name = f"{layer}0.net."
        if name + "0.weight" not in self:
            return None
        kernel = self.shape(name + "0.weight", 3)[2]
        into[layer + "conv.weight"] = self.take(name + "0.weight", width, 1, kernel)[:, 0]
        if name + "0.bias" in self:
            into[layer + "conv.bias"] = self.take(name + "0.bias", width)
        into[layer + "conv_pointwise.weight"] = self.take(name + "1.weight", width, width, 1)[:, :, 0]
        if name + "1.bias" in self:
            into[layer + "conv_pointwise.bias"] = self.take(name + "1.bias", width)
        return {"kernel": kernel, "pointwise": True}
