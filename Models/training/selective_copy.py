#!/usr/bin/env python3
"""Trains Models/selective-copy-mingru or, with --cell minLSTM, Models/selective-copy-minlstm.

    pip install -r Models/training/requirements.txt
    python Models/training/selective_copy.py

The paper's task: 4096 tokens, all EMPTY but sixteen symbols at random places, then sixteen markers, at each of which the
next symbol in order is wanted. Its model has three layers of width 64, expanded to 384 in the cells, without
convolution or MLP. Every sequence is drawn anew.

What makes this quick: sequences of 32 at first, which already hold all sixteen symbols and so the whole of the logic, then
longer ones, up to 4096, whenever the loss is low, which teach the gates to let nothing in while nothing comes; Muon at a rate
far above the paper's; gates that begin with memories of 2 to 64 steps.
"""

import numpy
import torch
import torch.nn.functional as F
from minrnn import run as runs
from minrnn.model import CELLS, Architecture, Model
from minrnn.optimizer import optimizers
from tasks import copying
from tasks.copying import LENGTH, SYMBOLS, VOCABULARY

SHORTEST, LONGER, LOW = 32, 1.2, 0.3


def batch(random, count, length, device):
    """Tokens (length + 16, count) and answers (16, count)."""
    return (torch.from_numpy(part.T.copy()).to(device) for part in copying.sequences(random, count, length))


@torch.no_grad()
def errors(model, device, count):
    """The share of wrong answers in `count` sequences of full length, the same ones at every call."""
    model.eval()
    random, wrong = numpy.random.default_rng([copying.VALIDATION, 0]), 0
    for _ in range(count // 16):
        tokens, answers = batch(random, 16, LENGTH, device)
        wrong += (model(tokens)[-SYMBOLS:].argmax(-1) != answers).sum().item()
    model.train()
    return wrong / (count * SYMBOLS)


def main():
    parser = runs.arguments(__doc__, steps=4000)
    parser.add_argument("--cell", choices=CELLS, default="minGRU")
    parser.add_argument("--tokens", type=int, default=6144, help="of a step, but four sequences at least (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=3e-3, help="of AdamW (default: %(default)s)")
    parser.add_argument("--matrix-rate", type=float, default=1e-2, help="of Muon (default: %(default)s)")
    given = parser.parse_args()

    device = runs.device(given.threads)
    torch.manual_seed(given.seed)
    shape = Architecture(given.cell, layers=3, width=64, inner_width=384, tokens=VOCABULARY)
    model = Model(shape, remember=(2, 64)).to(device)
    parts = optimizers(model, given.rate, given.matrix_rate)
    course = {"length": SHORTEST, "loss": 1.0}  # The loss is a moving average.
    run = runs.Run(given, f"selective-copy-{given.cell.lower()}", model, parts, course)
    for step in run:
        length = round(run.course["length"])
        random = numpy.random.default_rng([copying.TRAINING, given.seed, step])
        tokens, answers = batch(random, max(4, given.tokens // (length + SYMBOLS)), length, device)
        logits = model(tokens)[-SYMBOLS:]
        loss = F.cross_entropy(logits.flatten(0, 1), answers.flatten())
        run.update(loss, length=length)
        run.course["loss"] += 0.1 * (loss.item() - run.course["loss"])
        if run.course["loss"] < LOW and length < LENGTH:
            run.course = {"length": min(LENGTH, length * LONGER), "loss": 1.0}
        if step + 1 == given.steps or length == LENGTH and (step + 1) % 100 == 0:
            run.validated(errors(model, device, 256))
    run.export()


if __name__ == "__main__":
    main()
