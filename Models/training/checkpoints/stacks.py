"""nn.GRU, nn.LSTM and nn.RNN, or their cells, alone or inside a module: finds the stack, what stands in front of it and
behind it, and writes down in `config.json` what was found. The tensors keep their names."""

import itertools
import json
import re
from dataclasses import dataclass, field

from .archive import Refusal
from .source import Converted, Source, Tensors

NAME = re.compile(
    r"(?P<stack>(?:.*\.)?)(?P<kind>(?:weight|bias)_(?:ih|hh)|weight_hr)(?:_l(?P<layer>\d+))?(?P<reverse>_reverse)?"
)
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
WORDS = (
    "stack", "input", "inputs", "input_activation", "output", "output_activation", "outputs", "tied", "activation",
)
CELLS = {1: "RNN", 3: "GRU", 4: "LSTM"}
UNSAID = object()


@dataclass
class Stack:
    """A stack's tensors: name and role of each by layer. A cell, whose names have no number, is one layer."""

    prefix: str
    layers: dict[int, dict[str, str]] = field(default_factory=dict)
    suffix: str = "_l{}"

    @property
    def name(self) -> str:
        return self.prefix.removesuffix(".")

    def tensor(self, kind: str, layer: int = 0) -> str:
        return self.prefix + kind + self.suffix.format(layer)


@dataclass
class Shape:
    """What a stack computes."""

    cell: str
    inputs: int
    outputs: int


def befores(tensors: Tensors) -> list[str]:
    """The names of a stack may have anything before them, so that nothing is cut from the names of the file."""
    return [""] if any((match := NAME.fullmatch(name)) and match["kind"] == "weight_hh" for name in tensors) else []


def convert(source: Source, options: dict[str, object]) -> Converted:
    words = {word: options[word] for word in WORDS if word in options}
    _check(words)
    found = _stacks(source)
    stack = _chosen(found, words)
    shape = _taken(source, stack)
    if words.get("activation") and shape.cell != "RNN":
        recurrent = stack.tensor("weight_hh")
        raise Refusal(f"activation is a word for nn.RNN alone, and {recurrent} is of an nn.{shape.cell}")
    others = {name for name in source.tensors if not any(_is_of(name, other) for other in found)}
    front, behind = _around(source, others, stack, shape, words)
    return _described(source, stack, shape, front, behind, words)


def _check(words: dict[str, object]) -> None:
    choices = {
        "inputs": ("tokens", "vectors"),
        "outputs": ("logits", "vectors"),
        "activation": ("tanh", "relu"),
        "input_activation": (None, *ACTIVATIONS),
        "output_activation": (None, *ACTIVATIONS),
        "tied": (True, False),
    }
    for word, allowed in choices.items():
        # 1 == True, and is no boolean.
        if word in words and (type(words[word]), words[word]) not in [(type(value), value) for value in allowed]:
            shown = ", ".join("null" if value is None else str(value).lower() for value in allowed)
            raise Refusal(f"{word} must be one of {shown}")
    if not isinstance(words.get("stack", ""), str):
        raise Refusal("stack must be the name of a module")
    if not isinstance(words.get("input"), str | None):
        raise Refusal("input must be the name of a module, or null")
    output = words.get("output")
    if words.get("input") is not None and words["input"] in (output or []):
        raise Refusal(f'{words["input"]} is said to be input and output: an embedding that is both is "tied": true')
    if not (isinstance(output, str | None) or _is_names(output)):
        raise Refusal("output must be the name of a module, an array of names, or null")
    if isinstance(output, list) and len(output) > 1 and "output_activation" not in words:
        raise Refusal(
            f"output_activation must say what stands between the maps {', '.join(output)}: one of "
            f"{', '.join(ACTIVATIONS)}, or null"
        )


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _is_of(name: str, stack: Stack) -> bool:
    match = NAME.fullmatch(name)
    return match is not None and match["stack"] == stack.prefix


