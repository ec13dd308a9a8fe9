#!/usr/bin/env python3
"""Trains Models/surface-code-d3 or, with --distance 5, Models/surface-code-d5: decoders of a surface code, round by
round.

    pip install -r Models/training/requirements.txt
    python Models/training/surface_code.py

tasks/surface.py defines the vectors. The output for each is the probability that the logical observable is flipped:
after a round, in the data qubits; after a readout, as it was read. A shot of 25 rounds trains both outputs at each of
its rounds: the readouts continue from the states in between, as forks of a session would.

Shots of several error rates are mixed, and the rate is not an input of the model. The error rates go up in stages, and
the rates of the optimizers fall to zero at the end of each.

At distance 5, training on these outputs alone is slow, since each is the parity of many events. An auxiliary loss
speeds it up: a linear map of the input of the second half of the layers predicts in which of the last four rounds the
observable flipped, so that these layers have flips to count. The map is not part of the model. The model has moving
averages of the weights, so that a run can be measured before its rates have fallen.
"""

import contextlib
import multiprocessing

import bounded
import numpy
import torch
import torch.nn.functional as F
from minrnn import run as runs
from minrnn.model import Architecture, Model
from minrnn.optimizer import optimizers
from tasks import surface
from torch import nn
from torch.optim.swa_utils import AveragedModel

ROUNDS = 25
SMALL = {
    "steps": 10_000,
    "shots": 128,
    "layers": 3,
    "width": 64,
    "remember": 200,
    "hints": 0.0,
    "average": 0.0,
    "validate": 250,
    "stages": [
        (0.6, [0.003, 0.005, 0.008, 0.010]),
        (0.85, [0.003, 0.005, 0.008, 0.014]),
        (1.0, [0.004, 0.008, 0.012, 0.018]),
    ],
}
LARGE = {
    "steps": 160_000,
    "shots": 128,
    "layers": 4,
    "width": 96,
    "remember": 2000,
    "hints": 0.5,
    "average": 0.999,
    "validate": 500,
    "stages": [(1.0, [0.003, 0.005, 0.008, 0.013])],
}
RECIPES = {3: SMALL, 5: LARGE, 7: LARGE}
"""The training of a distance.

`stages`: up to which share of the steps there are errors at which rates; 25 rounds at 0.018 have as many flips as 50
rounds at 0.009. `remember`: the longest memory of the gates at first, in rounds. `hints`: what their loss counts.
`average`: what a moving average of the weights, which is then the model, keeps of itself in a step. `validate`: after
how many steps each.
"""
RECENT = 4  # Rounds of which there are hints.
BLOCK = 64  # Steps whose shots are drawn at once.
VALIDATION_RATES, VALIDATION_SHOTS = [0.003, 0.005, 0.008], 1024


