"""`convert.py`: a checkpoint as its publisher saves it becomes a model that the server steps to the same numbers."""

import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import torch

from .report import Report
from .server import ROOT

sys.path.insert(0, str(ROOT / "Tests/Golden"))

import make_layouts  # noqa: E402

CONVERT = ROOT / "Models/training/convert.py"


def run(binary: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, (_, make, options) in make_layouts.CASES.items():
            torch.manual_seed(5)
            model = make()
            make_layouts.randomise(model)
            weights = {options.get("prefix", "") + key: value for key, value in model.state_dict().items()}
            torch.save(weights, folder / f"{name}.pt")
            _converts(report, binary, folder, f"{name}.pt", *_arguments(options))
        _archives(report, binary, folder)
        _refusals(report, binary, folder)


def _arguments(options: dict) -> list[str]:
    arguments = ["--normalised-gates"] if "normalised_gates" in options else []
    if options.get("hint"):
        arguments.append("--residual" if options["residual"] else "--no-residual")
    return arguments


def _archives(report: Report, binary: Path, folder: Path) -> None:
    """The same tensors in every kind of file."""
    torch.manual_seed(6)
    weights = make_layouts.Authors(lstm=True, kernel=4).state_dict()
    torch.save({"state_dict": weights, "epoch": 3}, folder / "lightning.ckpt")
    torch.save({"model." + key: value for key, value in weights.items()}, folder / "pytorch_model.bin")
    torch.save(weights, folder / "old.pth", _use_new_zipfile_serialization=False)
    for kind in (torch.float16, torch.bfloat16):
        torch.save({key: value.to(kind) for key, value in weights.items()}, folder / f"{kind}.pt".replace("torch.", ""))
    # The authors' archives: a class that only they have, which holds the optimizer beside the model.
    module = types.ModuleType("utils.misc")
    module.AttrDict = type("AttrDict", (dict,), {"__module__": "utils.misc"})
    sys.modules |= {"utils": types.ModuleType("utils"), "utils.misc": module}
    torch.save(module.AttrDict(model=weights, optimizer={"lr": 1e-3}, step=400_000), folder / "ckpt.tar")
    del sys.modules["utils.misc"], sys.modules["utils"]
    policy = {"network." + key: value for key, value in make_layouts.Highway(16, 2).state_dict().items()}
    policy |= {f"encoder.encoder.{key}": value for key, value in torch.nn.Linear(5, 16).state_dict().items()}
    policy |= {f"decoder.decoder.{key}": value for key, value in torch.nn.Linear(16, 4).state_dict().items()}
    policy |= {f"decoder.value_function.{key}": value for key, value in torch.nn.Linear(16, 1).state_dict().items()}
    torch.save(policy, folder / "policy.pt")
    names = ["lightning.ckpt", "pytorch_model.bin", "old.pth", "float16.pt", "bfloat16.pt", "ckpt.tar", "policy.pt"]
    for name in names:
        _converts(report, binary, folder, name)
    _converts(report, binary, folder, "policy.pt", "--float16", into="half")


def _refusals(report: Report, binary: Path, folder: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {folder}/called",)

    weights = make_layouts.Authors().state_dict()
    equal = make_layouts.Stack([6, 6]).state_dict()
    files = {
        "call.tar": ({"model": Call()}, "names posix.system, which is not among"),
        "list.pt": ([1, 2], "holds list; wanted is a state dict"),
        "other.pt": ({"a": torch.ones(1)}, "are of no known layout"),
        "more.pt": (weights | {"layers.0.9.weight": torch.ones(2)}, "no place in the layout minRNNs: layers.0.9.weight"),
        "less.pt": ({k: v for k, v in weights.items() if k != "norm.gamma"}, "tensor norm.weight is missing"),
        "batch.pt": (weights | {"norm.running_mean": torch.ones(16)}, "batch norms are not served"),
        "nan.pt": (weights | {"norm.gamma": torch.full((16,), torch.nan)}, "tensor norm.gamma holds NaN or infinity"),
        "shape.pt": (weights | {"norm.gamma": torch.ones(15)}, "norm.gamma has shape [15], expected [16]"),
        "equal.pt": (equal, "say --residual or --no-residual"),
    }
    for name, (content, reason) in files.items():
        torch.save(content, folder / name)
        _refused(report, binary, folder, name, reason)
    report.check("and nothing of an archive was run", not (folder / "called").exists())
    whole = (folder / "equal.pt").read_bytes()
    (folder / "cut.pt").write_bytes(whole[: len(whole) // 2])
    _refused(report, binary, folder, "cut.pt", "is no checkpoint of torch.save")
    (folder / "text.safetensors").write_text("{}")
    _refused(report, binary, folder, "text.safetensors", "is not a safetensors file")
    _refused(report, binary, folder, "none.pt", "there is no file")


def _converted(binary: Path, folder: Path, name: str, *arguments: str, into: str) -> subprocess.CompletedProcess:
    command = [sys.executable, CONVERT, folder / name, folder / "models" / into, "--binary", binary, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def _converts(report: Report, binary: Path, folder: Path, name: str, *arguments: str, into: str = "") -> None:
    into = into or name.replace(".", "-")
    done = _converted(binary, folder, name, *arguments, into=into)
    proved = done.returncode == 0 and "proved: 40 steps" in done.stdout
    report.check(f"{name} {' '.join(arguments)} is converted and proved", proved, done.stdout + done.stderr)


def _refused(report: Report, binary: Path, folder: Path, name: str, reason: str) -> None:
    done = _converted(binary, folder, name, into="refused")
    report.equal(f"{name} is refused", done.returncode, 1)
    report.check(f"and it is said why of {name}", reason in done.stderr, done.stderr)
    report.check(f"and nothing is left of {name}", not (folder / "models/refused").exists())
