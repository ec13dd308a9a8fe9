#!/usr/bin/env python3
"""Makes the golden files of published layouts: small random checkpoints as their publishers save them, and the outputs
that PyTorch computes from them.

Per case there is a model folder `layouts/<case>` with `model.safetensors` (and a `config.json` only where the tensors
leave something open), and beside it `<case>.golden.safetensors` with `tokens` int32 (STEPS) or `vectors` float32
(STEPS, features), and `outputs` float32 (STEPS, size).

The outputs come from modules that compute as the published training code does: whole sequences, log-space scan,
float32.
Before anything is written they must agree with the step-by-step float64 computation of `convert.py`, which shares no
code with them.

    .venv-golden/bin/python Tests/Golden/make_layouts.py
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Models/training"))

from checkpoints import reference  # noqa: E402

STEPS, VOCABULARY = 48, 13


def log_g(x):
    return torch.where(x >= 0, (F.relu(x) + 0.5).log(), -F.softplus(-x))


def scan(log_coefficients, log_values, log_start=None):
    """exp of h where log h_t = log(a_t h_{t−1} + b_t), all (T, channels), by Heinsen's cumulative sums, in float64:
    float32 sums of 48 steps are less exact than the tolerance of the check."""
    a, b = log_coefficients.double(), log_values.double()
    if log_start is not None:
        a, b = F.pad(a, (0, 0, 1, 0)), torch.cat((log_start.double()[None], b))
    total = a.cumsum(0)
    h = (total + (b - total).logcumsumexp(0)).exp().float()
    return h if log_start is None else h[1:]


class UnitNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return F.normalize(x, dim=-1) * x.shape[-1] ** 0.5 * (self.gamma + 1)


class Convolution(nn.Module):
    def __init__(self, dim, kernel):
        super().__init__()
        self.kernel = kernel
        self.net = nn.Sequential(nn.Conv1d(dim, dim, kernel, groups=dim), nn.Conv1d(dim, dim, 1))

    def forward(self, x):
        return self.net(F.pad(x.T, (self.kernel - 1, 0))).T


class Cell(nn.Module):
    """A layer of minGRU-pytorch, or, with `learned` not None, of the authors' code."""

    def __init__(self, dim, inner, *, lstm=False, learned=None, normalised=True, bias=False):
        super().__init__()
        self.lstm, self.normalised = lstm, normalised
        self.name = "to_hidden_and_f_i_gate" if lstm and learned is None else "to_hidden_and_gate"
        setattr(self, self.name, nn.Linear(dim, (3 if lstm else 2) * inner, bias=bias))
        self.to_out = nn.Linear(inner, dim, bias=bias) if learned is not None or inner != dim else nn.Identity()
        if learned:
            self.init_hidden_state = nn.Parameter(torch.zeros(inner))

    def forward(self, x):
        maps = getattr(self, self.name)(x)
        if self.lstm:
            hidden, forget, enter = maps.chunk(3, dim=-1)
            if self.normalised:
                apart = F.softplus(-forget) - F.softplus(-enter)
                keep, take = -F.softplus(apart), -F.softplus(-apart)
            else:
                keep, take = -F.softplus(-forget), -F.softplus(-enter)
        else:
            hidden, gate = maps.chunk(2, dim=-1)
            keep, take = -F.softplus(gate), -F.softplus(-gate)
        start = log_g(self.init_hidden_state) if hasattr(self, "init_hidden_state") else None
        return self.to_out(scan(keep, take + log_g(hidden), start))


