#!/usr/bin/env python3
"""Trains Models/surface-code-d3 or, with --distance 5, Models/surface-code-d5: decoders that follow a surface code
round by round.

    pip install -r Models/training/requirements.txt
    python Models/training/surface_code.py

tasks/surface.py says what the vectors are. The answer to each is the probability that the logical observable is
flipped: behind a round, as the data qubits stand; behind a readout, as it was read. A shot of 25 rounds trains both
answers at each of its rounds: the readouts go on from the states in between, as forks of a session would.

The rates of errors are mixed, and the model is not told which one it meets. They go up in stages, and the rates of the
optimizers fall to zero at the end of each.
"""

import bounded
import numpy
import torch
import torch.nn.functional as F
from minrnn import run as runs
from minrnn.model import Architecture, Model
from minrnn.optimizer import optimizers
from tasks import surface

ROUNDS = 25
STAGES = [
    (0.6, [0.003, 0.005, 0.008, 0.010]),
    (0.85, [0.003, 0.005, 0.008, 0.014]),
    (1.0, [0.004, 0.008, 0.012, 0.018]),
]
"""Up to which share of the steps there are errors at which rates. 25 rounds at 0.018 have as many flips as 50 rounds
at 0.009."""
BLOCK = 64  # Steps whose shots are drawn at once.
VALIDATION_RATES, VALIDATION_SHOTS = [0.003, 0.005, 0.008], 1024


class Batches:
    """`batches[step]`: shots of every rate, (rounds, shots, …) each, the same ones for the same step."""

    def __init__(self, given, rates, device):
        self.sources = [surface.Shots(given.distance, ROUNDS, p, [surface.TRAINING, given.seed]) for p in rates]
        self.each, self.device, self.block = given.shots // len(rates), device, None

    def __getitem__(self, step):
        if self.block != step // BLOCK:
            self.block = step // BLOCK
            drawn = [source.draw(self.each * BLOCK, self.block) for source in self.sources]
            self.drawn = [[numpy.split(part, BLOCK, axis=1) for part in parts] for parts in drawn]
        here = [[part[step % BLOCK] for part in parts] for parts in self.drawn]
        return [torch.from_numpy(numpy.concatenate(parts, axis=1)).to(self.device) for parts in zip(*here)]


def losses(model, batch):
    """Nats of the readouts' and of the rounds' answers."""
    vectors, readouts, flipped, read = batch
    rounds, states = model.with_states(vectors)
    ends, _ = model.with_states(readouts, states)
    cost = F.binary_cross_entropy_with_logits
    return cost(ends[..., 0], read), cost(rounds[..., 0], flipped)


def validation(given, device):
    """Shots of twice as many rounds as train: what holds there is what is looked for."""
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
    parser = runs.arguments(__doc__, steps=10_000)
    parser.add_argument("--distance", type=int, choices=(3, 5, 7), default=3, help="default: %(default)s")
    parser.add_argument("--width", type=bounded.count, default=64, help="default: %(default)s")
    parser.add_argument("--shots", type=bounded.count, default=128, help="of a step (default: %(default)s)")
    parser.add_argument("--rate", type=bounded.rate, default=3e-3, help="of AdamW (default: %(default)s)")
    parser.add_argument("--matrix-rate", type=bounded.rate, default=1e-2, help="of Muon (default: %(default)s)")
    given = parser.parse_args()
    if given.shots % len(STAGES[0][1]):
        parser.error(f"--shots {given.shots}: not a multiple of the {len(STAGES[0][1])} rates")

    device = runs.device(given.threads)
    torch.manual_seed(given.seed)
    size = surface.layout(given.distance).size
    shape = Architecture(
        "minGRU", layers=3, width=given.width, kernel=4, mlp_width=4 * given.width, vectors=size, probabilities=1
    )
    model = Model(shape, remember=(1.5, 200)).to(device)
    run = runs.Run(given, f"surface-code-d{given.distance}", model, optimizers(model, given.rate, given.matrix_rate))
    stages = [(round(share * given.steps), Batches(given, rates, device)) for share, rates in STAGES]
    validating = list(validation(given, device))
    for step in run:
        end, batches = next((end, batches) for end, batches in stages if step < end)
        ends, rounds = losses(model, batches[step])
        run.update(ends + 0.25 * rounds, end=end)
        if (step + 1) % 250 == 0 or step + 1 == given.steps:
            run.validated(validate(model, validating))
    run.export()


if __name__ == "__main__":
    main()
