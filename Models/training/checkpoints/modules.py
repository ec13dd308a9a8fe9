"""A stack of PyTorch in its module: finds the map in front of the stack and those behind it, and describes them in
`config.json`. The tensors keep their names."""

from .archive import Refusal
from .roles import ACTIVATIONS, EMBEDDING, FRONT, Shape, advice, found, named
from .source import Converted, Source
from .stacks import Stack, chosen_stack, every_stack, take_stack

WORDS = (
    "stack", "input", "inputs", "input_activation", "output", "output_activation", "outputs", "tied", "activation",
)
UNSET = object()


def convert(source: Source, options: dict[str, object]) -> Converted:
    words = {word: options[word] for word in WORDS if word in options}
    _check_words(words)
    stacks = every_stack(source)
    stack = chosen_stack(stacks, words)
    if stack.reverse:
        raise Refusal(
            f"tensor {stack.reverse} is of a bidirectional stack, whose second direction begins at the end of a "
            "sequence: it cannot be stepped"
        )
    shape = take_stack(source, stack)
    if words.get("activation") and shape.cell != "RNN":
        recurrent = stack.tensor("weight_hh")
        raise Refusal(f"activation is a word for nn.RNN alone, and {recurrent} is of an nn.{shape.cell}")
    others = {name for name in source.tensors if not any(other.holds(name) for other in stacks)}
    front, behind = _around(source, others, stack, shape, words)
    return _described(source, stack, shape, front, behind, words)


def _check_words(words: dict[str, object]) -> None:
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
    if not (isinstance(output, str | None) or _is_names(output)):
        raise Refusal("output must be the name of a module, an array of names, or null")
    if isinstance(output, list) and len(output) > 1 and "output_activation" not in words:
        raise Refusal(
            f"output_activation must say what stands between the maps {', '.join(output)}: one of "
            f"{', '.join(ACTIVATIONS)}, or null"
        )


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _around(
    source: Source, others: set[str], stack: Stack, shape: Shape, words: dict[str, object]
) -> tuple[str | None, list[str]]:
    """The module in front of the stack, and those behind it."""
    weights = {name for name in others if name.endswith(".weight") and source.tensors[name].dim() == 2}
    matrices = {name.removesuffix(".weight") for name in weights}
    known = {f"{module}.{kind}" for module in matrices for kind in ("weight", "bias")}
    strange = others - known - ({_tied_bias(source)} if words.get("tied") else set())
    if "stack" in words:  # Unnamed modules are left out, except the stack's own.
        strange = {name for name in strange if name.rpartition(".")[0] == stack.name}
    strange = sorted(strange)
    if strange:
        raise Refusal(f"{len(strange)} tensors have no place in the layout torch: {', '.join(strange[:5])}")

    front, behind = words.get("input", UNSET), words.get("output", UNSET)
    if "stack" in words:
        front, behind = words.get("input"), words.get("output")
    behind = [behind] if isinstance(behind, str) else [] if behind is None else behind
    given = ([front] if isinstance(front, str) else []) + (behind if isinstance(behind, list) else [])
    for module in given:
        if module not in matrices:
            there = ", ".join(sorted(matrices)) or "none"
            raise Refusal(f'there is no linear map or embedding "{module}"; there are {there}')
    rest = sorted(matrices - set(given))
    if UNSET not in (front, behind):
        return front, behind
    if "tied" in words and front is UNSET and behind in (UNSET, []) and len(rest) == 1:
        # Only an embedding can be tied or not.
        columns = source.shape(rest[0] + ".weight", 2)[1]
        if columns == shape.inputs and (words["tied"] or rest[0] + ".bias" not in source):
            return rest[0], []
    reading = found(source, rest, shape, words, front is UNSET, behind is UNSET)
    if front is UNSET and behind is UNSET and reading.front is None and "tied" not in words:
        _expect_untied(source, reading.behind, shape, words)
    return reading.front if front is UNSET else front, list(reading.behind) if behind is UNSET else behind


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
    vocabulary, features, options = None, shape.inputs, {}
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
        bias = f"{front}.bias" if f"{front}.bias" in source else _tied_bias(source, vocabulary)
        if bias:
            source.take(bias, vocabulary)
            options["tied_bias"] = bias
        size = vocabulary
    if "tied" in words or tied:
        config["tied"] = tied
    outputs = words.get("outputs") or ("logits" if vocabulary == size and (behind or tied) else "vectors")
    if outputs == "logits" and vocabulary != size:
        raise Refusal(f"outputs are said to be logits, but there are {size} for {vocabulary or 'no'} tokens")
    config["outputs"] = outputs
    tensors = {name: source.tensors[name].float() for name in sorted(source.taken)}
    for name in source.tensors:
        module, _, kind = name.rpartition(".")
        weight = source.tensors.get(module + ".weight")
        is_map = kind in ("weight", "bias") and weight is not None and weight.dim() == 2
        if "stack" in words or is_map and ("input" in words or "output" in words):
            source.ignore(name)
    return Converted("torch", config, tensors, config | options, shape.cell, vocabulary, features, outputs == "logits")


