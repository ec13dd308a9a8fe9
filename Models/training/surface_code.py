#!/usr/bin/env python3
"""Trains Models/surface-code-d3 or, with --distance 5, Models/surface-code-d5: decoders that follow a surface code
round by round.

    pip install -r Models/training/requirements.txt
    python Models/training/surface_code.py

tasks/surface.py says what the vectors are. The answer to each is the probability that the logical observable is
flipped: behind a round, as the data qubits stand; behind a readout, as it was read. A shot of 25 rounds trains both
answers at each of its rounds: the readouts go on from the states in between, as forks of a session would.

The rates of errors are mixed, and the model is not told which one it meets.
"""

import numpy
import torch
import torch.nn.functional as F
from minrnn import run as runs
from minrnn.model import Architecture, Model
from minrnn.optimizer import optimizers
from tasks import surface

ROUNDS = 25
RATES = [0.003, 0.005, 0.008, 0.014]
"""The last is above those of interest: 25 rounds of it have as many flips as 50 rounds of the one before."""
BLOCK = 64  # Steps whose shots are drawn at once.


class Batches:
    """`batches[step]`: shots of every rate, (rounds, shots, …) each, the same ones for the same step."""

    def __init__(self, distance, rates, seed, shots, device):
        self.sources = [surface.Shots(distance, ROUNDS, p, [seed]) for p in rates]
        self.each, self.device, self.block = shots // len(rates), device, None

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


@torch.no_grad()
def validate(model, batches, count):
    model.eval()
    found = [losses(model, batches[n])[0].item() for n in range(count)]
    model.train()
    return sum(found) / count


def main():
    parser = runs.arguments(__doc__, steps=6000)
    parser.add_argument("--distance", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--width", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--shots", type=int, default=128, help="of a step (default: %(default)s)")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="of errors (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=3e-3, help="of AdamW (default: %(default)s)")
    parser.add_argument("--matrix-rate", type=float, default=1e-2, help="of Muon (default: %(default)s)")
    given = parser.parse_args()

    device = runs.device(given.threads)
    torch.manual_seed(given.seed)
    size = surface.layout(given.distance).size
    shape = Architecture(
        "minGRU", layers=3, width=given.width, kernel=4, mlp_width=4 * given.width, vectors=size, probabilities=1
    )
    model = Model(shape, remember=(1.5, 200)).to(device)
    run = runs.Run(given, f"surface-code-d{given.distance}", model, optimizers(model, given.rate, given.matrix_rate))
    training = Batches(given.distance, given.rates, given.seed, given.shots, device)
    validation = Batches(given.distance, RATES[:3], given.seed + 1_000_000, 512, device)
    for step in run:
        ends, rounds = losses(model, training[step])
        run.update(ends + 0.25 * rounds)
        if (step + 1) % 250 == 0 or step + 1 == given.steps:
            run.validated(validate(model, validation, 16))
    run.export()


if __name__ == "__main__":
    main()
