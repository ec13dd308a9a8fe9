#!/usr/bin/env python3
"""Trains Models/shakespeare-mingru: a character-level minGRU on Tiny Shakespeare.

    pip install -r Models/training/requirements.txt
    python Models/training/shakespeare.py --data tinyshakespeare.txt

The text is the public file of Andrej Karpathy's char-rnn project, known as Tiny Shakespeare:
https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt (1,115,394 bytes, public domain).

The run checkpoints itself and goes on where it stopped. The first 90 % of the text trains, the last 10 % is held out.
"""

import argparse
import json
import math
import pathlib
import time


def options():
    here = pathlib.Path(__file__).resolve().parent
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=pathlib.Path, required=True, help="the text, Tiny Shakespeare")
    arguments.add_argument("--out", type=pathlib.Path, default=here.parent / "shakespeare-mingru")
    arguments.add_argument("--checkpoint", type=pathlib.Path, default=here / "runs" / "shakespeare.pt")
    arguments.add_argument("--steps", type=int, default=900)
    arguments.add_argument("--batch", type=int, default=32, help="windows of 256 characters a step")
    arguments.add_argument("--rate", type=float, default=2e-3)
    arguments.add_argument("--matrix-rate", type=float, default=3e-3)
    arguments.add_argument("--dropout", type=float, default=0.15)
    arguments.add_argument("--seed", type=int, default=1)
    return arguments.parse_args()


if __name__ == "__main__":
    GIVEN = options()  # Before the imports below: --help needs no PyTorch.

import numpy  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

WIDTH, LAYERS, KERNEL, MLP_WIDTH, NORM_EPSILON = 384, 3, 4, 1536, 1e-6
WINDOW = 256


class Recurrence(torch.autograd.Function):
    """h_t = h_{t-1} + z_t (c_t - h_{t-1}) from h_0 = 0, in linear space.

    gate, candidate and the result are (time, batch, channels). A loop over time touches each
    element once, where the log-space scan needs logarithms and cumulative sums.
    """

    @staticmethod
    def forward(ctx, gate, candidate):
        hidden = torch.empty_like(candidate)
        torch.mul(gate[0], candidate[0], out=hidden[0])
        for t in range(1, gate.shape[0]):
            torch.lerp(hidden[t - 1], candidate[t], gate[t], out=hidden[t])
        ctx.save_for_backward(gate, candidate, hidden)
        return hidden

    @staticmethod
    def backward(ctx, grad):
        gate, candidate, hidden = ctx.saved_tensors
        total, keep = grad.clone(), 1 - gate
        for t in range(gate.shape[0] - 2, -1, -1):
            total[t].addcmul_(total[t + 1], keep[t + 1])
        before = torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])
        return total * (candidate - before), total * gate


class MinGRU(nn.Module):
    """The paper's minGRU (arXiv 2410.01201, section 3.1) with the positive candidate g of its log-space form."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, WIDTH, bias=False)
        self.candidate = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x):
        pre = self.candidate(x)
        candidate = torch.where(pre >= 0, pre + 0.5, torch.sigmoid(pre))
        return Recurrence.apply(torch.sigmoid(self.gate(x)), candidate)


class Convolution(nn.Module):
    """Causal depthwise convolution over time; weight[:, KERNEL - 1] meets the present input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(WIDTH, KERNEL).uniform_(-0.5, 0.5))
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x):
        padded = F.pad(x, (0, 0, 0, 0, KERNEL - 1, 0))
        out = self.bias + padded[KERNEL - 1 :] * self.weight[:, KERNEL - 1]
        for k in range(KERNEL - 1):
            out = torch.addcmul(out, padded[k : k + x.shape[0]], self.weight[:, k])
        return out


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(WIDTH, MLP_WIDTH)
        self.down = nn.Linear(MLP_WIDTH, WIDTH)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.rnn_norm = nn.RMSNorm(WIDTH, eps=NORM_EPSILON)
        self.conv = Convolution()
        self.rnn = MinGRU()
        self.mlp_norm = nn.RMSNorm(WIDTH, eps=NORM_EPSILON)
        self.mlp = MLP()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = x + self.dropout(self.rnn(self.conv(self.rnn_norm(x))))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class LanguageModel(nn.Module):
    """Tokens (time, batch) in, logits (time, batch, vocabulary) out. Parameter names are the served tensor names."""

    def __init__(self, vocabulary_size, dropout):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, WIDTH)
        self.layers = nn.ModuleList(Block(dropout) for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH, eps=NORM_EPSILON)
        self.output = nn.Linear(WIDTH, vocabulary_size, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.5)
        for layer in self.layers:
            nn.init.normal_(layer.mlp.down.weight, std=0.02 / math.sqrt(2 * LAYERS))

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.output(self.norm(x))