def _stacks(source: Source) -> list[Stack]:
    stacks: dict[str, Stack] = {}
    for name in source.tensors:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        if match["reverse"]:
            raise Refusal(
                f"tensor {name} is of a bidirectional stack, whose second direction begins at the end of a sequence: "
                "it cannot be stepped"
            )
        stack = stacks.setdefault(match["stack"], Stack(match["stack"]))
        suffix = "" if match["layer"] is None else "_l{}"
        if stack.layers and stack.suffix != suffix:
            raise Refusal(f'behind "{stack.prefix}" tensor {name} is named as of a cell or as of layers, others not')
        stack.suffix = suffix
        stack.layers.setdefault(int(match["layer"] or 0), {})[match["kind"]] = name
    return [stacks[prefix] for prefix in sorted(stacks)]


def _chosen(found: list[Stack], words: dict[str, object]) -> Stack:
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


def _taken(source: Source, stack: Stack) -> Shape:
    """Takes the stack's tensors, each with the shape that the first layer's recurrent weights ask for."""
    recurrent = stack.tensor("weight_hh")
    rows, outputs = source.shape(recurrent, 2)
    projected = any("weight_hr" in kinds for kinds in stack.layers.values())
    if projected:
        width = source.shape(stack.tensor("weight_hr"), 2)[1]
        if rows != 4 * width:
            projection = stack.tensor("weight_hr")
            raise Refusal(
                f"tensor {projection} is a projection, which nn.LSTM alone has: {recurrent} has shape "
                f"{[rows, outputs]}, expected {[4 * width, outputs]}"
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


def _around(
    source: Source, others: set[str], stack: Stack, shape: Shape, words: dict[str, object]
) -> tuple[str | None, list[str]]:
    """The module in front of the stack, and those behind it."""
    weights = {name for name in others if name.endswith(".weight") and source.tensors[name].dim() == 2}
    matrices = {name.removesuffix(".weight") for name in weights}
    known = {f"{module}.{kind}" for module in matrices for kind in ("weight", "bias")}
    strange = sorted(others - known)
    if strange and "stack" not in words:
        raise Refusal(f"{len(strange)} tensors have no place in the layout torch: {', '.join(strange[:5])}")

    # An embedding that may be tied has nothing behind the stack.
    front, behind = words.get("input", UNSAID), words.get("output", None if "tied" in words else UNSAID)
    behind = [behind] if isinstance(behind, str) else [] if behind is None else behind
    named = ([front] if isinstance(front, str) else []) + (behind if isinstance(behind, list) else [])
    for module in named:
        if module not in matrices:
            there = ", ".join(sorted(matrices)) or "none"
            raise Refusal(f'there is no linear map or embedding "{module}"; there are {there}')
    rest = sorted(matrices - set(named))
    fronts = [None, *(name for name in rest if _embeds(source, name, shape))] if front is UNSAID else [front]
    behinds = [[], *([name] for name in rest if _follows(source, name, shape))] if behind is UNSAID else [behind]
    choices = [
        (one, other) for one, other in itertools.product(fronts, behinds) if one not in other
    ]
    placed = [len({one, *other} & set(rest)) for one, other in choices]
    wanted = max(placed) if "stack" in words else len(rest)
    choices = [choice for choice, count in zip(choices, placed, strict=True) if count == wanted]
    if len(choices) == 1:
        return choices[0]
    if not choices:
        _refuse(source, rest, shape)
    modules = ", ".join(rest)
    if len(rest) == 1:
        raise Refusal(
            f'whether {modules} is an embedding or the map behind the stack cannot be seen: say {{"layout": "torch", '
            f'"output": "{modules}"}}; or, of an embedding, "tied": true where it is the output map, too, and false '
            "where the hidden state goes out"
        )
    one, other = choices[-1]
    example = {"layout": "torch", "input": one, "output": other[0] if other else None}
    raise Refusal(
        f'which of {modules} stands in front of the stack "{stack.name}" and which behind it cannot be seen: say '
        f'"input" and "output", as in {json.dumps(example)}'
    )


def _refuse(source: Source, modules: list[str], shape: Shape) -> None:
    """Says why not all of the modules have a place."""
    for module in modules:
        if _embeds(source, module, shape) or _follows(source, module, shape):
            continue
        rows, columns = source.shape(module + ".weight", 2)
        if rows == shape.inputs:
            raise Refusal(
                f"{module} may be a linear map in front of the stack, which is taken only where "
                f'"input": "{module}" says so'
            )
        embedding = "" if module + ".bias" in source else f", or {[rows, shape.inputs]} for an embedding"
        raise Refusal(
            f"tensor {module}.weight has shape {[rows, columns]}, expected {[rows, shape.outputs]} for a map behind "
            f"the stack{embedding}"
        )
    raise Refusal(
        f'which of {", ".join(modules)} stand in front of the stack or behind it cannot be seen: say "input" and '
        '"output"; several maps behind it are an array, with output_activation'
    )


def _embeds(source: Source, module: str, shape: Shape) -> bool:
    return module + ".bias" not in source and source.shape(module + ".weight", 2)[1] == shape.inputs


def _follows(source: Source, module: str, shape: Shape) -> bool:
    return source.shape(module + ".weight", 2)[1] == shape.outputs


def _described(
    source: Source, stack: Stack, shape: Shape, front: str | None, behind: list[str], words: dict[str, object]
) -> Converted:
    config: dict[str, object] = {"layout": "torch", "stack": stack.name, "input": front}
    config["output"] = behind[0] if len(behind) == 1 else behind or None
    for word in ("activation", "input_activation", "inputs"):
        if words.get(word):
            config[word] = words[word]
    if len(behind) > 1:
        config["output_activation"] = words["output_activation"]
    vocabulary, features = None, shape.inputs
    if front is not None:
        vocabulary, features = _front(source, front, shape, words)
    size = shape.outputs
    for module in behind:
        rows = source.shape(module + ".weight", 2)[0]
        _take(source, module, rows, size)
        size = rows
    tied = _tied(source, front, behind, shape, words) if vocabulary else False
    if words.get("tied") is not None and (behind or not vocabulary):
        raise Refusal("tied is a word for an embedding without a linear map behind the stack")
    if tied:
        source.take(f"{front}.weight", vocabulary, shape.outputs)
        size = vocabulary
    if "tied" in words or tied:
        config["tied"] = tied
    outputs = words.get("outputs") or ("logits" if vocabulary == size and (behind or tied) else "vectors")
    if outputs == "logits" and vocabulary != size:
        raise Refusal(f"outputs are said to be logits, but there are {size} for {vocabulary or 'no'} tokens")
    config["outputs"] = outputs
    tensors = {name: source.tensors[name].float() for name in sorted(source.taken)}
    if "stack" in words:  # What is named nowhere is no part of the model.
        for name in source.tensors:
            source.ignore(name)
    return Converted("torch", config, tensors, config, shape.cell, vocabulary, features, outputs == "logits")


def _front(source: Source, front: str, shape: Shape, words: dict[str, object]) -> tuple[int | None, int | None]:
    """Takes the module in front; tokens of an embedding, or values that a linear map takes."""
    rows, columns = source.shape(front + ".weight", 2)
    kinds = ["tokens"] if columns == shape.inputs and front + ".bias" not in source else []
    kinds += ["vectors"] if rows == shape.inputs else []
    if not kinds:
        raise Refusal(
            f"tensor {front}.weight has shape {[rows, columns]}, expected {[rows, shape.inputs]} for an embedding or "
            f"{[shape.inputs, columns]} for a linear map"
        )
    kind = words.get("inputs") or kinds[0]
    if len(kinds) > 1 and not words.get("inputs"):
        raise Refusal(
            f'whether {front} is an embedding or a linear map cannot be seen: say "inputs": "tokens" or "vectors"'
        )
    if kind not in kinds:
        raise Refusal(f"inputs are said to be {kind}, but {front}.weight has shape {[rows, columns]}")
    if kind == "tokens":
        if words.get("input_activation"):
            raise Refusal(f"input_activation is a word for a linear map, and {front} is an embedding")
        source.take(front + ".weight", rows, shape.inputs)
        return rows, None
    _take(source, front, shape.inputs, columns)
    return None, columns


def _tied(source: Source, front: str, behind: list[str], shape: Shape, words: dict[str, object]) -> bool:
    if behind:
        return False
    if "tied" in words:
        return bool(words["tied"])
    if shape.inputs == shape.outputs and "output" not in words:
        raise Refusal(
            f"whether {front} is the output map, too, or the hidden state goes out, cannot be seen: say "
            '"tied": true or false'
        )
    return False


def _take(source: Source, module: str, outputs: int, inputs: int) -> None:
    source.take(module + ".weight", outputs, inputs)
    if module + ".bias" in source:
        source.take(module + ".bias", outputs)
