"""The layers that the paper compares, of equal width, absorb tokens: `recurrent_layers gru|lstm|mingru THREADS`.

Embedding, then layers with a norm before and a residual connection around each, then the logits of every position; no
MLPs, so that the recurrent layers dominate.
"""

import re
import sys
from pathlib import Path

import torch
from minGRU_pytorch.minGRU import minGRU
from peers.process import answer
from peers.timing import Timed
from torch import Tensor, nn


class Network(nn.Module):
    def __init__(self, cell: str, layers: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        make = {
            "gru": lambda: nn.GRU(width, width, batch_first=True),
            "lstm": lambda: nn.LSTM(width, width, batch_first=True),
            "mingru": lambda: minGRU(width),
        }[cell]
        self.layers = nn.ModuleList(make() for _ in range(layers))
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.logits = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            y = layer(norm(x))
            x = x + (y[0] if isinstance(y, tuple) else y)
        return self.logits(self.norm(x))


class Absorption:
    def __init__(self, cell: str) -> None:
        self._cell = cell

    def load(self, layers: int, width: int, vocabulary: int) -> None:
        """Makes the network and absorbs a few tokens, so that its libraries are in memory."""
        self._network = Network(self._cell, layers, width, vocabulary).eval()
        self._vocabulary = vocabulary
        for _ in range(3):
            self._absorb(2)
        self._resident = self._memory("VmRSS")

    def absorb(self, steps: int) -> dict[str, float]:
        """Seconds of one pass, and the bytes by which the process was larger than at rest."""
        Path("/proc/self/clear_refs").write_text("5")
        self._absorb(steps)
        peak = self._memory("VmHWM")
        return {"seconds": Timed(lambda: self._absorb(steps)).seconds(), "bytes": peak - self._resident}

    def _absorb(self, steps: int) -> None:
        self._network(torch.randint(0, self._vocabulary, (1, steps)))

    @staticmethod
    def _memory(name: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE).group(1)) * 1024


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]))
    with torch.inference_mode():
        absorption = Absorption(sys.argv[1])
        answer({"load": absorption.load, "absorb": absorption.absorb})


main()
