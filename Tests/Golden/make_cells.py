#!/usr/bin/env python3
"""Makes the golden files of cells whose gates depend on the state: small checkpoints of nn.GRU, nn.LSTM and nn.RNN,
alone and inside modules, and of ParaRNN's cells as two packages save them; and the outputs that PyTorch computes.

Per case there is a model folder `cells/<case>` with `model.safetensors` (and a `config.json` only where the tensors
leave something open), and beside it `<case>.golden.safetensors` with

- `tokens` int32 (STEPS) or `vectors` float32 (STEPS, features),
- `outputs` float32 (STEPS, n), of one whole-sequence call in float32,
- the last states as PyTorch gives them: `hidden` float32 (layers, H) and, of LSTMs, `cell` float32 (layers, H);
- in `cells-started` alone `initial_hidden` and `initial_cell`, from which the sequence starts.

Before anything is written, outputs and states are computed twice more: by the same modules in float64, and by the
step-by-step float64 computation of `convert.py`, which shares no code with them. The modules of ParaRNN's cells in
cell_models.py are written from the equations; given these tensors, `step` of pararnn-torch 0.17.4's cells and
`recurrence_step` of ml-pararnn's (in a fork's copy) differed from them by less than 1e-6 when the files were made.

`trained-lstm` is trained for a minute, on the Mackey-Glass series, if its folder is not there.

    .venv-golden/bin/python Tests/Golden/make_cells.py
"""

import copy
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "Models/training")]

from cell_models import (  # noqa: E402
    Alone, Cell, HeadGRU, HeadLSTM, Layers, Module, ParaGRU, ParaLSTM, Stack, Tensors, randomise,
)
from checkpoints import reference_cells  # noqa: E402

STEPS, VOCABULARY = 200, 29
LIMIT = 2e-6
REFERENCES = {
    "torch": reference_cells.torch_stack,
    "pararnn-torch": reference_cells.pararnn_torch,
    "ml-pararnn": reference_cells.ml_pararnn,
}


@dataclass
class Case:
    make: Callable[[], nn.Module]
    words: dict[str, object] = field(default_factory=lambda: {"stack": ""})
    """The fields of config.json that the outputs depend on."""
    said: tuple[str, ...] = ()
    """Those that do not follow from the tensors."""
    layout: str = "torch"

    def config(self) -> dict[str, object] | None:
        return {"layout": self.layout} | {word: self.words[word] for word in self.said} if self.said else None


def embedded(stack: nn.RNNBase, names: str, *, head: bool = True, tied: bool = False) -> Module:
    """Tokens in; the names of the embedding, the stack and the map behind it."""
    emb, rnn, *fc = names.split()
    parts = {emb: nn.Embedding(VOCABULARY, stack.input_size), rnn: stack}
    if head:
        parts[fc[0]] = nn.Linear(getattr(stack, "proj_size", 0) or stack.hidden_size, VOCABULARY)
    return Module(parts, tied=emb if tied else "")


