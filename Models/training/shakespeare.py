#!/usr/bin/env python3
"""Trains Models/shakespeare-mingru or, with --cell minLSTM, Models/shakespeare-minlstm: characters of Tiny Shakespeare.

    pip install -r Models/training/requirements.txt
    python Models/training/shakespeare.py
    python Models/training/shakespeare.py --cell minLSTM --data tinyshakespeare.txt

The first 90 % of the text are for training, except every twentieth block, which is for validation; the last 10 % are
for evaluate.py, and not read here. Without --data the text is fetched from the address in tasks/shakespeare.py.
"""

import pathlib
import sys

import bounded
import torch
import torch.nn.functional as F
from minrnn import run as runs
from minrnn.model import CELLS, Architecture, Model
from minrnn.optimizer import optimizers
from tasks import shakespeare
from tasks.shakespeare import WINDOW


@torch.no_grad()
def loss_of(model, windows):
    """Nats per character over windows (WINDOW, count), each from a cold state."""
    model.eval()
    total = 0.0
    for part in windows.split(64, dim=1):
        logits = model(part[:-1])
        total += F.cross_entropy(logits.flatten(0, 1), part[1:].flatten(), reduction="sum").item()
    model.train()
    return total / windows[1:].numel()


def main():
    parser = runs.arguments(__doc__, steps=600)
    parser.add_argument("--data", type=pathlib.Path, help="a copy of Tiny Shakespeare")
    parser.add_argument("--cell", choices=CELLS, default="minGRU")
    parser.add_argument(
        "--batch", type=bounded.count, default=32, help="windows of 256 characters a step (default: %(default)s)"
    )
    parser.add_argument("--rate", type=bounded.rate, default=2e-3, help="of AdamW (default: %(default)s)")
    parser.add_argument("--matrix-rate", type=bounded.rate, default=3e-3, help="of Muon (default: %(default)s)")
    parser.add_argument("--dropout", type=bounded.share, default=0.1, help="default: %(default)s")
    given = parser.parse_args()

    device = runs.device(given.threads)
    text = shakespeare.training(shakespeare.whole(given.data))
    vocabulary = sorted(set(text))
    index = {character: n for n, character in enumerate(vocabulary)}
    data = torch.tensor([index[character] for character in text], device=device)
    starts = torch.tensor(shakespeare.training_starts(len(text)), device=device)
    validation = torch.tensor(shakespeare.validation_starts(len(text)), device=device)
    if not len(validation):
        sys.exit(f"{given.data} is too short a text")
    span = torch.arange(WINDOW + 1, device=device)[:, None]
    validation = data[validation + span[:-1]]

    torch.manual_seed(given.seed)
    shape = Architecture(given.cell, layers=3, width=384, kernel=4, mlp_width=1536, tokens=len(vocabulary))
    model = Model(shape, given.dropout, remember=(2, 128)).to(device)
    run = runs.Run(given, f"shakespeare-{given.cell.lower()}", model, optimizers(model, given.rate, given.matrix_rate))
    for step in run:
        windows = data[starts[torch.randint(len(starts), (given.batch,)).to(device)] + span]
        logits = model(windows[:-1])
        run.update(F.cross_entropy(logits.flatten(0, 1), windows[1:].flatten()))
        if (step + 1) % 50 == 0 or step + 1 == given.steps:
            run.validated(loss_of(model, validation))
    run.export(tokenizer={"kind": "characters", "characters": vocabulary})


if __name__ == "__main__":
    main()
