#!/usr/bin/env python3
"""Checkpoints of recurrent stacks that must be refused: names and shapes, the `config.json` beside them, and the
words that the refusal must have. Run as a program it lists them.

Each function gives one case and says why it is bad. Shapes are those of an intact file with one thing changed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

WIDTH, FEATURES, VOCABULARY, PROJECTION = 6, 4, 9, 5
Shapes = dict[str, tuple[int, ...]]


@dataclass
class Bad:
    shapes: Shapes
    words: tuple[str, ...]
    """Words of the refusal, all of which it must have: names of tensors and what was expected."""
    config: dict[str, object] | None = None
    half: tuple[str, ...] = ()
    """Names of tensors that are float16; all others are float32."""
    converts: bool = False
    """Whether convert.py accepts the case nevertheless, since it writes all tensors in one type."""
    values: dict[str, float] = field(default_factory=dict)
    """Names of tensors with a first value that is not random."""


def stack(parts: int = 4, layers: int = 2, prefix: str = "", bias: bool = True, projection: int = 0) -> Shapes:
    """nn.LSTM, nn.GRU (parts 3) or nn.RNN (parts 1)."""
    shapes: Shapes = {}
    outputs = projection or WIDTH
    for n in range(layers):
        shapes[f"{prefix}weight_ih_l{n}"] = (parts * WIDTH, outputs if n else FEATURES)
        shapes[f"{prefix}weight_hh_l{n}"] = (parts * WIDTH, outputs)
        if bias:
            shapes[f"{prefix}bias_ih_l{n}"] = shapes[f"{prefix}bias_hh_l{n}"] = (parts * WIDTH,)
        if projection:
            shapes[f"{prefix}weight_hr_l{n}"] = (projection, WIDTH)
    return shapes


def without(shapes: Shapes, *names: str) -> Shapes:
    return {name: shape for name, shape in shapes.items() if name not in names}


def missing_bias_hh() -> Bad:
    """One of the two biases of a layer is not there."""
    return Bad(without(stack(), "bias_hh_l1"), ("bias_hh_l1",))


def bias_in_one_layer_only() -> Bad:
    """The second layer has no biases, the first one has."""
    return Bad(without(stack(), "bias_ih_l1", "bias_hh_l1"), ("bias_ih_l1",))


def missing_weight_hh() -> Bad:
    """A layer without its recurrent weights."""
    return Bad(without(stack(3), "weight_hh_l1"), ("weight_hh_l1",))


def missing_layer() -> Bad:
    """Layers 0 and 2 of three."""
    names = [name for name in stack(layers=3) if name.endswith("_l1")]
    return Bad(without(stack(layers=3), *names), ("_l1",))


def second_layer_of_another_width() -> Bad:
    """Layer 1 has 7 hidden values where layer 0 has 6."""
    wide = {"weight_ih_l1": (28, 6), "weight_hh_l1": (28, 7), "bias_ih_l1": (28,), "bias_hh_l1": (28,)}
    return Bad(stack() | wide, ("_l1", "[28, 6]", "[24, 6]"))


def second_layer_of_other_inputs() -> Bad:
    """Layer 1 takes 5 values where layer 0 gives 6."""
    return Bad(stack(3) | {"weight_ih_l1": (18, 5)}, ("weight_ih_l1", "[18, 5]", "[18, 6]"))


def bias_of_another_length() -> Bad:
    return Bad(stack() | {"bias_ih_l0": (23,)}, ("bias_ih_l0", "[23]", "[24]"))


def two_parts() -> Bad:
    """Twice as many rows as hidden values: no cell of PyTorch's."""
    return Bad(stack(2), ("weight_hh_l0", "[12, 6]"))


def rows_that_are_no_multiple() -> Bad:
    return Bad(stack(3) | {"weight_hh_l0": (17, 6)}, ("weight_hh_l0", "[17, 6]"))


def layers_of_two_cells() -> Bad:
    """Layer 0 is of an LSTM, layer 1 of a GRU."""
    second = {name: shape for name, shape in stack(3).items() if name.endswith("_l1")}
    return Bad(without(stack(), *second) | second, ("weight_ih_l1", "[18, 6]", "[24, 6]"))


