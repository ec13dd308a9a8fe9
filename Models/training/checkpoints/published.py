"""Recognises a published layout and converts its tensors to Scanstep's own names and `config.json`."""

from collections.abc import Callable

import torch

from . import modules, pararnn, stacks
from .archive import Checkpoint, Refusal
from .source import Converted, Source, Tensors


def recognised(checkpoint: Checkpoint, layout: str | None, prefix: str | None) -> tuple[str, Checkpoint]:
    """The layout, and the checkpoint without the prefix that wrappers of the model give to all names.

    - layout: the only one to look for; None for all.
    - prefix: the beginning of the names of the tensors to take; None for all."""
    if layout is not None and layout not in list(LAYOUTS):
        raise Refusal(f"layout must be one of {', '.join(LAYOUTS)}")
    if prefix is not None:
        checkpoint = _behind(prefix, checkpoint)
        if not checkpoint.tensors:
            raise Refusal(f'no tensor has a name that begins with "{prefix}"')
    tensors = checkpoint.tensors
    names = list(LAYOUTS) if layout is None else [layout]
    if layout is None and stacks.befores(tensors):
        # Such names are of no other layout; those of modules around a stack may be, as `layers.0.weight`.
        names = ["torch"]
    found = [(name, before) for name in names for before in _befores(name, tensors)]
    if not found:
        names = ", ".join(sorted(tensors)[:5])
        wanted = "of no known layout" if layout is None else f"not of the layout {layout}"
        raise Refusal(f"the tensor names ({names}, …) are {wanted}; known are {', '.join(LAYOUTS)}")
    if len(found) > 1:
        several = ", ".join(f'{name} behind "{before}"' for name, before in found)
        raise Refusal(f"the tensors are of more than one model ({several}): choose one by --prefix, or by --layout")
    name, before = found[0]
    others = sorted(key for key in tensors if not key.startswith(before))
    if others:
        shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
        raise Refusal(
            f'the tensors behind "{before}" are the layout {name}, and others are not of it ({shown}): '
            f"--prefix {before} takes that part alone"
        )
    return name, _behind(before, checkpoint)


def _behind(prefix: str, checkpoint: Checkpoint) -> Checkpoint:
    """The tensors whose names begin with `prefix`, without it. Their aliases may begin otherwise, and stay whole."""
    tensors = {key.removeprefix(prefix): it for key, it in checkpoint.tensors.items() if key.startswith(prefix)}
    aliases = {alias: key.removeprefix(prefix) for alias, key in checkpoint.aliases.items() if key.startswith(prefix)}
    return Checkpoint(tensors, aliases)


def _befores(layout: str, tensors: Tensors) -> list[str]:
    """The prefixes of the layout's tensors in the file: empty, or words that each end in a dot."""
    if layout in BEFORES:
        return BEFORES[layout](tensors)
    marks, others = MARKS[layout]
    befores = {name.removesuffix(mark) for name in tensors for mark in marks if name.endswith(mark)}
    befores = {
        before
        for before in befores
        if (not before or before.endswith(".")) and all(before + other in tensors for other in others)
    }
    if layout == "pufferlib":
        # The network is a model of its own, or a part of a whole policy.
        wholes = {before: before.removesuffix("network.") for before in befores}
        befores = {whole if whole + "encoder.encoder.weight" in tensors else before for before, whole in wholes.items()}
    return sorted(befores)


def convert(checkpoint: Checkpoint, layout: str, options: dict[str, object]) -> Converted:
    """- checkpoint: without the prefix of wrappers.
    - options: the words of a `config.json` besides `layout`; what they leave out follows from the tensors."""
    unknown = next((word for word in options if word not in WORDS[layout]), None)
    if unknown is not None:
        known = ", ".join(WORDS[layout]) or "none"
        raise Refusal(f"beside the layout {layout} there is no word {unknown}; there are {known}")
    source = Source(checkpoint)
    converted = LAYOUTS[layout](source, options)
    left = sorted(set(source.tensors) - source.taken)
    if left:
        names = ", ".join(left[:5]) + (", …" if len(left) > 5 else "")
        raise Refusal(f"{len(left)} tensors have no place in the layout {layout}: {names}")
    converted.tensors = {name: tensor.contiguous().clone() for name, tensor in converted.tensors.items()}
    return converted


