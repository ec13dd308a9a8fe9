"""Models of minGRU or minLSTM blocks whose parameters have the names that the server reads (its native layout).

Sequences are (time, batch, features) throughout; a block is x + rnn(conv(norm x)), then x + mlp(norm x), the paper's
order.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

from . import scan

EPSILON = 1e-6


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The architecture of a model, as in config.json.

    It takes `tokens` of a vocabulary of that size and gives their logits, or `vectors` of that size and gives as many
    `values`, or `probabilities` (whose logits are the model's outputs here).
    """

    cell: str
    layers: int
    width: int
    tokens: int | None = None
    vectors: int | None = None
    values: int | None = None
    probabilities: int | None = None
    inner_width: int | None = None
    kernel: int | None = None
    mlp_width: int | None = None
    log_space: bool = True
    final_norm: bool = True

    @property
    def inner(self):
        return self.inner_width or self.width

    @property
    def outputs(self):
        return self.tokens or self.probabilities or self.values

    def configuration(self):
        """The content of config.json."""
        if self.tokens:
            ends = {"kind": "tokens", "vocabulary_size": self.tokens}, {"kind": "logits"}
        else:
            kind = "probabilities" if self.probabilities else "vectors"
            ends = {"kind": "vectors", "size": self.vectors}, {"kind": kind, "size": self.outputs}
        return {
            "cell": self.cell,
            "candidate": "log-space" if self.log_space else "vanilla",
            "order": "paper",
            "layers": self.layers,
            "width": self.width,
            "inner_width": self.inner,
            "norm": {"kind": "rms", "epsilon": EPSILON},
            "final_norm": self.final_norm,
            "convolution": {"kernel": self.kernel} if self.kernel else None,
            "mlp": {"width": self.mlp_width} if self.mlp_width else None,
            "input": ends[0],
            "output": ends[1],
        }


class Recurrence(nn.Module):
    """A cell and, where its inner width is another, the map back to the stream.

    `forward(x)` is a scan from h = 0. `forward(x, hidden)` takes each element as one step from the h of the same place.
    With `repeats` (time, batch) each element is repeated n times in one step: h goes to its candidate by
    1 - (1 - z)^n.
    """

    def __init__(self, shape: Architecture):
        super().__init__()
        self.log_space = shape.log_space
        self.candidate = nn.Linear(shape.width, shape.inner)
        if shape.inner != shape.width:
            self.out = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x, hidden=None, repeats=None):
        parts, candidate = self.gates(x), self.candidate(x)
        if repeats is not None:
            # With z = σ(a), -log(1 - z) is softplus(a); the gate wanted is the a of n times that.
            rate = (F.softplus(self.logit(*parts)) * repeats[..., None]).clamp(min=1e-30)
            hidden = scan.min_gru(rate + torch.log(-torch.expm1(-rate)), candidate, self.log_space)
        elif hidden is None:
            hidden = self.scan(*parts, candidate, self.log_space)
        else:
            hidden = torch.lerp(hidden, scan.activated(candidate, self.log_space), self.share(*parts))
        return (self.out(hidden) if hasattr(self, "out") else hidden), hidden


class MinGRU(Recurrence):
    """Section 3.1 of the paper, arXiv 2410.01201."""

    scan, share = staticmethod(scan.min_gru), staticmethod(torch.sigmoid)

    def __init__(self, shape):
        super().__init__(shape)
        self.gate = nn.Linear(shape.width, shape.inner)

    def gates(self, x):
        return (self.gate(x),)

    @staticmethod
    def logit(gate):
        """a of z = σ(a)."""
        return gate

    @torch.no_grad()
    def remember(self, steps):
        self.gate.bias.copy_(-torch.log(steps - 1))


