"""Model folders with random weights, the same in every run."""

from pathlib import Path

import torch
from minGRU_pytorch.minLM import minLM
from safetensors.torch import save_file

# 11.3 million parameters.
LARGE = {"num_tokens": 256, "dim": 384, "depth": 6, "ff_mult": 4, "expansion": 1.5}
TINY = {"num_tokens": 256, "dim": 64, "depth": 2, "ff_mult": 4, "expansion": 1.5}
# As little to compute as a state of 8 KiB allows: two hidden states of 1008 numbers, and 32 of the last output.
WIDE = TINY | {"dim": 32, "expansion": 31.5}


def make(folder: Path, arguments: dict[str, float]) -> Path:
    """Writes `model.safetensors`, which both sides read."""
    torch.manual_seed(1)
    folder.mkdir(parents=True)
    save_file(minLM(**arguments).state_dict(), folder / "model.safetensors")
    return folder
