"""Modules around recurrent cells, whose state dicts have the names and shapes of published checkpoints.

Every `forward` takes one sequence, tokens (T) or vectors (T, features), and gives the outputs (T, n) and the last
states by name: `hidden` (layers, H) and, of LSTMs, `cell` (layers, H).
"""

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


def states(last: torch.Tensor | tuple[torch.Tensor, torch.Tensor]) -> Tensors:
    return dict(zip(("hidden", "cell"), last)) if isinstance(last, tuple) else {"hidden": last}


class Stack(nn.Module):
    """nn.GRU, nn.LSTM or nn.RNN alone. Its state dict has the stack's own names."""

    def __init__(self, stack: nn.RNNBase) -> None:
        super().__init__()
        self.stack, self.features = stack, stack.input_size

    def forward(self, vectors: torch.Tensor, initial: Tensors | None = None) -> tuple[torch.Tensor, Tensors]:
        start = initial and (tuple(initial.values()) if len(initial) > 1 else initial["hidden"])
        outputs, last = self.stack(vectors, start)
        return outputs, states(last)

    def saved(self) -> Tensors:
        return self.stack.state_dict()


class Cell(nn.Module):
    """nn.GRUCell, nn.LSTMCell or nn.RNNCell in a loop, under `name`."""

    def __init__(self, cell: nn.RNNCellBase, name: str = "") -> None:
        super().__init__()
        self.cell, self.name, self.features = cell, name, cell.input_size

    def forward(self, vectors: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        state, outputs = None, []
        for x in vectors:
            state = self.cell(x[None], state)
            outputs.append(state[0][0] if isinstance(state, tuple) else state[0])
        return torch.stack(outputs), states(state)

    def saved(self) -> Tensors:
        return {self.name + key: value for key, value in self.cell.state_dict().items()}


class Module(nn.Module):
    """A stack inside a module. `parts` are the front, the stack and the maps behind it, by name and in the order of
    computation; `beside` are parts that the outputs do not depend on."""

    def __init__(self, parts: dict[str, nn.Module], beside: dict[str, nn.Module] | None = None, tied: str = "") -> None:
        super().__init__()
        self.parts, self.beside = nn.ModuleList(parts.values()), nn.ModuleList((beside or {}).values())
        self.names, self.tied = [*parts, *(beside or {})], tied
        first = self.parts[0]
        if isinstance(first, nn.Embedding):
            self.vocabulary = first.num_embeddings
        else:
            self.features = first.input_size if isinstance(first, nn.RNNBase) else first.in_features

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        last: Tensors = {}
        for part in self.parts:
            if isinstance(part, nn.RNNBase):
                x, found = part(x)
                last = states(found)
            else:
                x = part(x)
        if self.tied:
            x = x @ self.parts[self.names.index(self.tied)].weight.T
        return x, last

    def saved(self) -> Tensors:
        parts = zip(self.names, [*self.parts, *self.beside], strict=True)
        return {f"{name}.{key}": value for name, part in parts for key, value in part.state_dict().items()}


class ParaGRU(nn.Module):
    """A layer of pararnn-torch; `clamp` is its max_recurrent_norm."""

    def __init__(self, features: int, width: int, clamp: float | None = 0.5) -> None:
        super().__init__()
        for name in ("a_z", "a_r", "a_n"):
            self.register_parameter(name, nn.Parameter(torch.empty(width)))
        self.W_x = nn.Linear(features, 3 * width)
        self.features, self.clamp = features, clamp

    def limited(self, values: torch.Tensor) -> torch.Tensor:
        return values if self.clamp is None else values.clamp(-self.clamp, self.clamp)

    def forward(self, vectors: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        h, outputs = torch.zeros_like(self.a_z), []
        for zx, rx, nx in self.W_x(vectors).unflatten(-1, (3, -1)):
            z = torch.sigmoid(self.limited(self.a_z) * h + zx)
            r = torch.sigmoid(self.limited(self.a_r) * h + rx)
            h = (1 - z) * h + z * torch.tanh(self.limited(self.a_n) * (h * r) + nx)
            outputs.append(h)
        return torch.stack(outputs), {"hidden": h}


class ParaLSTM(ParaGRU):
    """A layer of pararnn-torch: coupled gates, peepholes, an output gate that depends on the new cell state."""

    def __init__(self, features: int, width: int, clamp: float | None = 0.5) -> None:
        super().__init__(features, width, clamp)
        del self.a_r, self.a_n
        for name in ("a_f", "a_o", "c_f", "c_o"):
            self.register_parameter(name, nn.Parameter(torch.empty(width)))

    def forward(self, vectors: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        h, c, outputs = torch.zeros_like(self.a_z), torch.zeros_like(self.a_z), []
        for fx, zx, ox in self.W_x(vectors).unflatten(-1, (3, -1)):
            f = torch.sigmoid(self.limited(self.a_f) * h + self.limited(self.c_f) * c + fx)
            c = f * c + (1 - f) * torch.tanh(self.limited(self.a_z) * h + zx)
            h = torch.sigmoid(self.limited(self.a_o) * h + self.limited(self.c_o) * c + ox) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), {"hidden": h, "cell": c}


class HeadGRU(nn.Module):
    """A layer of Apple's ml-pararnn, whose input maps are block-diagonal by heads. Gates z, r, h."""

    def __init__(self, features: int, width: int, heads: int) -> None:
        super().__init__()
        self.A, self.b = nn.Parameter(torch.empty(3, width)), nn.Parameter(torch.empty(3, width))
        self.B = nn.Parameter(torch.empty(heads, features // heads, 3, width // heads))
        self.features = features

    def mapped(self, vectors: torch.Tensor) -> torch.Tensor:
        """(T, 3, width)"""
        heads = vectors.unflatten(-1, self.B.shape[:2])
        return torch.einsum("thi,hivj->tvhj", heads, self.B).flatten(-2) + self.b

    def forward(self, vectors: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        h, outputs = torch.zeros_like(self.b[0]), []
        for zx, rx, hx in self.mapped(vectors):
            z, r = torch.sigmoid(self.A[0] * h + zx), torch.sigmoid(self.A[1] * h + rx)
            h = z * torch.tanh(self.A[2] * h * r + hx) + (1 - z) * h
            outputs.append(h)
        return torch.stack(outputs), {"hidden": h}


class HeadLSTM(HeadGRU):
    """The same with gates f, o, c, and peepholes of f and o."""

    def __init__(self, features: int, width: int, heads: int) -> None:
        super().__init__(features, width, heads)
        self.C = nn.Parameter(torch.empty(2, width))

    def forward(self, vectors: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        h, c, outputs = torch.zeros_like(self.b[0]), torch.zeros_like(self.b[0]), []
        for fx, ox, cx in self.mapped(vectors):
            f = torch.sigmoid(self.A[0] * h + fx + self.C[0] * c)
            o = self.A[1] * h + ox
            c = f * c + (1 - f) * torch.tanh(self.A[2] * h + cx)
            h = torch.sigmoid(o + self.C[1] * c) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), {"hidden": h, "cell": c}


class Layers(nn.Module):
    """Layers on top of each other, as `layers.0` and so on."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.features = nn.ModuleList(layers), layers[0].features

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
        found = []
        for layer in self.layers:
            x, last = layer(x)
            found.append(last)
        return x, {name: torch.stack([last[name] for last in found]) for name in found[0]}

    def saved(self) -> Tensors:
        return self.state_dict()


class Alone(Layers):
    """One layer, under its own names."""

    def saved(self) -> Tensors:
        return self.layers[0].state_dict()


def randomise(model: nn.Module) -> None:
    """Draws weights with which gates open and close and candidates saturate, but no state is chaotic: there the
    computations in float32 and float64 would diverge."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            last = name.rpartition(".")[2]
            fan = parameter.shape[-1]
            if last.startswith("weight_hh") or last.startswith("weight_hr"):
                gated = parameter.shape[0] > fan
                parameter.normal_(0, (1 if gated else 0.7) / fan**0.5)
            elif last.startswith("weight_ih") or "W_x" in name and last == "weight":
                parameter.normal_(0, 1.5 / fan**0.5)
            elif last == "B":
                parameter.normal_(0, 1.5 / parameter.shape[1] ** 0.5)
            elif last in ("A", "C") or last.startswith(("a_", "c_")):
                parameter.uniform_(-0.9, 0.9)
            elif parameter.dim() == 1 or last == "b":
                parameter.normal_(0, 0.4)
            else:
                parameter.normal_(0, 1 if "Embedding" in type(_owner(model, name)).__name__ else 1 / fan**0.5)


def _owner(model: nn.Module, name: str) -> nn.Module:
    return model.get_submodule(name.rpartition(".")[0])
