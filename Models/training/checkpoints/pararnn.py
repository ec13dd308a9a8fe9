"""ParaGRU and ParaLSTM (arXiv 2510.21450) as two packages save them: pararnn-torch, and ml-pararnn, the authors' own.
The tensors keep their names."""

import math
import re
from collections.abc import Callable

from .archive import Refusal
from .source import Converted, Source, Tensors

LAYER = re.compile(r"(?<![^.])layers\.\d+\.$")
CLAMP = "max_recurrent_norm"
DEFAULT_CLAMP = 0.5


def befores(mark: str, *others: str) -> Callable[[Tensors], list[str]]:
    """A function that finds the prefixes before `layers.0`, or before the names of a single layer, where layers have
    the tensor `mark` and one of `others`."""

    def found(tensors: Tensors) -> list[str]:
        names = [name.removesuffix(mark) for name in tensors if name == mark or name.endswith("." + mark)]
        return sorted({LAYER.sub("", name) for name in names if any(name + other in tensors for other in others)})

    return found


def convert_torch(source: Source, options: dict[str, object]) -> Converted:
    clamp = options.get(CLAMP, DEFAULT_CLAMP)
    if clamp is not None and (type(clamp) not in (int, float) or not 0 < clamp < math.inf):
        raise Refusal(f"{CLAMP} must be a number above 0, or null")
    prefixes = _prefixes(source, "W_x.weight")
    dense = next((name for name in source.tensors if re.fullmatch(r"(layers\.\d+\.)?A_[zrn]", name)), None)
    if dense:
        raise Refusal(f"tensor {dense} is of dense recurrences of heads (mix=\"head\"), which are not served")
    lstm = prefixes[0] + "a_f" in source
    vectors = ("a_f", "a_z", "a_o", "c_f", "c_o") if lstm else ("a_z", "a_r", "a_n")
    features = inputs = source.shape(prefixes[0] + "W_x.weight", 2)[1]
    for prefix in prefixes:
        width = source.shape(prefix + "W_x.weight", 2)[0] // 3
        for name in vectors:
            source.take(prefix + name, width)
        source.take(prefix + "W_x.weight", 3 * width, inputs)
        if prefix + "W_x.bias" in source:
            source.take(prefix + "W_x.bias", 3 * width)
        inputs = width
    return _described("pararnn-torch", source, lstm, features, {CLAMP: clamp})


def convert_heads(source: Source, options: dict[str, object]) -> Converted:
    prefixes = _prefixes(source, "B")
    lstm = prefixes[0] + "C" in source
    heads, share = source.shape(prefixes[0] + "B", 4)[:2]
    features = inputs = heads * share
    for prefix in prefixes:
        heads = source.shape(prefix + "B", 4)[0]
        width = source.shape(prefix + "A", 2)[1]
        if inputs % heads or width % heads:
            shape = list(source.shape(prefix + "B", 4))
            raise Refusal(f"tensor {prefix}B has shape {shape}, whose {heads} heads do not divide {inputs} or {width}")
        source.take(prefix + "A", 3, width)
        source.take(prefix + "B", heads, inputs // heads, 3, width // heads)
        source.take(prefix + "b", 3, width)
        if lstm:
            source.take(prefix + "C", 2, width)
        inputs = width
    return _described("ml-pararnn", source, lstm, features, {})


def _prefixes(source: Source, mark: str) -> list[str]:
    return [""] if mark in source else [f"layers.{n}." for n in range(source.layers(mark))]


def _described(layout: str, source: Source, lstm: bool, features: int, words: dict[str, object]) -> Converted:
    tensors = {name: source.tensors[name].float() for name in source.taken}
    cell = "ParaLSTM" if lstm else "ParaGRU"
    return Converted(layout, {"layout": layout} | words, tensors, words, cell, features=features)
