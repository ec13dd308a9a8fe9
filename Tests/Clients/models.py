"""Small model folders as in published checkpoints, with random weights."""

from pathlib import Path

import numpy
from safetensors.numpy import save_file

DIM, DEPTH = 16, 1


def write_min_lm(folder: Path, vocabulary_size: int) -> None:
    """A minGRU language model as minGRU-pytorch 0.2 saves its state dict, and nothing beside it."""
    random = numpy.random.default_rng(7)

    def weight(*shape: int) -> numpy.ndarray:
        return (random.standard_normal(shape) / shape[-1] ** 0.5).astype(numpy.float32)

    tensors = {"token_emb.weight": weight(vocabulary_size, DIM)}
    for layer in range(DEPTH):
        at = f"layers.{layer}."
        tensors |= {
            at + "1.weight": numpy.ones(DIM, numpy.float32),
            at + "2.to_hidden_and_gate.weight": weight(2 * DIM, DIM),
            at + "3.weight": numpy.ones(DIM, numpy.float32),
            at + "4.0.weight": weight(4 * DIM, DIM),
            at + "4.0.bias": numpy.zeros(4 * DIM, numpy.float32),
            at + "4.2.weight": weight(DIM, 4 * DIM),
            at + "4.2.bias": numpy.zeros(DIM, numpy.float32),
        }
    tensors |= {"norm.weight": numpy.ones(DIM, numpy.float32), "to_logits.weight": weight(vocabulary_size, DIM)}
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors")
