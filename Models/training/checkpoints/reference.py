"""The published models recomputed from their own tensors, one step at a time, in linear space and in float64.

Written from the layouts' descriptions; shares nothing but the names of tensors with the conversion that it proves.
`outputs(layout, tensors, inputs, options)` gives (T, outputs) for inputs (T) of tokens or (T, features) of vectors.
"""

import torch

from . import reference_cells

Tensors = dict[str, torch.Tensor]


def outputs(layout: str, tensors: Tensors, inputs: torch.Tensor, options: dict[str, bool]) -> torch.Tensor:
    w = {name: tensor.double() for name, tensor in tensors.items()}
    inputs = inputs if inputs.dim() == 1 else inputs.double()
    return {
        "minGRU-pytorch": _min_lm,
        "minRNNs": _min_rnns,
        "mingru": _stack,
        "pufferlib": _highway,
        "torch": lambda *given: reference_cells.torch_stack(*given)[0],
        "pararnn-torch": lambda *given: reference_cells.pararnn_torch(*given)[0],
        "ml-pararnn": lambda *given: reference_cells.ml_pararnn(*given)[0],
    }[layout](w, inputs, options)


def activated(x: torch.Tensor) -> torch.Tensor:
    """g of the paper, appendix B."""
    return torch.where(x >= 0, x + 0.5, torch.sigmoid(x))


def _gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.erf(x / 2**0.5))