class Muon(torch.optim.Optimizer):
    """Momentum whose update is replaced by its nearest orthogonal matrix (Newton-Schulz), in float32.

    torch.optim.Muon iterates in bfloat16, which this recipe's CPUs lack: forty times slower there.
    """

    def __init__(self, matrices, lr, momentum=0.95, weight_decay=0.05):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for matrix in group["params"]:
                momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                momentum.lerp_(matrix.grad, 1 - group["momentum"])
                update = matrix.grad.lerp(momentum, group["momentum"])
                wide = update if update.shape[0] <= update.shape[1] else update.t()
                wide = wide / (wide.norm() + 1e-7)
                for _ in range(5):
                    square = wide @ wide.t()
                    wide = 3.4445 * wide + (-4.775 * square + 2.0315 * square @ square) @ wide
                update = wide if update.shape[0] <= update.shape[1] else wide.t()
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * 0.2 * math.sqrt(max(matrix.shape)))


def optimizers(model, rate, matrix_rate):
    """Muon for the hidden matrices, AdamW for the rest."""
    matrices = [p for n, p in model.layers.named_parameters() if p.ndim == 2 and "conv" not in n]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        Muon(matrices, lr=matrix_rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def schedule(step, steps, warmup=20):
    """Linear warm-up, constant, then linear to zero over the last half."""
    return min((step + 1) / warmup, 1.0, 2.0 * (steps - step) / steps)


@torch.no_grad()
def held_out_loss(model, text, windows=None):
    """Nats per character over consecutive windows of WINDOW characters, each from a cold state."""
    model.eval()
    count = len(text) // WINDOW
    batch = text[: count * WINDOW].view(count, WINDOW)
    if windows is not None:
        batch = batch[:: max(1, count // windows)]
    total, scored = 0.0, 0
    for part in batch.split(64):
        tokens = part.t()
        logits = model(tokens[:-1])
        total += F.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten(), reduction="sum").item()
        scored += tokens[1:].numel()
    model.train()
    return total / scored


def export(model, vocabulary, folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: p.detach().to(torch.float16).contiguous() for name, p in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # It is written readable by its owner alone.
    config = {
        "cell": "minGRU",
        "candidate": "log-space",
        "order": "paper",
        "layers": LAYERS,
        "width": WIDTH,
        "inner_width": WIDTH,
        "norm": {"kind": "rms", "epsilon": NORM_EPSILON},
        "convolution": {"kernel": KERNEL},
        "mlp": {"width": MLP_WIDTH},
        "input": {"kind": "tokens", "vocabulary_size": len(vocabulary)},
        "output": {"kind": "logits"},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer = {"kind": "characters", "characters": vocabulary}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, indent=2) + "\n")


def main(given):
    text = given.data.read_text(encoding="utf-8")
    vocabulary = sorted(set(text))
    index = {c: i for i, c in enumerate(vocabulary)}
    data = torch.from_numpy(numpy.array([index[c] for c in text], dtype=numpy.int64))
    split = int(len(data) * 0.9)
    train, held_out = data[:split], data[split:]

    torch.manual_seed(given.seed)
    model = LanguageModel(len(vocabulary), given.dropout)
    parts = optimizers(model, given.rate, given.matrix_rate)
    rates = [group["lr"] for part in parts for group in part.param_groups]
    first = 0
    if given.checkpoint.exists():
        saved = torch.load(given.checkpoint)
        model.load_state_dict(saved["model"])
        for part, state in zip(parts, saved["optimizers"]):
            part.load_state_dict(state)
        first = saved["step"]
        print(f"going on at step {first}", flush=True)

    def checkpoint(step):
        given.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        fresh = given.checkpoint.with_suffix(".new")
        state = {"model": model.state_dict(), "optimizers": [p.state_dict() for p in parts], "step": step}
        torch.save(state, fresh)
        fresh.replace(given.checkpoint)

    started = time.monotonic()
    for step in range(first, given.steps):
        # A generator of its own per step: a resumed run sees the windows that an unbroken one would have seen.
        drawn = torch.Generator().manual_seed(given.seed * 1_000_003 + step)
        starts = torch.randint(len(train) - WINDOW, (given.batch,), generator=drawn)
        windows = torch.stack([train[s : s + WINDOW + 1] for s in starts.tolist()]).t()
        logits = model(windows[:-1])
        loss = F.cross_entropy(logits.flatten(0, 1), windows[1:].flatten())
        for part in parts:
            part.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        groups = [group for part in parts for group in part.param_groups]
        for group, rate in zip(groups, rates):
            group["lr"] = rate * schedule(step, given.steps)
        for part in parts:
            part.step()
        done = step + 1
        if done % 10 == 0:
            seconds = (time.monotonic() - started) / (done - first)
            print(f"step {done} loss {loss.item():.4f} seconds/step {seconds:.2f}", flush=True)
        if done % 50 == 0 or done == given.steps:
            checkpoint(done)
            print(f"step {done} held-out {held_out_loss(model, held_out, windows=96):.4f}", flush=True)

    print(f"held-out loss over all windows: {held_out_loss(model, held_out):.4f} nats per character", flush=True)
    export(model, vocabulary, given.out)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main(GIVEN)
