"""The step of minGRU-pytorch's language model, exported from PyTorch and run by ONNX Runtime: `onnx_step FOLDER THREADS`."""

import sys
import tempfile
from pathlib import Path

import numpy
import onnxruntime
import torch
from minGRU_pytorch.minLM import minLM
from models import LARGE
from peers.process import answer
from peers.timing import Timed
from safetensors.torch import load_file
from torch import Tensor, nn

INNER = int(LARGE["dim"] * LARGE["expansion"])


class Step(nn.Module):
    """Hidden states of all layers are one tensor: (layers, sessions, inner width)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        before = [layer.unsqueeze(1) for layer in hidden.unbind()]
        logits, after = self.model(tokens, prev_hiddens=before, return_prev_hiddens=True)
        return logits[:, 0], torch.stack(after)[:, :, 0]


def export(folder: Path, file: Path) -> None:
    model = minLM(**LARGE)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    sessions = torch.export.Dim("sessions", min=1)
    torch.onnx.export(
        Step(model).eval(),
        (torch.zeros(2, 1, dtype=torch.int64), torch.zeros(LARGE["depth"], 2, INNER)),
        file,
        input_names=["tokens", "hidden"],
        output_names=["logits", "next_hidden"],
        dynamic_shapes=({0: sessions}, {1: sessions}),
        verbose=False,
    )


class StepModel:
    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "step.onnx"
            export(folder, file)
            self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._timed: dict[int, Timed] = {}

    def step(self, sessions: int) -> float:
        """Seconds of one step of all sessions."""
        if sessions not in self._timed:
            tokens = numpy.arange(sessions, dtype=numpy.int64)[:, None] % LARGE["num_tokens"]
            hidden = numpy.full((LARGE["depth"], sessions, INNER), 0.5, numpy.float32)

            def run() -> None:
                nonlocal hidden
                _, hidden = self._session.run(None, {"tokens": tokens, "hidden": hidden})

            self._timed[sessions] = Timed(run)
        return self._timed[sessions].seconds()

    def step_logits(self, tokens: list[int]) -> list[list[float]]:
        """Of every position, step by step."""
        hidden = numpy.zeros((LARGE["depth"], 1, INNER), numpy.float32)
        rows: list[list[float]] = []
        for token in tokens:
            logits, hidden = self._session.run(None, {"tokens": numpy.array([[token]]), "hidden": hidden})
            rows.append(logits[0].tolist())
        return rows


def main() -> None:
    model = StepModel(Path(sys.argv[1]), int(sys.argv[2]))
    answer({"step": model.step, "step_logits": model.step_logits})


main()