def _minimal(width: int, inner: int, layers: int, **more: object) -> dict:
    config = {"cell": "minGRU", "candidate": "log-space", "order": "paper", "layers": layers, "width": width}
    return config | ({"inner_width": inner} if inner != width else {}) | more


def _epsilon(source: Source, width: int) -> float:
    # A norm by length has an ε of 1e-12 for the length; one by the mean of squares PyTorch's default.
    return 1e-24 / width if "norm.gamma" in source else torch.finfo(torch.float32).eps


def _min_lm(source: Source, options: dict[str, object]) -> Converted:
    vocabulary, width = source.shape("token_emb.weight", 2)
    lstm = "layers.0.2.to_hidden_and_f_i_gate.weight" in source
    name = "2.to_hidden_and_f_i_gate" if lstm else "2.to_hidden_and_gate"
    parts = ["candidate", "forget", "input"] if lstm else ["candidate", "gate"]
    inner = source.shape(f"layers.0.{name}.weight", 2)[0] // len(parts)
    tensors: Tensors = {"embedding.weight": source.take("token_emb.weight", vocabulary, width)}
    layers, convolution, mlp = source.layers(name + ".weight"), None, None
    for n in range(layers):
        layer = f"layers.{n}."
        convolution = source.convolution(layer, width, tensors)
        source.norm(layer + "1", width, layer + "rnn_norm", tensors)
        source.parts(layer + name, parts, inner, width, layer + "rnn", tensors)
        if inner != width or layer + "2.to_out.weight" in source:
            source.linear(layer + "2.to_out", width, inner, layer + "rnn.out", tensors)
        if layer + "4.0.weight" in source:
            mlp = source.shape(layer + "4.0.weight", 2)[0]
            source.norm(layer + "3", width, layer + "mlp_norm", tensors)
            source.linear(layer + "4.0", mlp, width, layer + "mlp.up", tensors)
            source.linear(layer + "4.2", width, mlp, layer + "mlp.down", tensors)
    source.norm("norm", width, "norm", tensors)
    source.linear("to_logits", vocabulary, width, "output", tensors)
    config = _minimal(width, inner, layers, order="minGRU-pytorch", cell="minLSTM" if lstm else "minGRU")
    config["norm"] = {"kind": "rms", "epsilon": _epsilon(source, width)}
    config["convolution"], config["mlp"] = convolution, mlp and {"width": mlp}
    config["input"] = {"kind": "tokens", "vocabulary_size": vocabulary}
    config["output"] = {"kind": "logits"}
    return Converted("minGRU-pytorch", config, tensors).described()