class MinLSTM(Recurrence):
    """Section 3.2 of the paper."""

    scan, share, logit = staticmethod(scan.min_lstm), staticmethod(scan.share), staticmethod(scan.logit)

    def __init__(self, shape):
        super().__init__(shape)
        self.forget = nn.Linear(shape.width, shape.inner)
        self.input = nn.Linear(shape.width, shape.inner)

    def gates(self, x):
        return self.forget(x), self.input(x)

    @torch.no_grad()
    def remember(self, steps):
        """With i = σ(-b), f = σ(b) = e^b i: a share i / (f + i) of 1 / steps is b = log(steps - 1)."""
        bias = torch.log(steps - 1)
        self.forget.bias.copy_(bias)
        self.input.bias.copy_(-bias)


CELLS = {"minGRU": MinGRU, "minLSTM": MinLSTM}


class Convolution(nn.Module):
    """Causal depthwise convolution over time; weight[:, kernel - 1] meets the present input."""

    def __init__(self, width, kernel):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, kernel).uniform_(-1, 1) / math.sqrt(kernel))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x, before=None):
        """Convolves the sequence x; or single inputs x, each of which follows the input at the same place in
        `before`."""
        kernel, late = self.weight.shape[1], 0 if before is None else 1
        padded = F.pad(x if before is None else before, (0, 0, 0, 0, kernel - 1, 0))
        out = torch.addcmul(self.bias, x, self.weight[:, kernel - 1])
        for k in range(kernel - 1):
            out = torch.addcmul(out, padded[k + late : k + late + x.shape[0]], self.weight[:, k])
        return out


class MLP(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self, shape: Architecture, dropout):
        super().__init__()
        self.rnn_norm = nn.RMSNorm(shape.width, eps=EPSILON)
        if shape.kernel:
            self.conv = Convolution(shape.width, shape.kernel)
        self.rnn = CELLS[shape.cell](shape)
        if shape.mlp_width:
            self.mlp_norm = nn.RMSNorm(shape.width, eps=EPSILON)
            self.mlp = MLP(shape.width, shape.mlp_width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, state=(None, None), repeats=None):
        """A layer's state is the convolution's input and h."""
        entering = self.rnn_norm(x)
        convolved = self.conv(entering, state[0]) if hasattr(self, "conv") else entering
        y, hidden = self.rnn(convolved, state[1], repeats)
        x = x + self.dropout(y)
        return (x + self.dropout(self.mlp(self.mlp_norm(x))) if hasattr(self, "mlp") else x), (entering, hidden)


class Model(nn.Module):
    """Tokens (time, batch) or vectors (time, batch, size) in; (time, batch, outputs) out.

    `remember` is a pair of numbers of steps: each layer's channels begin with gates that keep h for times spread
    evenly, by their logarithms, between the two.
    """

    def __init__(self, shape: Architecture, dropout=0.0, remember=None):
        super().__init__()
        self.shape = shape
        if shape.tokens:
            self.embedding = nn.Embedding(shape.tokens, shape.width)
            nn.init.normal_(self.embedding.weight, std=0.5)
        else:
            self.input = nn.Linear(shape.vectors, shape.width)
        self.layers = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        if shape.final_norm:
            self.norm = nn.RMSNorm(shape.width, eps=EPSILON)
        self.output = nn.Linear(shape.width, shape.outputs)
        for layer in self.layers:
            if shape.mlp_width:
                nn.init.normal_(layer.mlp.down.weight, std=0.02 / math.sqrt(2 * shape.layers))
            if remember:
                layer.rnn.remember(torch.logspace(*(math.log10(n) for n in remember), shape.inner))

    def forward(self, inputs, repeats=None):
        """A whole sequence, from h = 0; with `repeats` (time, batch), each input repeated that many times.

        The repeats are exact for a layer whose input does not change during them.
        """
        return self.with_states(inputs, repeats=repeats)[0]

    def with_states(self, inputs, states=None, repeats=None):
        """The outputs, and every layer's states behind each input.

        Given the states of such a call, each input is a single step from the state at the same place: a continuation
        from every place of a sequence.
        """
        x = self.embedding(inputs) if self.shape.tokens else self.input(inputs)
        found = []
        for n, layer in enumerate(self.layers):
            x, state = layer(x, states[n] if states else (None, None), repeats)
            found.append(state)
        return self.output(self.norm(x) if self.shape.final_norm else x), found