def _front(source: Source, front: str, shape: Shape, words: dict[str, object]) -> tuple[int | None, int | None]:
    """Takes the module in front. Returns the vocabulary of an embedding, or the inputs of a linear map."""
    rows, columns = source.shape(front + ".weight", 2)
    tied = words.get("tied") and not words.get("output")
    kinds = ["tokens"] if columns == shape.inputs and (tied or front + ".bias" not in source) else []
    kinds += ["vectors"] if rows == shape.inputs else []
    if not kinds:
        raise Refusal(
            f"tensor {front}.weight has shape {[rows, columns]}, expected {[rows, shape.inputs]} for an embedding or "
            f"{[shape.inputs, columns]} for a linear map"
        )
    kind = words.get("inputs") or kinds[0]
    if len(kinds) > 1 and not tied and not words.get("inputs"):
        allowed = [kind for kind, role in (("tokens", EMBEDDING), ("vectors", FRONT)) if role in named(front)]
        kinds, kind = (allowed, allowed[0]) if len(allowed) == 1 else (kinds, kind)
    if len(kinds) > 1 and not tied and not words.get("inputs"):
        raise Refusal(
            f'whether {front} is an embedding or a linear map cannot be seen: say '
            f'"inputs": "tokens" or "vectors", as in {advice(words, input=front, inputs="vectors")}'
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
            f"{advice(words, tied=True)} or {advice(words, tied=False)}"
        )
    return False


def _expect_untied(source: Source, behind: tuple[str, ...], shape: Shape, words: dict[str, object]) -> None:
    """Refuses a map behind a stack of vectors where the file notes a second name of its matrix, as safetensors'
    `save_model` does of an embedding that shares it."""
    for module in behind[:1]:
        name = f"{module}.weight"
        aliases = [alias for alias, stored in source.aliases.items() if stored == name and alias.endswith(".weight")]
        if aliases and source.shape(name, 2)[1] == shape.inputs:
            raise Refusal(
                f"the metadata say that {min(aliases)} is the matrix of {module}, so an embedding may be tied to it: "
                f"say {advice(words, tied=True)} or, for vectors, {advice(words, output=module)}"
            )


def _tied_bias(source: Source, size: int | None = None) -> str:
    """The only bias without a weight, as of a map whose matrix was saved under its embedding's name; "" where there is
    none or more than one.

    - size: the number of its values; None for any."""
    orphans = [
        name
        for name, tensor in source.tensors.items()
        if name.endswith(".bias") and name.removesuffix("bias") + "weight" not in source and tensor.dim() == 1
        and (size is None or tensor.numel() == size)
    ]
    return orphans[0] if len(orphans) == 1 else ""


def _take(source: Source, module: str, outputs: int, inputs: int) -> None:
    source.take(module + ".weight", outputs, inputs)
    if module + ".bias" in source:
        source.take(module + ".bias", outputs)