def _min_rnns(source: Source, options: dict[str, object]) -> Converted:
    if "norm.running_mean" in source or "layers.0.1.running_mean" in source:
        raise Refusal("batch norms are not served: train with norm_type RMSNorm")
    width, inner = source.shape("layers.0.2.to_out.weight", 2)
    rows = source.shape("layers.0.2.to_hidden_and_gate.weight", 2)[0]
    if rows not in (2 * inner, 3 * inner):
        raise Refusal(f"layers.0.2.to_hidden_and_gate.weight has {rows} rows, expected {2 * inner} or {3 * inner}")
    lstm, normalised = rows == 3 * inner, bool(options.get("normalised_gates"))
    parts = ["candidate", "forget", "input"] if lstm else ["candidate", "gate"]
    tensors: Tensors = {}
    layers, convolution, mlp = source.layers("2.to_hidden_and_gate.weight"), None, None
    for n in range(layers):
        layer = f"layers.{n}."
        convolution = source.convolution(layer, width, tensors)
        source.norm(layer + "1", width, layer + "rnn_norm", tensors)
        source.parts(layer + "2.to_hidden_and_gate", parts, inner, width, layer + "rnn", tensors)
        source.linear(layer + "2.to_out", width, inner, layer + "rnn.out", tensors)
        if layer + "2.init_hidden_state" in source:
            learned = source.take(layer + "2.init_hidden_state", inner)
            tensors[layer + "rnn.initial_state"] = torch.where(learned >= 0, learned + 0.5, torch.sigmoid(learned))
        maps = sorted(name.removesuffix(".weight") for name in source.tensors if _is_map(name, layer + "4."))
        if not maps:
            source.ignore(layer + "3.gamma")
            continue
        mlp = source.shape(maps[1] + ".weight", 2)[1] if len(maps) == 2 else 0
        if not mlp:
            raise Refusal(f"{layer}4 has {len(maps)} linear maps, expected two")
        source.norm(layer + "3", width, layer + "mlp_norm", tensors)
        source.parts(maps[0], ["up", "gate"], mlp, width, layer + "mlp", tensors)
        for name in source.tensors:
            if name.startswith(layer + "4.") and name.endswith("mult_bias"):
                factors = source.take(name, mlp)
                tensors[layer + "mlp.up.weight"] = tensors[layer + "mlp.up.weight"] * factors[:, None]
                if layer + "mlp.up.bias" in tensors:
                    tensors[layer + "mlp.up.bias"] = tensors[layer + "mlp.up.bias"] * factors
        source.linear(maps[1], width, mlp, layer + "mlp.down", tensors)
    source.norm("norm", width, "norm", tensors)
    size = source.shape("to_out.weight", 2)[0]
    source.linear("to_out", size, width, "output", tensors)
    cell = ("minLSTM" if normalised else "minLSTM-unnormalised") if lstm else "minGRU"
    config = _minimal(width, inner, layers, order="minGRU-pytorch", cell=cell)
    config["norm"] = {"kind": "rms", "epsilon": _epsilon(source, width)}
    config["convolution"], config["mlp"] = convolution, mlp and {"width": mlp, "activation": "geglu"}
    if "token_emb.weight" in source:
        vocabulary = source.shape("token_emb.weight", 2)[0]
        tensors["embedding.weight"] = source.take("token_emb.weight", vocabulary, width)
        config["input"] = {"kind": "tokens", "vocabulary_size": vocabulary}
    else:
        vocabulary, features = None, source.shape("layer_in.weight", 2)[1]
        source.linear("layer_in", width, features, "input", tensors)
        config["input"] = {"kind": "vectors", "size": features}
    config["output"] = {"kind": "logits"} if size == vocabulary else {"kind": "vectors", "size": size}
    return Converted("minRNNs", config, tensors, {"normalised_gates": normalised}).described()


