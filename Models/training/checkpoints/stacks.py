"""Finds the stacks of nn.GRU, nn.LSTM and nn.RNN, or of their cells, in a checkpoint by the names of their tensors, and
checks the shapes of one."""

import re
from dataclasses import dataclass, field

from .archive import Refusal
from .roles import Shape
from .source import Source, Tensors

NAME = re.compile(
    r"(?P<stack>(?:.*\.)?)(?P<kind>(?:weight|bias)_(?:ih|hh)|weight_hr)(?:_l(?P<layer>\d+))?(?P<reverse>_reverse)?"
)
CELLS = {1: "RNN", 3: "GRU", 4: "LSTM"}
"""The cell by its number of gates: the rows of its recurrent weights over its hidden width."""
LAST_LAYER = 1023


@dataclass
class Stack:
    """The names of a stack's tensors by layer and kind. A cell, whose names have no number, is one layer."""

    prefix: str
    layers: dict[int, dict[str, str]] = field(default_factory=dict)
    suffix: str = "_l{}"
    reverse: str = ""
    """A tensor of the second direction, where there is one."""

    @property
    def name(self) -> str:
        return self.prefix.removesuffix(".")

    def tensor(self, kind: str, layer: int = 0) -> str:
        return self.prefix + kind + self.suffix.format(layer)

    def holds(self, name: str) -> bool:
        """Whether the tensor of that name is of this stack."""
        match = NAME.fullmatch(name)
        return match is not None and match["stack"] == self.prefix


def befores(tensors: Tensors) -> list[str]:
    """The prefixes to cut from the names of a file: none, since a stack's own prefix may be anything."""
    return [""] if any((match := NAME.fullmatch(name)) and match["kind"] == "weight_hh" for name in tensors) else []


def every_stack(source: Source) -> list[Stack]:
    """All stacks of a checkpoint, sorted by prefix."""
    stacks: dict[str, Stack] = {}
    for name in source.tensors:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        stack = stacks.setdefault(match["stack"], Stack(match["stack"]))
        if match["reverse"]:
            stack.reverse = stack.reverse or name
            continue
        layer = match["layer"] or "0"
        if len(layer.lstrip("0")) > 4 or int(layer) > LAST_LAYER:
            raise Refusal(f"tensor {name} is of layer {layer}, and layers go to {LAST_LAYER}")
        suffix = "" if match["layer"] is None else "_l{}"
        if stack.layers and stack.suffix != suffix:
            raise Refusal(f'behind "{stack.prefix}" tensor {name} is named as of a cell or as of layers, others not')
        stack.suffix = suffix
        stack.layers.setdefault(int(layer), {})[match["kind"]] = name
    return [stacks[prefix] for prefix in sorted(stacks)]


def chosen_stack(found: list[Stack], words: dict[str, object]) -> Stack:
    """The stack that `words` name, or the only one."""
    names = ", ".join(f'"{stack.name}"' for stack in found)
    if "stack" in words:
        stack = next((stack for stack in found if stack.name == words["stack"]), None)
        if stack is None:
            raise Refusal(f'there is no stack "{words["stack"]}"; the stacks are {names}')
        return stack
    if len(found) > 1:
        raise Refusal(
            f"there are several stacks, {names}: say which is meant, as in "
            f'{{"layout": "torch", "stack": "{found[0].name}"}}'
        )
    return found[0]


def take_stack(source: Source, stack: Stack) -> Shape:
    """Takes the stack's tensors, each with the shape that follows from the first layer's recurrent weights."""
    recurrent = stack.tensor("weight_hh")
    rows, outputs = source.shape(recurrent, 2)
    projected = any("weight_hr" in kinds for kinds in stack.layers.values())
    if projected:
        projection = stack.tensor("weight_hr")
        hidden, width = source.shape(projection, 2)
        if rows != 4 * width:
            raise Refusal(
                f"tensor {projection} is a projection, which nn.LSTM alone has: {recurrent} has shape "
                f"{[rows, outputs]}, expected {[4 * width, outputs]}"
            )
        if hidden >= width:
            raise Refusal(
                f"tensor {projection} has shape {[hidden, width]}: the projection of an LSTM has fewer rows than "
                "columns, and no other cell has one"
            )
        parts = 4
    else:
        width, parts = outputs, rows // outputs
        if parts not in CELLS or rows != parts * outputs:
            expected = ", ".join(f"{[parts * outputs, outputs]} ({cell})" for parts, cell in CELLS.items())
            raise Refusal(f"tensor {recurrent} has shape {[rows, outputs]}, expected one of {expected}")
    biased = any(kind.startswith("bias") for kinds in stack.layers.values() for kind in kinds)
    first = source.shape(stack.tensor("weight_ih"), 2)[1]
    for layer in range(max(stack.layers) + 1):
        # The order of shapes decides which of two that contradict each other is named.
        source.take(stack.tensor("weight_ih", layer), parts * width, outputs if layer else first)
        source.take(stack.tensor("weight_hh", layer), parts * width, outputs)
        if projected:
            source.take(stack.tensor("weight_hr", layer), outputs, width)
        for kind in ("bias_ih", "bias_hh") if biased else ():
            source.take(stack.tensor(kind, layer), parts * width)
    return Shape(CELLS[parts], first, outputs)