class GatedGELU(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mult_bias = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        value, gate = x.chunk(2, dim=-1)
        return F.gelu(gate) * value * self.mult_bias


def plain_mlp(dim, inner):
    return nn.Sequential(nn.Linear(dim, inner), nn.GELU(), nn.Linear(inner, dim))


def gated_mlp(dim, inner):
    return nn.Sequential(nn.Linear(dim, 2 * inner), GatedGELU(inner), nn.Dropout(0.1), nn.Linear(inner, dim))


class Blocks(nn.Module):
    """The layers that minGRU-pytorch and the authors' code share."""

    def __init__(self, dim, depth, cell, *, kernel=None, mlp=None):
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(depth):
            parts = [Convolution(dim, kernel) if kernel else None, UnitNorm(dim), cell(), UnitNorm(dim), mlp and mlp()]
            self.layers.append(nn.ModuleList(parts))
        self.norm = UnitNorm(dim)

    def body(self, x):
        for convolution, norm, cell, mlp_norm, mlp in self.layers:
            if convolution is not None:
                x = convolution(x) + x
            x = cell(norm(x)) + x
            if mlp is not None:
                x = mlp(mlp_norm(x)) + x
        return self.norm(x)


class OldMinLM(Blocks):
    """minGRU-pytorch up to 0.0.14."""

    def __init__(self, dim=16, depth=2, inner=24, *, lstm=False, kernel=None):
        super().__init__(dim, depth, lambda: Cell(dim, inner, lstm=lstm), kernel=kernel, mlp=lambda: plain_mlp(dim, 40))
        self.token_emb = nn.Embedding(VOCABULARY, dim)
        self.to_logits = nn.Linear(dim, VOCABULARY, bias=False)

    def forward(self, tokens):
        return self.to_logits(self.body(self.token_emb(tokens)))


class Authors(Blocks):
    def __init__(
        self, *, lstm=False, normalised=False, learned=True, kernel=None, feed_forward=True, features=None, size=VOCABULARY
    ):
        dim, inner = 16, 24

        def cell():
            return Cell(dim, inner, lstm=lstm, learned=learned, normalised=normalised, bias=True)

        super().__init__(dim, 2, cell, kernel=kernel, mlp=(lambda: gated_mlp(dim, 21)) if feed_forward else None)
        self.features = features
        if features:
            self.layer_in = nn.Linear(features, dim)
        else:
            self.token_emb = nn.Embedding(VOCABULARY, dim)
        self.to_out = nn.Linear(dim, size, bias=False)

    def forward(self, inputs):
        return self.to_out(self.body(self.layer_in(inputs) if hasattr(self, "layer_in") else self.token_emb(inputs)))


class Stack(nn.Module):
    """cheind/mingru."""

    def __init__(self, widths, *, norm=False, residual=False, bias=True):
        super().__init__()
        self.features, self.residual, self.layers = widths[0], residual, nn.ModuleList()
        for before, behind in zip(widths, widths[1:]):
            align = nn.Linear(before, behind, bias=False) if residual and before != behind else nn.Identity()
            layer = {
                "norm": nn.LayerNorm(before) if norm else nn.Identity(),
                "gate_hidden": nn.Linear(before, 2 * behind, bias=bias),
                "res_align": align,
            }
            self.layers.append(nn.ModuleDict(layer))

    def forward(self, x):
        for layer in self.layers:
            gate, hidden = layer["gate_hidden"](layer["norm"](x)).chunk(2, dim=-1)
            start = torch.full_like(gate[0], 0.5).log()
            h = scan(-F.softplus(gate), -F.softplus(-gate) + log_g(hidden), start)
            x = h + layer["res_align"](x) if self.residual else h
        return x


class Highway(nn.Module):
    """PufferLib's MinGRU."""

    def __init__(self, dim, depth):
        super().__init__()
        self.features = dim
        self.layers = nn.ModuleList(nn.Linear(dim, 3 * dim, bias=False) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            hidden, gate, projection = layer(x).chunk(3, dim=-1)
            h = scan(-F.softplus(gate), -F.softplus(-gate) + log_g(hidden))
            g = projection.sigmoid()
            x = g * h + (1 - g) * x
        return x


# name: the layout, the module, and what is open: options of the reference, the config.json that says them, a prefix.
CASES = {
    "gamma-mingru": ("minGRU-pytorch", lambda: OldMinLM(), {}),
    "gamma-mingru-conv": ("minGRU-pytorch", lambda: OldMinLM(kernel=3, inner=16), {}),
    "gamma-minlstm": ("minGRU-pytorch", lambda: OldMinLM(lstm=True, kernel=4), {}),
    "prefix-compiled": ("minGRU-pytorch", lambda: OldMinLM(), {"prefix": "_orig_mod."}),
    "prefix-parallel": ("minGRU-pytorch", lambda: OldMinLM(), {"prefix": "module."}),
    "prefix-model": ("minGRU-pytorch", lambda: OldMinLM(), {"prefix": "model."}),
    "prefix-hugging-face": ("minGRU-pytorch", lambda: OldMinLM(), {"prefix": "model.min_gru_model."}),
    "authors-mingru": ("minRNNs", lambda: Authors(), {}),
    "authors-mingru-conv": ("minRNNs", lambda: Authors(kernel=4), {}),
    "authors-mingru-from-zero": ("minRNNs", lambda: Authors(learned=False, feed_forward=False), {}),
    "authors-minlstm": ("minRNNs", lambda: Authors(lstm=True), {}),
    "authors-minlstm-normalised": (
        "minRNNs",
        lambda: Authors(lstm=True, normalised=True, kernel=3),
        {"normalised_gates": True},
    ),
    "authors-vectors": ("minRNNs", lambda: Authors(lstm=True, features=5, size=3), {}),
    "stack-plain": ("mingru", lambda: Stack([12, 20, 8]), {}),
    "stack-norm": ("mingru", lambda: Stack([12, 20, 20, 8], norm=True), {}),
    "stack-aligned": ("mingru", lambda: Stack([12, 20, 20, 8], norm=True, residual=True), {"residual": True}),
    "stack-residual": ("mingru", lambda: Stack([12, 12, 12], residual=True, bias=False), {"residual": True, "hint": True}),
    "stack-equal": ("mingru", lambda: Stack([12, 12], norm=True), {"residual": False, "hint": True}),
    "highway-1": ("pufferlib", lambda: Highway(16, 1), {}),
    "highway-3": ("pufferlib", lambda: Highway(20, 3), {}),
}


def randomise(model):
    """Randomises every tensor, since initial ones and zeros would hide a missing part."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(0.4 * torch.randn_like(parameter))
            elif "to_hidden" in name or "gate_hidden" in name or isinstance(model, Highway):
                parameter.normal_(0, 1.5 / parameter.shape[1] ** 0.5)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for seed, (name, (layout, make, options)) in enumerate(CASES.items(), start=1):
        torch.manual_seed(seed)
        model = make().eval()
        randomise(model)
        weights = {key: value.detach().clone().contiguous() for key, value in model.state_dict().items()}
        if hasattr(model, "token_emb"):
            inputs, kind = torch.randint(0, VOCABULARY, (STEPS,)), "tokens"
        else:
            inputs, kind = torch.randn(STEPS, model.features), "vectors"
        with torch.no_grad():
            whole = model(inputs)
            stepped = reference.outputs(layout, weights, inputs, options)
        apart = (whole.double() - stepped).abs().max().item()
        print(f"{name:28} {apart:.2e} of {stepped.abs().max().item():.2f}")
        assert apart < 3e-5, f"{name}: the whole sequence and its steps differ by {apart}"

        folder = HERE / "layouts" / name
        folder.mkdir(parents=True, exist_ok=True)
        save_file({options.get("prefix", "") + key: value for key, value in weights.items()}, folder / "model.safetensors")
        if "normalised_gates" in options:
            (folder / "config.json").write_text(json.dumps({"layout": layout, "normalised_gates": True}) + "\n")
        if options.get("hint"):
            hint = {"layout": layout, "residual": options["residual"]}
            (folder / "config.json").write_text(json.dumps(hint) + "\n")
        given = inputs.int() if kind == "tokens" else inputs.contiguous()
        save_file({kind: given, "outputs": whole.contiguous()}, HERE / "layouts" / f"{name}.golden.safetensors")


if __name__ == "__main__":
    main()
