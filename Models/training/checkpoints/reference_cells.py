"""Cells whose gates depend on the state, recomputed from their own tensors, one step at a time, in float64: nn.GRU,
nn.LSTM and nn.RNN in their modules, and the diagonal cells of ParaRNN (arXiv 2510.21450).

Written from the equations of the packages' documentation; `words` are those of `config.json`, all that matter given.
Every function gives (T, outputs) and the last states by name: `hidden` (layers, H) and, of LSTMs, `cell` (layers, H).
"""

import torch

Tensors = dict[str, torch.Tensor]
Found = tuple[torch.Tensor, Tensors]
Words = dict[str, object]

ACTIVATIONS = {
    "relu": lambda x: x.clamp(min=0),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
}


def torch_stack(w: Tensors, inputs: torch.Tensor, words: Words, initial: Tensors | None = None) -> Found:
    stack, front = words["stack"], words.get("input")
    layers = _torch_layers(w, f"{stack}." if stack else "")
    held = [_started(layer, initial, n) for n, layer in enumerate(layers)]
    behind = words.get("output") or []
    behind = [behind] if isinstance(behind, str) else behind
    found = []
    for step in inputs:
        x = step
        if inputs.dim() == 1:
            x = w[f"{front}.weight"][step]
        elif front:
            x = _linear(w, front, step)
            x = ACTIVATIONS[words["input_activation"]](x) if words.get("input_activation") else x
        for n, layer in enumerate(layers):
            held[n] = _torch_step(layer, x, held[n], words.get("activation") or "tanh")
            x = held[n]["hidden"]
        for n, name in enumerate(behind):
            x = ACTIVATIONS[words["output_activation"]](x) if n > 0 and words.get("output_activation") else x
            x = _linear(w, name, x)
        if words.get("tied"):
            x = w[f"{front}.weight"] @ x
            x = x + w[words["tied_bias"]] if words.get("tied_bias") else x
        found.append(x)
    return torch.stack(found), _last(held)


def _torch_layers(w: Tensors, prefix: str) -> list[Tensors]:
    """Each layer's tensors by kind: weight_ih and so on."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    layers = []
    while True:
        suffix = "" if f"{prefix}weight_hh" in w else f"_l{len(layers)}"
        layer = {kind: w[prefix + kind + suffix] for kind in kinds if prefix + kind + suffix in w}
        if layer:
            layers.append(layer)
        if not suffix or not layer:
            return layers


def _started(layer: Tensors, initial: Tensors | None, n: int) -> Tensors:
    if initial:
        return {name: states[n].double() for name, states in initial.items()}
    outputs = layer["weight_hh"].shape[1]
    held = {"hidden": torch.zeros(outputs, dtype=torch.float64)}
    if "weight_hr" in layer or layer["weight_hh"].shape[0] == 4 * outputs:
        held["cell"] = torch.zeros(layer["weight_hh"].shape[0] // 4, dtype=torch.float64)
    return held


def _torch_step(layer: Tensors, x: torch.Tensor, before: Tensors, activation: str) -> Tensors:
    h = before["hidden"]
    of_input, of_state = layer["weight_ih"] @ x, layer["weight_hh"] @ h
    if "bias_ih" in layer:
        of_input, of_state = of_input + layer["bias_ih"], of_state + layer["bias_hh"]
    if "cell" in before:
        i, f, g, o = (of_input + of_state).chunk(4)
        c = torch.sigmoid(f) * before["cell"] + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return {"hidden": layer["weight_hr"] @ h if "weight_hr" in layer else h, "cell": c}
    if layer["weight_hh"].shape[0] == 3 * h.numel():
        (r, z, n), (hr, hz, hn) = of_input.chunk(3), of_state.chunk(3)
        z = torch.sigmoid(z + hz)
        n = torch.tanh(n + torch.sigmoid(r + hr) * hn)
        return {"hidden": (1 - z) * n + z * h}
    return {"hidden": ACTIVATIONS[activation](of_input + of_state)}


def pararnn_torch(w: Tensors, vectors: torch.Tensor, words: Words) -> Found:
    clamp = words.get("max_recurrent_norm", 0.5)

    def parts(prefix: str) -> Tensors:
        lstm = prefix + "a_f" in w
        names = ("a_f", "a_z", "a_o", "c_f", "c_o") if lstm else ("a_z", "a_r", "a_n")
        diagonals = {name: w[prefix + name] for name in names}
        if clamp is not None:
            diagonals = {name: values.clamp(-clamp, clamp) for name, values in diagonals.items()}
        gates = ("f", "z", "o") if lstm else ("z", "r", "n")
        weight = w[prefix + "W_x.weight"]
        weights, biases = weight.chunk(3), w.get(prefix + "W_x.bias", weight.new_zeros(len(weight))).chunk(3)
        maps = {f"W_{gate}": weight for gate, weight in zip(gates, weights)}
        return diagonals | maps | {f"b_{gate}": bias for gate, bias in zip(gates, biases)}

    return _diagonal([parts(prefix) for prefix in _prefixes(w, "W_x.weight")], vectors)


def ml_pararnn(w: Tensors, vectors: torch.Tensor, words: Words) -> Found:
    def parts(prefix: str) -> Tensors:
        lstm = prefix + "C" in w
        found = {}
        for n, gate in enumerate(("f", "o", "z") if lstm else ("z", "r", "n")):
            heads = [head[:, n].T for head in w[prefix + "B"]]
            found |= {f"a_{gate}": w[prefix + "A"][n], f"b_{gate}": w[prefix + "b"][n]}
            found[f"W_{gate}"] = torch.block_diag(*heads)
        if lstm:
            found |= {"c_f": w[prefix + "C"][0], "c_o": w[prefix + "C"][1]}
        return found

    return _diagonal([parts(prefix) for prefix in _prefixes(w, "A")], vectors)


def _prefixes(w: Tensors, mark: str) -> list[str]:
    if mark in w:
        return [""]
    return [f"layers.{n}." for n in range(len(w)) if f"layers.{n}.{mark}" in w]


def _diagonal(layers: list[Tensors], vectors: torch.Tensor) -> Found:
    """Equations 3.1a and 3.1b of the paper with diagonal A and C."""
    names = ("hidden", "cell") if "c_f" in layers[0] else ("hidden",)
    held = [{name: torch.zeros_like(p["b_z"]) for name in names} for p in layers]
    found = []
    for x in vectors:
        for n, p in enumerate(layers):
            h = held[n]["hidden"]
            z = p["W_z"] @ x + p["b_z"] + p["a_z"] * h
            if "c_f" in p:
                c = held[n]["cell"]
                f = torch.sigmoid(p["W_f"] @ x + p["b_f"] + p["a_f"] * h + p["c_f"] * c)
                c = f * c + (1 - f) * torch.tanh(z)
                o = torch.sigmoid(p["W_o"] @ x + p["b_o"] + p["a_o"] * h + p["c_o"] * c)
                held[n] = {"hidden": o * torch.tanh(c), "cell": c}
            else:
                r, z = torch.sigmoid(p["W_r"] @ x + p["b_r"] + p["a_r"] * h), torch.sigmoid(z)
                candidate = torch.tanh(p["W_n"] @ x + p["b_n"] + p["a_n"] * h * r)
                held[n] = {"hidden": (1 - z) * h + z * candidate}
            x = held[n]["hidden"]
        found.append(x)
    return torch.stack(found), _last(held)


def _linear(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    y = w[f"{name}.weight"] @ x
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def _last(held: list[Tensors]) -> Tensors:
    return {name: torch.stack([states[name] for states in held]) for name in held[0]}