CASES = {
    # The stack alone: vectors in, hidden state out.
    "gru": Case(lambda: Stack(nn.GRU(13, 24, 2))),
    "gru-no-bias": Case(lambda: Stack(nn.GRU(9, 24, 2, bias=False))),
    "gru-cell": Case(lambda: Cell(nn.GRUCell(7, 33))),
    "lstm": Case(lambda: Stack(nn.LSTM(13, 24, 2))),
    "lstm-no-bias": Case(lambda: Stack(nn.LSTM(9, 24, bias=False))),
    "lstm-projection": Case(lambda: Stack(nn.LSTM(11, 33, 2, proj_size=13))),
    "lstm-cell": Case(lambda: Cell(nn.LSTMCell(5, 24), "core."), {"stack": "core"}),
    "rnn-tanh": Case(lambda: Stack(nn.RNN(13, 33, 2))),
    "rnn-relu": Case(
        lambda: Stack(nn.RNN(13, 24, 2, nonlinearity="relu")), {"stack": "", "activation": "relu"}, ("activation",)
    ),
    "rnn-cell": Case(lambda: Cell(nn.RNNCell(6, 24), "cell."), {"stack": "cell"}),
    # Inside a module that leaves no choice.
    "token-lstm": Case(
        lambda: embedded(nn.LSTM(13, 24, 2), "embedding lstm fc"),
        {"stack": "lstm", "input": "embedding", "output": "fc"},
    ),
    "token-lstm-prefix": Case(
        lambda: embedded(nn.LSTM(24, 24), "model.emb model.rnn model.head"),
        {"stack": "model.rnn", "input": "model.emb", "output": "model.head"},
    ),
    "token-gru-odd-names": Case(
        lambda: embedded(nn.GRU(17, 24), "encoder rnn decoder"),
        {"stack": "rnn", "input": "encoder", "output": "decoder"},
    ),
    "token-projection": Case(
        lambda: embedded(nn.LSTM(15, 33, proj_size=10), "wte decoder_lstm to_logits"),
        {"stack": "decoder_lstm", "input": "wte", "output": "to_logits"},
    ),
    "gru-fc": Case(
        lambda: Module({"gru": nn.GRU(6, 33), "fc": nn.Linear(33, 5)}), {"stack": "gru", "output": "fc"}
    ),
    "token-hidden": Case(
        lambda: embedded(nn.GRU(13, 24), "embedding encoder", head=False), {"stack": "encoder", "input": "embedding"}
    ),
    # Inside a module that needs a config.json.
    "token-tied": Case(
        lambda: embedded(nn.LSTM(24, 24), "embedding lstm", head=False, tied=True),
        {"stack": "lstm", "input": "embedding", "tied": True},
        ("tied",),
    ),
    "token-untied": Case(
        lambda: embedded(nn.LSTM(24, 24), "embedding lstm", head=False),
        {"stack": "lstm", "input": "embedding", "tied": False},
        ("tied",),
    ),
    "linear-front": Case(
        lambda: Module({"fc_in": nn.Linear(6, 24), "gru": nn.GRU(24, 24, 2), "fc_out": nn.Linear(24, 4)}),
        {"stack": "gru", "input": "fc_in", "output": "fc_out"},
        ("input", "output"),
    ),
    "linear-front-activated": Case(
        lambda: Module({"enc": nn.Linear(6, 15), "act": nn.Tanh(), "lstm": nn.LSTM(15, 24), "actor": nn.Linear(24, 3)}),
        {"stack": "lstm", "input": "enc", "input_activation": "tanh", "output": "actor"},
        ("input", "input_activation", "output"),
    ),
    "sequential-head": Case(
        lambda: Module(
            {"rnn": nn.LSTM(9, 24), "head.0": nn.Linear(24, 19), "head.1": nn.ReLU(), "head.2": nn.Linear(19, 4)}
        ),
        {"stack": "rnn", "output": ["head.0", "head.2"], "output_activation": "relu"},
        ("output", "output_activation"),
    ),
    "named-modules": Case(
        lambda: Module(
            {"emb": nn.Embedding(VOCABULARY, 24), "lstm": nn.LSTM(24, 24), "fc": nn.Linear(24, VOCABULARY)},
            beside={"value": nn.Linear(24, 1)},
        ),
        {"stack": "lstm", "input": "emb", "output": "fc", "outputs": "logits"},
        ("stack", "input", "output", "outputs"),
    ),
    # ParaRNN: some of the recurrent values are outside of the clamp.
    "paragru-torch": Case(lambda: Layers(ParaGRU(12, 24), ParaGRU(24, 24)), {}, (), "pararnn-torch"),
    "paragru-torch-unclamped": Case(
        lambda: Alone(ParaGRU(10, 33, None)), {"max_recurrent_norm": None}, ("max_recurrent_norm",), "pararnn-torch"
    ),
    "paralstm-torch": Case(lambda: Layers(ParaLSTM(12, 24), ParaLSTM(24, 24)), {}, (), "pararnn-torch"),
    "paralstm-torch-clamped": Case(
        lambda: Alone(ParaLSTM(7, 21, 0.25)), {"max_recurrent_norm": 0.25}, ("max_recurrent_norm",), "pararnn-torch"
    ),
    "paragru-apple": Case(lambda: Layers(HeadGRU(12, 24, 3), HeadGRU(24, 24, 2)), {}, (), "ml-pararnn"),
    "paragru-apple-cell": Case(lambda: Alone(HeadGRU(6, 33, 1)), {}, (), "ml-pararnn"),
    "paralstm-apple": Case(lambda: Layers(HeadLSTM(12, 24, 3), HeadLSTM(24, 24, 2)), {}, (), "ml-pararnn"),
    "paralstm-apple-cell": Case(lambda: Alone(HeadLSTM(10, 35, 5)), {}, (), "ml-pararnn"),
}
TRAINED = Case(
    lambda: Module({"lstm": nn.LSTM(1, 24, 2), "fc": nn.Linear(24, 1)}), {"stack": "lstm", "output": "fc"}
)
STARTED = {
    "lstm": Case(lambda: Stack(nn.LSTM(13, 24, 2))),
    "gru": Case(lambda: Stack(nn.GRU(9, 24, 2))),
    "lstm-projection": Case(lambda: Stack(nn.LSTM(11, 33, proj_size=13))),
}


def inputs(model: nn.Module, steps: int = STEPS) -> torch.Tensor:
    if hasattr(model, "vocabulary"):
        return torch.randint(0, model.vocabulary, (steps,))
    return torch.randn(steps, model.features)


