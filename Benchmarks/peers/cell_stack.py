"""nn.GRU or nn.LSTM of a plain state dict: `cell_stack FOLDER gru|lstm eager|onnx|openvino THREADS`.

ONNX Runtime and OpenVINO run the operators GRU and LSTM, exported from PyTorch with any number of steps and sessions.
Each has its best settings: PyTorch in inference mode; ONNX Runtime with tensors bound once; OpenVINO compiled for every
shape by itself, for latency and in float32, with tensors set once. States of a step go into the next one.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy
import torch
from peers.process import answer
from peers.timing import Timed
from safetensors.torch import load_file
from torch import Tensor, nn

STATES = {"gru": ["hidden"], "lstm": ["hidden", "cell"]}
# Steps of the input that warms up for longer ones, which take minutes.
SHORT = 64
Array = numpy.ndarray
Value = TypeVar("Value")
"""A tensor of ONNX Runtime or OpenVINO."""


@dataclass(frozen=True)
class Prepared:
    """An input in the memory of a runtime, and its inference."""

    vectors: Array
    """The input itself: ONNX Runtime and OpenVINO compute in the memory of this array, and do not keep it alive."""
    run: Callable[[], None]
    """Absorbs the input from the states that the run before has left; those of the first run are zeros."""
    outputs: Callable[[], Array]
    """The outputs of the last run."""


class Stack(nn.Module):
    """The stack with each state as an argument and a result of its own, not in a tuple."""

    def __init__(self, folder: Path, cell: str) -> None:
        super().__init__()
        weights = load_file(folder / "model.safetensors")
        self.layers = sum(name.startswith("weight_hh") for name in weights)
        self.width = weights["weight_hh_l0"].shape[1]
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](weights["weight_ih_l0"].shape[1], self.width, self.layers)
        self.rnn.load_state_dict(weights)
        self.eval()

    def forward(self, vectors: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        outputs, last = self.rnn(vectors, states if len(states) > 1 else states[0])
        return (outputs, *(last if isinstance(last, tuple) else (last,)))

    def zeros(self, sessions: int) -> Array:
        return numpy.zeros((self.layers, sessions, self.width), numpy.float32)


def eager(stack: Stack, cell: str, threads: int) -> Callable[[Array], Prepared]:
    torch.set_num_threads(threads)

    def prepare(vectors: Array) -> Prepared:
        given = torch.from_numpy(vectors)
        states = [torch.from_numpy(stack.zeros(vectors.shape[1])) for _ in STATES[cell]]
        outputs = given

        def run() -> None:
            nonlocal outputs, states
            outputs, *states = stack(given, *states)

        return Prepared(vectors, run, lambda: outputs.numpy())

    return prepare


def export(stack: Stack, cell: str, file: Path) -> None:
    """Exports by TorchScript, which leaves the number of steps open; the newer exporter fixes that of the example."""
    names = STATES[cell]
    last = [f"last_{name}" for name in names]
    axes = {"vectors": {0: "steps", 1: "sessions"}, "outputs": {0: "steps", 1: "sessions"}}
    example = (torch.zeros(5, 2, stack.rnn.input_size), *(torch.from_numpy(stack.zeros(2)) for _ in names))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            stack,
            example,
            file,
            input_names=["vectors", *names],
            output_names=["outputs", *last],
            dynamic_axes=axes | {name: {1: "sessions"} for name in (*names, *last)},
            dynamo=False,
        )


def alternating(
    cell: str,
    zeros: Callable[[], Value],
    bind: Callable[[dict[str, Value], dict[str, Value]], Callable[[], None]],
) -> Callable[[], None]:
    """Two inferences that run in turns, each with the states that the other has left.

    - zeros: makes an initial state.
    - bind: makes an inference from the states that it reads and those that it writes, both by name."""
    names = STATES[cell]
    sides = [[zeros() for _ in names] for _ in range(2)]
    inferences = []
    for before, after in (sides, sides[::-1]):
        last = [f"last_{name}" for name in names]
        inferences.append(bind(dict(zip(names, before, strict=True)), dict(zip(last, after, strict=True))))

    def run() -> None:
        inferences[0]()
        inferences.reverse()

    return run


def onnx(stack: Stack, cell: str, threads: int, file: Path) -> Callable[[Array], Prepared]:
    import onnxruntime
    from onnxruntime import OrtValue

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def prepare(vectors: Array) -> Prepared:
        value = OrtValue.ortvalue_from_numpy
        sessions = vectors.shape[1]
        given, outputs = value(vectors), value(numpy.zeros((*vectors.shape[:2], stack.width), numpy.float32))

        def bind(before: dict[str, OrtValue], after: dict[str, OrtValue]) -> Callable[[], None]:
            binding = session.io_binding()
            for name, tensor in {"vectors": given, **before}.items():
                binding.bind_ortvalue_input(name, tensor)
            for name, tensor in {"outputs": outputs, **after}.items():
                binding.bind_ortvalue_output(name, tensor)
            return lambda: session.run_with_iobinding(binding)

        return Prepared(vectors, alternating(cell, lambda: value(stack.zeros(sessions)), bind), outputs.numpy)

    return prepare


def openvino(stack: Stack, cell: str, threads: int, file: Path) -> Callable[[Array], Prepared]:
    import openvino as ov

    core = ov.Core()
    exported = core.read_model(file)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }

    def prepare(vectors: Array) -> Prepared:
        sessions = vectors.shape[1]
        model = exported.clone()
        state = list(stack.zeros(sessions).shape)
        model.reshape({"vectors": list(vectors.shape)} | {name: state for name in STATES[cell]})
        compiled = core.compile_model(model, "CPU", settings)
        given = ov.Tensor(vectors, shared_memory=True)
        outputs = ov.Tensor(numpy.zeros((*vectors.shape[:2], stack.width), numpy.float32))

        def bind(before: dict[str, ov.Tensor], after: dict[str, ov.Tensor]) -> Callable[[], None]:
            request = compiled.create_infer_request()
            for name, tensor in {"vectors": given, "outputs": outputs, **before, **after}.items():
                request.set_tensor(name, tensor)
            return request.infer

        run = alternating(cell, lambda: ov.Tensor(stack.zeros(sessions)), bind)
        return Prepared(vectors, run, lambda: outputs.data)

    return prepare


class Runner:
    def __init__(self, folder: Path, cell: str, by: str, threads: int) -> None:
        stack = Stack(folder, cell)
        self._features = stack.rnn.input_size
        if by == "eager":
            self._prepare = eager(stack, cell, threads)
        else:
            torch.set_num_threads(1)
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / "stack.onnx"
                export(stack, cell, file)
                self._prepare = {"onnx": onnx, "openvino": openvino}[by](stack, cell, threads, file)
        self._timed: dict[tuple[int, int], tuple[Prepared, Timed]] = {}

    def time(self, sequences: int, steps: int) -> float:
        """Seconds of `steps` steps of `sequences` sequences at once."""
        if (sequences, steps) not in self._timed:
            whole, short = self._random(sequences, steps), self._random(sequences, min(steps, SHORT))
            timed = Timed(whole.run, short.run if steps > SHORT else whole.run)
            self._timed[sequences, steps] = whole, timed
        return self._timed[sequences, steps][1].seconds()

    def outputs(self, vectors: list[list[float]]) -> list[list[float]]:
        """After every vector of one sequence, absorbed at once."""
        prepared = self._prepare(numpy.array(vectors, numpy.float32)[:, None])
        prepared.run()
        return prepared.outputs()[:, 0].tolist()

    def stepped(self, vectors: list[list[float]]) -> list[list[float]]:
        """The same, by one run for each vector."""
        given = numpy.zeros((1, 1, self._features), numpy.float32)
        prepared, rows = self._prepare(given), []
        for vector in vectors:
            given[0, 0] = vector
            prepared.run()
            rows.append(prepared.outputs()[0, 0].tolist())
        return rows

    def _random(self, sequences: int, steps: int) -> Prepared:
        random = numpy.random.default_rng(4)
        return self._prepare(random.standard_normal((steps, sequences, self._features), numpy.float32))


def main() -> None:
    runner = Runner(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
    with torch.inference_mode():
        answer({"time": runner.time, "outputs": runner.outputs, "stepped": runner.stepped})


main()