def projection_of_a_gru() -> Bad:
    """A `weight_hr` without an LSTM."""
    return Bad(stack(3) | {"weight_hr_l0": (PROJECTION, WIDTH), "weight_hr_l1": (PROJECTION, WIDTH)}, ("weight_hr_l0",))


def projection_of_another_size() -> Bad:
    """W_hr gives 4 values, W_hh takes 5."""
    return Bad(stack(projection=PROJECTION) | {"weight_hr_l0": (4, 6)}, ("weight_hr_l0", "[4, 6]", "[5, 6]"))


def projection_in_one_layer_only() -> Bad:
    return Bad(without(stack(projection=PROJECTION), "weight_hr_l1"), ("weight_hr_l1",))


def projection_that_fits_a_gru() -> Bad:
    """24 rows are three gates of 8 units, or four of a projection's 6: as many rows as columns or more is none."""
    shapes = {"weight_ih_l0": (24, 4), "weight_hh_l0": (24, 8), "weight_hr_l0": (8, 6)}
    return Bad(shapes, ("weight_hr_l0", "[8, 6]"))


def number_of_a_layer_that_overflows() -> Bad:
    """The largest integer of 64 bits."""
    return Bad(stack(3) | {"weight_ih_l9223372036854775807": (1,)}, ("weight_ih_l9223372036854775807", "1023"))


def bidirectional() -> Bad:
    """The set of names for the other direction."""
    reverse = {f"{name}_reverse": shape for name, shape in stack(3, layers=1).items()}
    return Bad(stack(3, layers=1) | reverse, ("weight_ih_l0_reverse", "bidirectional"))


def bidirectional_in_a_module() -> Bad:
    reverse = {f"{name}_reverse": shape for name, shape in stack(layers=1, prefix="lstm.").items()}
    front = {"emb.weight": (VOCABULARY, FEATURES), "fc.weight": (VOCABULARY, 2 * WIDTH), "fc.bias": (VOCABULARY,)}
    return Bad(front | stack(layers=1, prefix="lstm.") | reverse, ("lstm.weight_ih_l0_reverse", "bidirectional"))


def two_stacks() -> Bad:
    """An encoder and a decoder in one file."""
    return Bad(
        stack(prefix="encoder.") | stack(prefix="decoder."), ("encoder", "decoder", '{"layout": "torch", "stack": ')
    )


def two_cells() -> Bad:
    """Two `GRUCell`s: not layers of one stack."""
    cell = {"weight_ih": (18, 6), "weight_hh": (18, 6), "bias_ih": (18,), "bias_hh": (18,)}
    shapes = {f"cells.{n}.{name}": shape for n in range(2) for name, shape in cell.items()}
    return Bad(shapes, ("cells.0", "cells.1", '"stack"'))


def a_stack_that_is_not_there() -> Bad:
    return Bad(stack(prefix="rnn."), ("lstm", "rnn"), {"layout": "torch", "stack": "lstm"})


def map_of_the_wrong_size() -> Bad:
    """The map behind takes 5 values, the stack gives 6."""
    return Bad(stack(prefix="rnn.") | {"fc.weight": (3, 5), "fc.bias": (3,)}, ("fc.weight", "[3, 5]", "[3, 6]"))


def map_behind_a_projection() -> Bad:
    """The map behind takes the 6 cell values, the projection gives 5."""
    shapes = stack(prefix="rnn.", projection=PROJECTION) | {"fc.weight": (3, 6), "fc.bias": (3,)}
    return Bad(shapes, ("fc.weight", "[3, 6]", "[3, 5]"))


def bias_of_the_map_of_the_wrong_size() -> Bad:
    return Bad(stack(prefix="rnn.") | {"fc.weight": (3, 6), "fc.bias": (4,)}, ("fc.bias", "[4]", "[3]"))


def embedding_of_another_width() -> Bad:
    """Named an embedding, but of 5 columns where the stack takes 4 values."""
    shapes = {"emb.weight": (VOCABULARY, 5)} | stack(prefix="rnn.") | {"fc.weight": (3, 6), "fc.bias": (3,)}
    return Bad(shapes, ("emb.weight", "[9, 5]", "4"), {"layout": "torch", "input": "emb"})


def embedding_with_a_bias() -> Bad:
    shapes = stack(3, prefix="rnn.") | {"emb.weight": (9, 4), "emb.bias": (9,)}
    return Bad(shapes, ("tensor emb.bias", "[9, 4]"))