def checked(name: str, case: Case, model: nn.Module, given: torch.Tensor, initial: Tensors | None = None) -> Tensors:
    """Outputs and last states in float32. Raises where they differ from those of both float64 computations."""
    model.eval()
    double = copy.deepcopy(model).double()
    weights = {key: value.double() for key, value in model.saved().items()}
    exact = given if given.dim() == 1 else given.double()
    more, exact_more = (), ()
    if initial:
        more, exact_more = (initial,), ({key: value.double() for key, value in initial.items()},)
    with torch.no_grad():
        outputs, last = model(given, *more)
        other, other_last = double(exact, *exact_more)
        stepped, stepped_last = REFERENCES[case.layout](weights, exact, case.words, *exact_more)
    found = {"outputs": outputs, **last}
    wanted = {"outputs": other, **other_last}
    again = {"outputs": stepped, **stepped_last}
    assert found.keys() == again.keys(), (name, found.keys(), again.keys())
    of_single = max((found[key].double() - wanted[key]).abs().max().item() for key in found)
    of_steps = max((again[key] - wanted[key]).abs().max().item() for key in found)
    size = outputs.abs().max().item()
    print(f"{name:26} {tuple(outputs.shape)!s:10} {of_single:15.2e}  {of_steps:14.2e}  {size:14.3f}", flush=True)
    assert of_single < LIMIT, f"{name}: float32 and float64 differ by {of_single:.2e}"
    assert of_steps < 1e-12, f"{name}: the steps and float64 differ by {of_steps:.2e}"
    return {key: tensor.contiguous() for key, tensor in found.items()}


def write(place: Path, case: Case, model: nn.Module, given: torch.Tensor, found: Tensors) -> None:
    place.mkdir(parents=True, exist_ok=True)
    save_file({key: value.detach().clone() for key, value in model.saved().items()}, place / "model.safetensors")
    config = case.config()
    if config:
        (place / "config.json").write_text(json.dumps(config) + "\n")
    kind = {"tokens": given.int()} if given.dim() == 1 else {"vectors": given}
    save_file(kind | found, place.parent / f"{place.name}.golden.safetensors")


def mackey_glass(count: int) -> torch.Tensor:
    """Every sixth value of dx/dt = 0.2 x(t − 17) / (1 + x(t − 17)¹⁰) − 0.1 x, by Euler's method with steps of 0.1 from
    x = 1.2, without the first 1,000 time units: (count)."""
    steps, delay, skipped = 60, 170, 10_000
    x = [1.2] * (delay + 1)
    for _ in range(skipped + steps * count):
        late = x[-1 - delay]
        x.append(x[-1] + 0.1 * (0.2 * late / (1 + late**10) - 0.1 * x[-1]))
    return torch.tensor(x[-steps * count :: steps], dtype=torch.float64).float() - 1


def train(model: Module, series: torch.Tensor) -> None:
    """Trains the model to predict the next value of the series."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    steps = 1200
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        starts = torch.randint(0, len(series) - 129, (16,)).tolist()
        windows = torch.stack([series[start : start + 129] for start in starts], dim=1)[..., None]
        hidden, _ = model.parts[0](windows[:-1])
        loss = nn.functional.mse_loss(model.parts[1](hidden)[16:], windows[17:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        decay.step()
        if (step + 1) % 200 == 0:
            print(f"  step {step + 1}: root mean square {loss.item() ** 0.5:.4f}", flush=True)


def trained() -> None:
    torch.manual_seed(900)
    series = mackey_glass(3000)
    given, place, model = series[-STEPS:, None].contiguous(), HERE / "cells/trained-lstm", TRAINED.make()
    if (place / "model.safetensors").exists():
        saved = load_file(place / "model.safetensors")
        for name, part in zip(model.names, model.parts, strict=True):
            part.load_state_dict({key: saved[f"{name}.{key}"] for key in part.state_dict()})
    else:
        train(model, series[:-STEPS])
    found = checked("trained-lstm", TRAINED, model, given)
    error = (found["outputs"][50:-1] - given[51:]).square().mean().sqrt()
    persistence = (given[50:-1] - given[51:]).square().mean().sqrt()
    print(f"  unseen values are off by {error:.4f} (root mean square), persistence by {persistence:.4f}")
    write(place, TRAINED, model, given, found)


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    print(f"{'case':26} {'outputs':10} float32-float64   steps-float64  largest output")
    for seed, (name, case) in enumerate(CASES.items(), start=1):
        torch.manual_seed(seed)
        model = case.make()
        randomise(model)
        given = inputs(model)
        write(HERE / "cells" / name, case, model, given, checked(name, case, model, given))
    for seed, (name, case) in enumerate(STARTED.items(), start=500):
        torch.manual_seed(seed)
        model, encoder = case.make(), case.make()
        randomise(model)
        randomise(encoder)
        with torch.no_grad():
            _, initial = encoder(inputs(encoder, 30))
        given = inputs(model)
        found = checked(f"{name}, started", case, model, given, initial)
        found |= {f"initial_{key}": value.contiguous() for key, value in initial.items()}
        write(HERE / "cells-started" / name, case, model, given, found)
    trained()


if __name__ == "__main__":
    main()
