#!/usr/bin/env python3
"""Trains Models/selective-copy-mingru or, with --cell minLSTM, Models/selective-copy-minlstm.

    pip install -r Models/training/requirements.txt
    python Models/training/selective_copy.py

The paper's task: 4096 tokens, all EMPTY but sixteen symbols at random places, then sixteen markers, at each of which
the next symbol in order is wanted. Its model has three layers of width 64, expanded to 384 in the cells, without
convolution or MLP. Every sequence is drawn anew.

What makes this quick:

- A run of EMPTY is one step, in which the gates act as often as the run is long. 4112 tokens become 49; the result is
  nearly exact once the gates have learned to ignore EMPTY. A few whole sequences join in the last three eighths of the
  steps. Alone they would be too few: Muon's steps do not shrink when only noise is left in the gradient.
- Runs are short at first, as in sequences of 32, and grow whenever the loss is low.
- Muon at a rate far above the paper's, and gates that begin with memories of 2 to 64 steps.
"""

import bounded
import numpy
import torch
import torch.nn.functional as F
from minrnn import run as runs
from minrnn.model import CELLS, Architecture, Model
from minrnn.optimizer import optimizers
from tasks import copying
from tasks.copying import LENGTH, SYMBOLS, VOCABULARY

SHORTEST, LONGER, LOW = 32, 1.3, 0.3
WHOLE = 0.2  # The weight of the loss of whole sequences.


def columns(device, *parts):
    """Arrays (count, time) as tensors (time, count)."""
    return [torch.from_numpy(part.T.copy()).to(device) for part in parts]


def cost(logits, answers):
    return F.cross_entropy(logits[-SYMBOLS:].flatten(0, 1), answers.flatten())


@torch.no_grad()
def errors(model, device, count):
    """The share of wrong answers in `count` sequences of full length, the same ones at every call."""
    model.eval()
    random, wrong = numpy.random.default_rng([copying.VALIDATION, 0]), 0
    for _ in range(count // 16):
        tokens, answers = columns(device, *copying.sequences(random, 16, LENGTH))
        wrong += (model(tokens)[-SYMBOLS:].argmax(-1) != answers).sum().item()
    model.train()
    return wrong / (count * SYMBOLS)


def main():
    parser = runs.arguments(__doc__, steps=3200)
    parser.add_argument("--cell", choices=CELLS, default="minGRU")
    parser.add_argument(
        "--batch",
        type=bounded.count,
        default=128,
        help="sequences of a step; whole ones are a 32nd (default: %(default)s)",
    )
    parser.add_argument("--rate", type=bounded.rate, default=4e-3, help="of AdamW (default: %(default)s)")
    parser.add_argument("--matrix-rate", type=bounded.rate, default=1.5e-2, help="of Muon (default: %(default)s)")
    given = parser.parse_args()

    device = runs.device(given.threads)
    torch.manual_seed(given.seed)
    shape = Architecture(given.cell, layers=3, width=64, inner_width=384, tokens=VOCABULARY)
    model = Model(shape, remember=(2, 64)).to(device)
    parts = optimizers(model, given.rate, given.matrix_rate)
    course = {"length": SHORTEST, "loss": 1.0}  # The loss is a moving average.
    run = runs.Run(given, f"selective-copy-{given.cell.lower()}", model, parts, course)
    for step in run:
        random = numpy.random.default_rng([copying.TRAINING, given.seed, step])
        length = round(run.course["length"])
        tokens, repeats, answers = columns(device, *copying.compressed(random, given.batch, length))
        loss = cost(model(tokens, repeats), answers)
        run.course["loss"] += 0.1 * (loss.item() - run.course["loss"])
        if step >= given.steps * 5 // 8:
            tokens, answers = columns(device, *copying.sequences(random, max(1, given.batch // 32), LENGTH))
            loss = loss + WHOLE * cost(model(tokens), answers)
        run.update(loss, length=length)
        if run.course["loss"] < LOW and length < LENGTH:
            run.course = {"length": min(LENGTH, length * LONGER), "loss": 1.0}
        if step + 1 == given.steps or length == LENGTH and (step + 1) % 200 == 0:
            run.validated(errors(model, device, 256))
    run.export()


if __name__ == "__main__":
    main()