def draw(connection, given, rates, block):
    """Sends the shots of one block after another, each once the one before has been received."""
    sources = [surface.Shots(given.distance, ROUNDS, p, [surface.TRAINING, given.seed]) for p in rates]
    with contextlib.suppress(BrokenPipeError):  # The run was killed.
        while True:
            connection.send([source.draw(given.shots // len(rates) * BLOCK, block) for source in sources])
            block += 1


class Batches:
    """`batches[step]`, of one step after another: shots of every rate, (rounds, shots, …) each, the same ones for the
    same step. A process of its own draws them ahead."""

    def __init__(self, given, rates, device, step):
        self.device, self.block = device, step // BLOCK - 1
        spawning = multiprocessing.get_context("spawn")
        self.blocks, far = spawning.Pipe(duplex=False)
        spawning.Process(target=draw, args=(far, given, rates, step // BLOCK), daemon=True).start()
        far.close()

    def __getitem__(self, step):
        if self.block != step // BLOCK:
            self.block = step // BLOCK
            self.drawn = [[numpy.split(part, BLOCK, axis=1) for part in parts] for parts in self.blocks.recv()]
        here = [[part[step % BLOCK] for part in parts] for parts in self.drawn]
        return [torch.from_numpy(numpy.concatenate(parts, axis=1)).to(self.device) for parts in zip(*here)]


class Beside(nn.Module):
    """The state of a run besides its model: the map of the hints, and the moving averages of the weights."""

    def __init__(self, model, given):
        super().__init__()
        self.hints = nn.Linear(model.shape.width, RECENT) if given.hints else None

        def mean(before, weight, steps):
            """Averages over fewer steps at first."""
            return torch.lerp(before, weight, max(1 - given.average, 10 / (10 + int(steps))))

        self.average = AveragedModel(model, avg_fn=mean) if given.average else None


def losses(model, batch, hints=None):
    """Losses in nats: of the readouts, of the rounds and, where there is a map for them, of the hints."""
    vectors, readouts, flipped, read = batch
    rounds, states = model.with_states(vectors)
    ends, _ = model.with_states(readouts, states)
    cost = F.binary_cross_entropy_with_logits
    found = [cost(ends[..., 0], read), cost(rounds[..., 0], flipped)]
    if hints:
        padded = F.pad(flipped, (0, 0, RECENT, 0))
        changes = (padded[1:] - padded[:-1]).abs()
        recent = [changes[RECENT - 1 - n : len(changes) - n] for n in range(RECENT)]
        found.append(cost(hints(states[len(states) // 2][0]), torch.stack(recent, dim=-1)))
    return found


def validation(given, device):
    """Shots of twice as many rounds as in training, since the model must generalise to them."""
    for p in VALIDATION_RATES:
        source = surface.Shots(given.distance, 2 * ROUNDS, p, [surface.VALIDATION, given.seed])
        yield [torch.from_numpy(part).to(device) for part in source.draw(VALIDATION_SHOTS, 0)]


@torch.no_grad()
def validate(model, batches):
    model.eval()
    found = [losses(model, batch)[0].item() for batch in batches]
    model.train()
    return sum(found) / len(found)


def main():
    parser = runs.arguments(__doc__, steps=SMALL["steps"])
    parser.add_argument("--distance", type=int, choices=RECIPES, default=3, help="default: %(default)s")
    parser.add_argument("--layers", type=bounded.count, help="default: %(default)s")
    parser.add_argument("--width", type=bounded.count, help="default: %(default)s")
    parser.add_argument("--shots", type=bounded.count, help="of a step (default: %(default)s)")
    parser.add_argument("--rate", type=bounded.rate, default=3e-3, help="of AdamW (default: %(default)s)")
    parser.add_argument("--matrix-rate", type=bounded.rate, default=1e-2, help="of Muon (default: %(default)s)")
    parser.set_defaults(**SMALL)
    parser.set_defaults(**RECIPES[parser.parse_args().distance])
    given = parser.parse_args()
    if given.shots % len(given.stages[0][1]):
        parser.error(f"--shots {given.shots}: not a multiple of the {len(given.stages[0][1])} rates")

    device = runs.device(given.threads)
    torch.manual_seed(given.seed)
    size, wide = surface.layout(given.distance).size, 4 * given.width
    shape = Architecture(
        "minGRU", layers=given.layers, width=given.width, kernel=4, mlp_width=wide, vectors=size, probabilities=1
    )
    model = Model(shape, remember=(1.5, given.remember)).to(device)
    beside = Beside(model, given).to(device)
    parts = optimizers(model, given.rate, given.matrix_rate)
    if beside.hints:
        parts.append(torch.optim.AdamW(beside.hints.parameters(), lr=given.rate))
    run = runs.Run(given, f"surface-code-d{given.distance}", model, parts, beside.state_dict())
    beside.load_state_dict(run.course)
    run.course = beside.state_dict()  # Its tensors are the modules' own.

    validating, end = list(validation(given, device)), 0
    trained = beside.average.module if beside.average else model
    for step in run:
        if step >= end:
            share, rates = next(stage for stage in given.stages if step < round(stage[0] * given.steps))
            end, batches = round(share * given.steps), Batches(given, rates, device, step)
        ends, rounds, *hints = losses(model, batches[step], beside.hints)
        run.update(ends + 0.25 * rounds + given.hints * sum(hints), end=end)
        if beside.average:
            beside.average.update_parameters(model)
        if (step + 1) % given.validate == 0 or step + 1 == given.steps:
            run.validated(validate(trained, validating), trained)
    run.export()


if __name__ == "__main__":
    main()
