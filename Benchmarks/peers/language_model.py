"""The language model of minGRU-pytorch, as it is or compiled: `language_model FOLDER eager|compile THREADS`.

Prefill is the package's parallel path and gives the logits of every position and the hidden states to go on from; a
step is its sequential path from those.
"""

import sys
from pathlib import Path

import torch
from minGRU_pytorch.minLM import minLM
from models import LARGE
from peers.process import answer
from peers.timing import Timed
from safetensors.torch import load_file


class LanguageModel:
    def __init__(self, folder: Path, compiled: bool) -> None:
        model = minLM(**LARGE)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        model.eval()
        # Every shape gets code of its own.
        self._model = torch.compile(model, dynamic=False) if compiled else model
        self._timed: dict[tuple[int, int], Timed] = {}

    def prefill(self, sequences: int, steps: int) -> float:
        """Seconds of one prefill."""
        if (sequences, steps) not in self._timed:
            tokens = torch.randint(0, LARGE["num_tokens"], (sequences, steps))
            self._timed[sequences, steps] = Timed(lambda: self._model(tokens, return_prev_hiddens=True))
        return self._timed[sequences, steps].seconds()

    def step(self, sessions: int) -> float:
        """Seconds of one step of all sessions."""
        if (sessions, 1) not in self._timed:
            tokens = torch.randint(0, LARGE["num_tokens"], (sessions, 1))
            # Not `prefill` of one token, whose hidden states would be compiled for once more.
            inner = int(LARGE["dim"] * LARGE["expansion"])
            hiddens = [torch.full((sessions, 1, inner), 0.5) for _ in range(LARGE["depth"])]

            def run() -> None:
                nonlocal hiddens
                _, hiddens = self._model(tokens, prev_hiddens=hiddens, return_prev_hiddens=True)

            self._timed[sessions, 1] = Timed(run)
        return self._timed[sessions, 1].seconds()

    def prefill_logits(self, tokens: list[int]) -> list[list[float]]:
        """Of every position."""
        return self._model(torch.tensor([tokens]))[0].tolist()

    def step_logits(self, tokens: list[int]) -> list[list[float]]:
        """Of every position, step by step."""
        logits, hiddens = self._model(torch.tensor([tokens[:1]]), return_prev_hiddens=True)
        rows = [logits[0, 0].tolist()]
        for token in tokens[1:]:
            logits, hiddens = self._model(torch.tensor([[token]]), prev_hiddens=hiddens, return_prev_hiddens=True)
            rows.append(logits[0, 0].tolist())
        return rows


def main() -> None:
    torch.set_num_threads(int(sys.argv[3]))
    torch.manual_seed(2)
    torch._dynamo.config.recompile_limit = 64
    with torch.inference_mode():
        model = LanguageModel(Path(sys.argv[1]), compiled=sys.argv[2] == "compile")
        answer(
            {
                "prefill": model.prefill,
                "step": model.step,
                "prefill_logits": model.prefill_logits,
                "step_logits": model.step_logits,
            }
        )


main()