def two_maps_behind() -> Bad:
    """Two heads, and nothing that says which."""
    heads = {"actor.weight": (3, 6), "actor.bias": (3,), "critic.weight": (1, 6), "critic.bias": (1,)}
    return Bad(stack(prefix="rnn.") | heads, ("actor", "critic", '"output"'))


def two_matrices_that_may_be_either() -> Bad:
    """Embedding and map behind of one shape, without a bias: a swap would not be seen."""
    shapes = {
        "a.weight": (VOCABULARY, WIDTH),
        "b.weight": (VOCABULARY, WIDTH),
        **stack(prefix="rnn."),
        "rnn.weight_ih_l0": (24, WIDTH),
    }
    return Bad(shapes, ("a", "b", '"input"', '"output"'))


def one_matrix_that_may_be_either() -> Bad:
    """Without a bias and as wide as both sides of the stack: an embedding, or the map behind."""
    shapes = {"w.weight": (VOCABULARY, WIDTH), **stack(prefix="rnn."), "rnn.weight_ih_l0": (24, WIDTH)}
    return Bad(shapes, ("w", '"tied"', '"output"'))


def front_or_behind() -> Bad:
    """A linear map of as many rows as the stack has inputs and as many columns as it has outputs."""
    shapes = stack(prefix="rnn.") | {"proj.weight": (FEATURES, WIDTH), "proj.bias": (FEATURES,)}
    return Bad(shapes, ('{"layout": "torch", "input": "proj"}', '{"layout": "torch", "output": "proj"}'))


def square_map_called_as_one_in_front() -> Bad:
    """Its shape fits behind the stack as well, and its name does not."""
    shapes = {"input_proj.weight": (WIDTH, WIDTH), "input_proj.bias": (WIDTH,), **stack(prefix="rnn.")}
    return Bad(shapes | {"rnn.weight_ih_l0": (24, WIDTH)}, ('{"layout": "torch", "input": "input_proj"}',))


def embedding_or_linear_map() -> Bad:
    """Square and without a bias: an embedding of as many tokens as values, or a linear map."""
    shapes = {"a.weight": (FEATURES, FEATURES), **stack(prefix="rnn.")}
    return Bad(shapes, ('"input": "a", "inputs": "tokens"}', '"input": "a", "inputs": "vectors"}'))


def maps_of_several_widths() -> Bad:
    """nn.Sequential: what stands between the maps cannot be seen."""
    head = {"head.0.weight": (8, 6), "head.0.bias": (8,), "head.2.weight": (3, 8), "head.2.bias": (3,)}
    return Bad(stack(prefix="rnn.") | head, ('"output": ["head.0", "head.2"]', "output_activation"))


def tied_or_not() -> Bad:
    """An embedding as wide as the hidden state, and no map behind."""
    shapes = {"emb.weight": (VOCABULARY, WIDTH), **stack(prefix="rnn."), "rnn.weight_ih_l0": (24, WIDTH)}
    return Bad(shapes, ("emb", '"tied": true}', '"tied": false}'), {"layout": "torch", "input": "emb"})


def tied_of_another_width() -> Bad:
    """Tied, but the embedding is 4 wide and the hidden state 6."""
    shapes = {"emb.weight": (VOCABULARY, FEATURES)} | stack(prefix="rnn.")
    return Bad(shapes, ("emb.weight", "[9, 4]", "[9, 6]"), {"layout": "torch", "tied": True})


def several_maps_without_their_activation() -> Bad:
    head = {"head.0.weight": (8, 6), "head.0.bias": (8,), "head.2.weight": (3, 8), "head.2.bias": (3,)}
    return Bad(
        stack(prefix="rnn.") | head, ("output_activation",), {"layout": "torch", "output": ["head.0", "head.2"]}
    )


def several_maps_that_do_not_fit() -> Bad:
    """The first of the maps gives 8 values, the second takes 7."""
    head = {"head.0.weight": (8, 6), "head.0.bias": (8,), "head.2.weight": (3, 7), "head.2.bias": (3,)}
    config = {"layout": "torch", "output": ["head.0", "head.2"], "output_activation": "relu"}
    return Bad(stack(prefix="rnn.") | head, ("head.2.weight", "[3, 7]", "[3, 8]"), config)


def an_activation_that_is_none() -> Bad:
    return Bad(stack(1), ("activation", "tanh", "relu"), {"layout": "torch", "activation": "sin"})


