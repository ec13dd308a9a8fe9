"""The recurrences of minGRU and minLSTM over whole sequences, in linear space, from h = 0, with gradients.

`min_gru` and `min_lstm` take pre-activations of shape (time, batch, channels) and give h of the same shape. On a CPU
they run in scan.c, compiled when first needed; on an accelerator as a scan in log2(time) rounds. The paper trains in
log space (its appendix B); in linear space the same recurrence is cheaper and more exact, for the coefficients sum to
one.
"""

import concurrent.futures
import ctypes
import functools
import hashlib
import os
import pathlib
import platform
import subprocess
import tempfile

import torch
import torch.nn.functional as F

SOURCE = pathlib.Path(__file__).with_name("scan.c")


def activated(x: torch.Tensor, log_space: bool) -> torch.Tensor:
    """The candidate's activation: g of the paper's appendix B, or none."""
    return torch.where(x >= 0, x + 0.5, torch.sigmoid(x)) if log_space else x


def share(forget: torch.Tensor, enter: torch.Tensor) -> torch.Tensor:
    """i / (f + i) of the sigmoids of minLSTM's gates, which may both be too small for a float: how far h goes to its
    candidate."""
    return torch.sigmoid(logit(forget, enter))


def logit(forget: torch.Tensor, enter: torch.Tensor) -> torch.Tensor:
    """a of i / (f + i) = σ(a)."""
    return F.logsigmoid(enter) - F.logsigmoid(forget)


def min_gru(gate: torch.Tensor, candidate: torch.Tensor, log_space: bool = True) -> torch.Tensor:
    """h_t = h_{t-1} + σ(gate_t) (g(candidate_t) - h_{t-1})."""
    if gate.is_cpu:
        return _InC.apply("min_gru", log_space, gate, candidate)
    return doubling(torch.sigmoid(gate), activated(candidate, log_space))


def min_lstm(
    forget: torch.Tensor, enter: torch.Tensor, candidate: torch.Tensor, log_space: bool = True
) -> torch.Tensor:
    """h_t = f'_t h_{t-1} + i'_t g(candidate_t), with the gates' sigmoids normalised to a sum of one."""
    if forget.is_cpu:
        return _InC.apply("min_lstm", log_space, forget, enter, candidate)
    return doubling(share(forget, enter), activated(candidate, log_space))


def doubling(z: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
    """h_t = (1 - z_t) h_{t-1} + z_t candidate_t by a scan that doubles its reach each round."""
    keep, hidden = 1 - z, z * candidate
    reach = 1
    while reach < z.shape[0]:
        hidden = torch.cat((hidden[:reach], torch.addcmul(hidden[reach:], keep[reach:], hidden[:-reach])))
        keep = torch.cat((keep[:reach], keep[reach:] * keep[:-reach]))
        reach *= 2
    return hidden


class _InC(torch.autograd.Function):
    @staticmethod
    def forward(ctx, name, log_space, *inputs):
        assert all(x.dtype == torch.float32 for x in inputs), "scan.c takes float32"
        inputs = [x.contiguous() for x in inputs]
        hidden = torch.empty_like(inputs[0])
        start = torch.zeros_like(hidden[0])
        _run(name, [*inputs, start, hidden], log_space)
        ctx.name, ctx.log_space = name, log_space
        ctx.save_for_backward(*inputs, start, hidden)
        return hidden

    @staticmethod
    def backward(ctx, gradient):
        saved = ctx.saved_tensors
        found = [torch.empty_like(x) for x in saved[:-2]]
        carry = torch.zeros_like(saved[-2])
        _run(ctx.name + "_gradient", [*saved, gradient.contiguous(), *found, carry], ctx.log_space)
        return None, None, *found


def _run(name, arrays, log_space):
    """Calls scan.c with the columns split over as many threads as PyTorch has."""
    time, columns = arrays[0].shape[0], arrays[0][0].numel()
    function, pointers = getattr(_library(), name), [ctypes.c_void_p(x.data_ptr()) for x in arrays]
    threads = torch.get_num_threads()
    cuts = [columns * n // threads // 16 * 16 for n in range(threads)] + [columns]

    def part(n):
        sizes = [ctypes.c_long(value) for value in (time, columns, cuts[n], cuts[n + 1])]
        function(*pointers, ctypes.c_int(log_space), *sizes)

    list(_threads(threads).map(part, range(threads))) if threads > 1 else part(0)


@functools.cache
def _threads(count):
    return concurrent.futures.ThreadPoolExecutor(count)


def _processor():
    """Identifies this processor's instructions, since machines may share the folder of the compiled file."""
    about = pathlib.Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    return [platform.machine(), platform.node(), *sorted({x for x in lines if x.startswith(("flags", "Features"))})]


@functools.cache
def _library():
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    digest = hashlib.sha256(SOURCE.read_bytes() + repr([flags, _processor()]).encode()).hexdigest()[:16]
    built = SOURCE.parent / "__pycache__" / f"scan-{digest}.so"
    if not built.exists():
        built.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as folder:
            fresh = pathlib.Path(folder) / "scan.so"
            subprocess.run([os.environ.get("CC", "cc"), *flags, SOURCE, "-o", fresh, "-lm"], check=True)
            fresh.replace(built)  # Atomic, since two runs may begin at once.
    return ctypes.CDLL(str(built))