def _is_map(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name.endswith(".weight")


def _stack(source: Source, options: dict[str, object]) -> Converted:
    layers = source.layers("gate_hidden.weight")
    shapes = [source.shape(f"layers.{n}.gate_hidden.weight", 2) for n in range(layers)]
    widths = [shapes[0][1]] + [rows // 2 for rows, _ in shapes]
    changing = [n for n in range(layers) if widths[n] != widths[n + 1]]
    residual = options.get("residual")
    if changing:
        seen = f"layers.{changing[0]}.res_align.weight" in source
        if residual is not None and residual != seen:
            raise Refusal(f"the tensors show that layers are{'' if seen else ' not'} residual")
        residual = seen
    if residual is None:
        raise Refusal("whether its layers are residual cannot be seen in the tensors: say --residual or --no-residual")
    tensors: Tensors = {}
    norm = "layers.0.norm.weight" in source
    for n in range(layers):
        layer, before, behind = f"layers.{n}.", widths[n], widths[n + 1]
        if norm:
            tensors[layer + "rnn_norm.weight"] = source.take(layer + "norm.weight", before)
            tensors[layer + "rnn_norm.bias"] = source.take(layer + "norm.bias", before)
        source.parts(layer + "gate_hidden", ["gate", "candidate"], behind, before, layer + "rnn", tensors)
        if residual and before != behind:
            source.linear(layer + "res_align", behind, before, layer + "align", tensors)
        tensors[layer + "rnn.initial_state"] = torch.full((behind,), 0.5)
    config = _minimal(widths[0], widths[0], layers, order="paper" if residual else "stacked")
    if changing:
        config["layer_widths"] = widths[1:]
    config["norm"], config["final_norm"] = {"kind": "layer", "epsilon": 1e-5} if norm else None, False
    config["input"] = {"kind": "vectors", "size": widths[0], "map": False}
    config["output"] = {"kind": "vectors", "size": widths[-1], "map": False}
    return Converted("mingru", config, tensors, {"residual": residual}).described()


def _highway(source: Source, options: dict[str, object]) -> Converted:
    policy = "encoder.encoder.weight" in source
    network = "network." if policy else ""
    width = source.shape(f"{network}layers.0.weight", 2)[1]
    layers = source.layers("weight", network)
    tensors: Tensors = {}
    for n in range(layers):
        parts = source.take(f"{network}layers.{n}.weight", 3 * width, width).chunk(3)
        for name, part in zip(("rnn.candidate", "rnn.gate", "highway"), parts, strict=True):
            tensors[f"layers.{n}.{name}.weight"] = part
    config = _minimal(width, width, layers, order="highway")
    config["input"] = {"kind": "vectors", "size": width, "map": False}
    config["output"] = {"kind": "vectors", "size": width, "map": False}
    if policy:
        features = source.shape("encoder.encoder.weight", 2)[1]
        source.linear("encoder.encoder", width, features, "input", tensors)
        head = "decoder.decoder" if "decoder.decoder.weight" in source else "decoder.decoder_mean"
        source.ignore("decoder.decoder_logstd")
        # Actions first, then the value.
        heads: Tensors = {}
        actions = source.shape(head + ".weight", 2)[0]
        source.linear(head, actions, width, "actions", heads)
        source.linear("decoder.value_function", 1, width, "value", heads)
        for kind in ("weight", "bias"):
            tensors[f"output.{kind}"] = torch.cat((heads[f"actions.{kind}"], heads[f"value.{kind}"]))
        config["input"] = {"kind": "vectors", "size": features}
        config["output"] = {"kind": "vectors", "size": actions + 1}
    return Converted("pufferlib", config, tensors).described()


# The ends of tensor names by one of which a layout is recognised, and the tensors that it must also have.
MARKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "minGRU-pytorch": (
        ("layers.0.2.to_hidden_and_gate.weight", "layers.0.2.to_hidden_and_f_i_gate.weight"),
        ("token_emb.weight", "to_logits.weight"),
    ),
    "minRNNs": (("layers.0.2.to_hidden_and_gate.weight",), ("to_out.weight",)),
    "mingru": (("layers.0.gate_hidden.weight",), ()),
    "pufferlib": (("layers.0.weight",), ()),
}
# How other layouts are recognised: functions that give the prefixes of their names.
BEFORES: dict[str, Callable[[Tensors], list[str]]] = {
    "torch": stacks.befores,
    "pararnn-torch": pararnn.befores("W_x.weight", "a_z", "A_z"),
    "ml-pararnn": pararnn.befores("B", "A"),
}
LAYOUTS: dict[str, Callable[[Source, dict[str, object]], Converted]] = {
    "minGRU-pytorch": _min_lm,
    "minRNNs": _min_rnns,
    "mingru": _stack,
    "pufferlib": _highway,
    "torch": modules.convert,
    "pararnn-torch": pararnn.convert_torch,
    "ml-pararnn": pararnn.convert_heads,
}
WORDS: dict[str, tuple[str, ...]] = {
    "minGRU-pytorch": (),
    "minRNNs": ("normalised_gates",),
    "mingru": ("residual",),
    "pufferlib": (),
    "torch": modules.WORDS,
    "pararnn-torch": (pararnn.CLAMP,),
    "ml-pararnn": (),
}