def _unit_norm(x: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """x as long as √dim, times gamma + 1."""
    return x / x.norm().clamp(min=1e-12) * x.numel() ** 0.5 * (gamma + 1)


def _norm(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    if name + ".gamma" in w:
        return _unit_norm(x, w[name + ".gamma"])
    epsilon = torch.finfo(torch.float32).eps
    return x / torch.sqrt((x * x).mean() + epsilon) * w[name + ".weight"]


def _linear(w: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    y = w[name + ".weight"] @ x
    return y + w[name + ".bias"] if name + ".bias" in w else y


class _Convolution:
    """A causal depthwise convolution and a map over the channels; keeps the last inputs."""

    def __init__(self, w: Tensors, prefix: str) -> None:
        self.w, self.prefix = w, prefix
        self.filter = w[prefix + "net.0.weight"][:, 0]
        self.seen = torch.zeros_like(self.filter)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = torch.cat((self.seen[:, 1:], x[:, None]), dim=1)
        y = (self.filter * self.seen).sum(1)
        if self.prefix + "net.0.bias" in self.w:
            y = y + self.w[self.prefix + "net.0.bias"]
        z = self.w[self.prefix + "net.1.weight"][:, :, 0] @ y
        bias = self.prefix + "net.1.bias"
        return z + self.w[bias] if bias in self.w else z


def _count(w: Tensors, rest: str) -> int:
    return next(n for n in range(len(w) + 1) if f"layers.{n}.{rest}" not in w)


def _convolutions(w: Tensors, layers: int) -> list[_Convolution | None]:
    return [_Convolution(w, f"layers.{n}.0.") if f"layers.{n}.0.net.0.weight" in w else None for n in range(layers)]


def _min_lm(w: Tensors, tokens: torch.Tensor, options: dict[str, bool]) -> torch.Tensor:
    lstm = "layers.0.2.to_hidden_and_f_i_gate.weight" in w
    name = "2.to_hidden_and_f_i_gate" if lstm else "2.to_hidden_and_gate"
    layers = _count(w, name + ".weight")
    convolutions = _convolutions(w, layers)
    hidden = [torch.zeros((), dtype=torch.float64)] * layers
    found = []
    for token in tokens.tolist():
        x = w["token_emb.weight"][token]
        for n in range(layers):
            layer = f"layers.{n}."
            if convolutions[n]:
                x = x + convolutions[n](x)
            parts = _linear(w, layer + name, _norm(w, layer + "1", x))
            if lstm:
                candidate, forget, enter = parts.chunk(3)
                forget, enter = torch.sigmoid(forget), torch.sigmoid(enter)
                hidden[n] = (forget * hidden[n] + enter * activated(candidate)) / (forget + enter)
            else:
                candidate, gate = parts.chunk(2)
                hidden[n] = torch.sigmoid(-gate) * hidden[n] + torch.sigmoid(gate) * activated(candidate)
            x = x + (_linear(w, layer + "2.to_out", hidden[n]) if layer + "2.to_out.weight" in w else hidden[n])
            if layer + "4.0.weight" in w:
                x = x + _linear(w, layer + "4.2", _gelu(_linear(w, layer + "4.0", _norm(w, layer + "3", x))))
        found.append(_linear(w, "to_logits", _norm(w, "norm", x)))
    return torch.stack(found)


def _min_rnns(w: Tensors, inputs: torch.Tensor, options: dict[str, bool]) -> torch.Tensor:
    layers = _count(w, "2.to_hidden_and_gate.weight")
    convolutions = _convolutions(w, layers)
    hidden = []
    for n in range(layers):
        learned = w.get(f"layers.{n}.2.init_hidden_state")
        hidden.append(torch.zeros((), dtype=torch.float64) if learned is None else activated(learned))
    found = []
    for step in inputs:
        x = w["token_emb.weight"][step] if "token_emb.weight" in w else _linear(w, "layer_in", step)
        for n in range(layers):
            layer = f"layers.{n}."
            if convolutions[n]:
                x = x + convolutions[n](x)
            parts = _linear(w, layer + "2.to_hidden_and_gate", _unit_norm(x, w[layer + "1.gamma"]))
            inner = w[layer + "2.to_out.weight"].shape[1]
            if parts.numel() == 3 * inner:
                candidate, forget, enter = parts.chunk(3)
                forget, enter = torch.sigmoid(forget), torch.sigmoid(enter)
                if options.get("normalised_gates"):
                    forget, enter = forget / (forget + enter), enter / (forget + enter)
            else:
                candidate, gate = parts.chunk(2)
                forget, enter = torch.sigmoid(-gate), torch.sigmoid(gate)
            hidden[n] = forget * hidden[n] + enter * activated(candidate)
            x = x + _linear(w, layer + "2.to_out", hidden[n])
            mlp = [key for key in w if key.startswith(layer + "4.")]
            maps = sorted(key.removesuffix(".weight") for key in mlp if key.endswith(".weight"))
            if maps:
                value, gate = _linear(w, maps[0], _unit_norm(x, w[layer + "3.gamma"])).chunk(2)
                factors = [w[key] for key in mlp if key.endswith("mult_bias")]
                passed = _gelu(gate) * value * (factors[0] if factors else 1)
                x = x + _linear(w, maps[1], passed)
        found.append(w["to_out.weight"] @ _unit_norm(x, w["norm.gamma"]))
    return torch.stack(found)


def _stack(w: Tensors, vectors: torch.Tensor, options: dict[str, bool]) -> torch.Tensor:
    layers = _count(w, "gate_hidden.weight")
    hidden = [torch.tensor(0.5, dtype=torch.float64)] * layers
    found = []
    for x in vectors:
        for n in range(layers):
            layer = f"layers.{n}."
            y = x
            if layer + "norm.weight" in w:
                y = (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-5)
                y = y * w[layer + "norm.weight"] + w[layer + "norm.bias"]
            gate, candidate = _linear(w, layer + "gate_hidden", y).chunk(2)
            z = torch.sigmoid(gate)
            hidden[n] = (1 - z) * hidden[n] + z * activated(candidate)
            beside = w[layer + "res_align.weight"] @ x if layer + "res_align.weight" in w else x
            x = hidden[n] + beside if options.get("residual") else hidden[n]
        found.append(x)
    return torch.stack(found)


def _highway(w: Tensors, vectors: torch.Tensor, options: dict[str, bool]) -> torch.Tensor:
    policy = "encoder.encoder.weight" in w
    network = "network." if policy else ""
    layers = next(n for n in range(len(w) + 1) if f"{network}layers.{n}.weight" not in w)
    hidden = [torch.zeros((), dtype=torch.float64)] * layers
    found = []
    for vector in vectors:
        x = _linear(w, "encoder.encoder", vector) if policy else vector
        for n in range(layers):
            candidate, gate, projection = (w[f"{network}layers.{n}.weight"] @ x).chunk(3)
            z, g = torch.sigmoid(gate), torch.sigmoid(projection)
            hidden[n] = (1 - z) * hidden[n] + z * activated(candidate)
            x = g * hidden[n] + (1 - g) * x
        if policy:
            head = "decoder.decoder" if "decoder.decoder.weight" in w else "decoder.decoder_mean"
            x = torch.cat((_linear(w, head, x), _linear(w, "decoder.value_function", x)))
        found.append(x)
    return torch.stack(found)