def an_activation_of_a_gru() -> Bad:
    return Bad(stack(3), ("activation",), {"layout": "torch", "activation": "relu"})


def logits_of_another_number() -> Bad:
    """Logits are said, but there are 3 outputs for 9 tokens."""
    shapes = {"emb.weight": (VOCABULARY, FEATURES)} | stack(prefix="rnn.") | {"fc.weight": (3, 6), "fc.bias": (3,)}
    return Bad(shapes, ("logits", "3", "9"), {"layout": "torch", "outputs": "logits"})


def something_left_over() -> Bad:
    """A tensor that has no place: a layer norm."""
    return Bad(stack(prefix="rnn.") | {"norm.weight": (6,), "norm.bias": (6,)}, ("norm.weight",))


def half_of_the_layers_in_float16() -> Bad:
    return Bad(stack(), ("weight_ih_l1", "F16", "F32"), half=tuple(f"{name}_l1" for name in KINDS), converts=True)


def not_finite() -> Bad:
    return Bad(stack(3), ("weight_hh_l0",), values={"weight_hh_l0": float("nan")})


def empty() -> Bad:
    """No hidden values at all."""
    shapes = {"weight_ih_l0": (0, 4), "weight_hh_l0": (0, 0), "bias_ih_l0": (0,), "bias_hh_l0": (0,)}
    return Bad(shapes, ("weight_hh_l0",))


def para_gru_without_a_vector() -> Bad:
    return Bad(without(PARA_GRU, "layers.0.a_r"), ("layers.0.a_r",))


def para_gru_of_another_width() -> Bad:
    return Bad(PARA_GRU | {"layers.0.a_r": (5,)}, ("layers.0.a_r", "[5]", "[6]"))


def para_lstm_with_a_peephole_missing() -> Bad:
    return Bad(without(PARA_LSTM, "layers.0.c_o"), ("layers.0.c_o",))


def para_gru_of_dense_heads() -> Bad:
    """pararnn-torch's mix="head": dense recurrences of heads, which are not served."""
    shapes = {f"layers.0.A_{part}": (2, 3, 3) for part in "zrn"}
    return Bad(shapes | {"layers.0.W_x.weight": (18, 4), "layers.0.W_x.bias": (18,)}, ("layers.0.A_z",))


def heads_that_do_not_divide() -> Bad:
    """Two heads of 3 channels each, and 7 channels."""
    return Bad({"A": (3, 7), "B": (2, 2, 3, 3), "b": (3, 7)}, ("B", "[2, 2, 3, 3]", "7"))


def peepholes_of_a_gru() -> Bad:
    """Three peepholes where an LSTM has two."""
    return Bad({"A": (3, 6), "B": (2, 2, 3, 3), "b": (3, 6), "C": (3, 6)}, ("C", "[3, 6]", "[2, 6]"))


def clamp_that_is_none() -> Bad:
    return Bad(PARA_GRU, ("max_recurrent_norm",), {"layout": "pararnn-torch", "max_recurrent_norm": -1})


KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
PARA_GRU = {f"layers.0.{name}": (6,) for name in ("a_z", "a_r", "a_n")}
PARA_GRU |= {"layers.0.W_x.weight": (18, 4), "layers.0.W_x.bias": (18,)}
PARA_LSTM = {f"layers.0.{name}": (6,) for name in ("a_f", "a_z", "a_o", "c_f", "c_o")}
PARA_LSTM |= {"layers.0.W_x.weight": (18, 4), "layers.0.W_x.bias": (18,)}

CASES: dict[str, Callable[[], Bad]] = {
    case.__name__.replace("_", "-"): case
    for case in list(globals().values())
    if getattr(case, "__annotations__", {}).get("return") is Bad
}


def main() -> None:
    for name, case in CASES.items():
        bad = case()
        print(f"{name}: {' '.join((case.__doc__ or '').split())}")
        for tensor, shape in bad.shapes.items():
            half = " float16" if tensor in bad.half else ""
            print(f"    {tensor} {list(shape)}{half}{' NaN' if tensor in bad.values else ''}")
        if bad.config:
            print(f"    config.json {json.dumps(bad.config)}")
        print(f"    refusal names: {', '.join(bad.words)}")


if __name__ == "__main__":
    main()
