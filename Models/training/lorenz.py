#!/usr/bin/env python3
"""Trains Models/lorenz-mingru: from each vector of a Lorenz trajectory the next one.

    pip install -r Models/training/requirements.txt
    python Models/training/lorenz.py

tasks/lorenz.py makes the trajectories. The model is trained as it is served: with its weights rounded to float16.
"""

import bounded
import torch
from minrnn import run as runs
from minrnn.model import Architecture, Model
from minrnn.optimizer import optimizers
from tasks import lorenz

LENGTH, TRAJECTORIES = 600, 512
WINDOW, WARM = 96, 8  # The loss leaves out the first WARM outputs, before the convolutions have enough inputs.


def rounded(model):
    """The model as a function with weights rounded to float16, and gradients straight through to the unrounded ones."""
    weights = {name: tensor + (tensor.half().float() - tensor).detach() for name, tensor in model.named_parameters()}
    return lambda inputs: torch.func.functional_call(model, weights, (inputs,))


def error(predict, vectors):
    """The mean square of the differences from the next vector."""
    return (predict(vectors[:-1]) - vectors[1:])[WARM:].square().mean()


@torch.no_grad()
def validate(model, vectors):
    return error(rounded(model), vectors).item() ** 0.5


def main():
    parser = runs.arguments(__doc__, steps=4000)
    parser.add_argument(
        "--batch", type=bounded.count, default=32, help="windows of 96 vectors a step (default: %(default)s)"
    )
    parser.add_argument("--rate", type=bounded.rate, default=3e-3, help="of AdamW (default: %(default)s)")
    parser.add_argument("--matrix-rate", type=bounded.rate, default=3e-3, help="of Muon (default: %(default)s)")
    given = parser.parse_args()

    device = runs.device(given.threads)
    training, validation = (
        torch.from_numpy(lorenz.trajectories(count, LENGTH, use, given.seed)).float().to(device)
        for count, use in ((TRAJECTORIES, lorenz.TRAINING), (32, lorenz.VALIDATION))
    )
    torch.manual_seed(given.seed)
    shape = Architecture("minGRU", layers=2, width=64, kernel=4, mlp_width=256, vectors=3, values=3, final_norm=False)
    model = Model(shape, remember=(1.5, 32)).to(device)
    run = runs.Run(given, "lorenz-mingru", model, optimizers(model, given.rate, given.matrix_rate))
    span = torch.arange(WINDOW + 1, device=device)[:, None]
    for step in run:
        starts, which = torch.randint(LENGTH - WINDOW, (given.batch,)), torch.randint(TRAJECTORIES, (given.batch,))
        run.update(error(rounded(model), training[starts.to(device) + span, which.to(device)]))
        if (step + 1) % 250 == 0 or step + 1 == given.steps:
            run.validated(validate(model, validation))
    run.export()


if __name__ == "__main__":
    main()
