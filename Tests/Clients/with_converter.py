"""`convert.py`: a checkpoint as its publisher saves it becomes a model folder that gives the same outputs."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import types
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file, save_file, save_model

from .report import Report
from .server import ROOT

sys.path[:0] = [str(ROOT / "Tests/Golden"), str(ROOT / "Models/training")]

import bad_cells  # noqa: E402
import cell_models  # noqa: E402
import convert  # noqa: E402
import make_cells  # noqa: E402
import make_layouts  # noqa: E402


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
        _cells(report, binary, folder)
        _without_biases(report, binary, folder)
        _words(report, binary, folder)
        _bad_cells(report, binary, folder)
        _archives(report, binary, folder)
        _folders(report, binary, folder)
        _prefixes(report, binary, folder)
        _refusals(report, binary, folder)
        _program(report, binary, folder)


def _arguments(options: dict) -> list[str]:
    arguments = ["--normalised-gates"] if "normalised_gates" in options else []
    if options.get("hint"):
        arguments.append("--residual" if options["residual"] else "--no-residual")
    return arguments


def _cells(report: Report, binary: Path, folder: Path) -> None:
    """Stacks and cells of PyTorch and ParaRNN's cells: as they are saved, behind prefixes, and in half precision."""
    for name, case in make_cells.CASES.items():
        torch.manual_seed(5)
        model = case.make()
        cell_models.randomise(model)
        weights = model.saved()
        said = [f"--set={word}={json.dumps(case.words[word])}" for word in case.said]
        torch.save(weights, folder / f"cell-{name}.pt")
        done = _converts(report, binary, folder, f"cell-{name}.pt", *said)
        if done.status:
            continue
        report.check(f"and the layout of {name} is named", f"of layout {case.layout}," in done.output, done.output)
        config = json.loads((folder / f"models/cell-{name}-pt/config.json").read_text())
        kept, words = ({word: words.get(word, "none") for word in case.said} for words in (config, case.words))
        report.equal(f"and what was said of {name} is written down", kept, words)
        if not case.said:
            torch.save({"net." + key: value for key, value in weights.items()}, folder / f"cell-{name}.bin")
            _converts(report, binary, folder, f"cell-{name}.bin")
        if name in ("gru", "token-lstm", "lstm-projection", "paragru-apple"):
            torch.save({"state_dict": weights, "epoch": 1}, folder / f"cell-{name}.ckpt")
            _converts(report, binary, folder, f"cell-{name}.ckpt", "--float16")


def _without_biases(report: Report, binary: Path, folder: Path) -> None:
    """Cells of pararnn-torch whose maps of the input have no biases."""
    for name in ("paragru-torch", "paralstm-torch"):
        torch.manual_seed(13)
        model = make_cells.CASES[name].make()
        cell_models.randomise(model)
        weights = {key: value for key, value in model.saved().items() if not key.endswith("W_x.bias")}
        torch.save(weights, folder / f"unbiased-{name}.pt")
        _converts(report, binary, folder, f"unbiased-{name}.pt")


def _words(report: Report, binary: Path, folder: Path) -> None:
    """Words of a config.json, in the checkpoint's folder and by --set."""
    torch.manual_seed(9)
    stacks = {"encoder": torch.nn.LSTM(5, 8), "decoder": torch.nn.LSTM(5, 8), "fc": torch.nn.Linear(8, 3)}
    weights = {f"{name}.{key}": value for name, part in stacks.items() for key, value in part.state_dict().items()}
    place = folder / "two-stacks"
    place.mkdir()
    torch.save(weights, place / "pytorch_model.bin")
    _refused(report, binary, folder, "two-stacks", '"decoder", "encoder"')
    (place / "config.json").write_text('{"layout": "torch", "stack": "encoder", "output": null}')
    _converts(report, binary, folder, "two-stacks", into="encoder")
    _converts(report, binary, folder, "two-stacks", "--set=stack=decoder", "--set=output=fc", into="decoder")
    for into, names in (("encoder", {"encoder"}), ("decoder", {"decoder", "fc"})):
        found = {name.split(".")[0] for name in load_file(folder / f"models/{into}/model.safetensors")}
        report.equal(f"{into} has its own tensors alone", found, names)
    _converts(report, binary, folder, "two-stacks/pytorch_model.bin", "--prefix", "encoder.", into="by-prefix")
    _roles(report, binary, folder)
    _aliases(report, binary, folder)
    for setting, reason in (
        ("tied", "--set takes WORD=VALUE"),
        ("residual=true", "there is no word residual"),
        ("tied=1", "tied must be one of true, false"),
        ("stack=null", "stack must be the name of a module"),
        ("input=3", "input must be the name of a module, or null"),
        ("output=[]", "output must be the name of a module, an array of names, or null"),
        ("output=value", 'no linear map or embedding "value"'),
        ("outputs=probabilities", "outputs must be one of logits, vectors"),
        ("outputs=logits", "outputs are said to be logits"),
        ("tied=true", "tied is a word for an embedding"),
    ):
        _refused(report, binary, folder, "two-stacks", reason, f"--set={setting}")


def _roles(report: Report, binary: Path, folder: Path) -> None:
    """Modules whose roles follow from words of a config.json, from their names or from their shapes."""
    gru, square = torch.nn.GRU(4, 6), torch.nn.GRU(6, 6)
    head = torch.nn.Linear(6, 9)
    parts: dict[str, tuple[dict[str, torch.nn.Module], list[str], dict[str, object]]] = {
        "stack-alone": (
            {"emb": torch.nn.Embedding(9, 4), "rnn": gru, "fc": head}, ["stack=rnn"], {"input": None, "output": None}
        ),
        "one-head": ({"rnn": gru, "policy": head, "value": torch.nn.Linear(6, 1)}, ["output=policy"], {"input": None}),
        "square-head": ({"rnn": square, "fc": torch.nn.Linear(6, 6)}, [], {"input": None, "output": "fc"}),
        "inside": ({"model": gru, "model.fc": head}, [], {"stack": "model", "output": "model.fc"}),
        "tied-decoder": ({"rnn": square, "decoder": head}, ["tied=true"], {"input": "decoder", "outputs": "logits"}),
        "tied-embedding": (
            {"emb": torch.nn.Embedding(9, 6), "rnn": square, "fc": head}, ["tied=true"], {"outputs": "logits"}
        ),
        "named-twice": (
            {"emb": torch.nn.Embedding(9, 6), "rnn": square}, ["input=emb", "output=emb"],
            {"input": "emb", "output": "emb", "outputs": "logits"},
        ),
    }
    for name, (modules, said, expected) in parts.items():
        weights = {f"{key}.{end}": value for key, part in modules.items() for end, value in part.state_dict().items()}
        if name == "tied-embedding":
            del weights["fc.weight"]
        torch.save(weights, folder / f"roles-{name}.pt")
        words = [f"--set={word}" for word in said]
        if _converts(report, binary, folder, f"roles-{name}.pt", *words).status:
            continue
        config = json.loads((folder / f"models/roles-{name}-pt/config.json").read_text())
        report.equal(f"and the roles of {name}", {word: config[word] for word in expected}, expected)


def _aliases(report: Report, binary: Path, folder: Path) -> None:
    """safetensors' save_model writes a shared matrix under one of its names, and notes the other in the metadata."""
    torch.manual_seed(12)
    parts = {"encoder": torch.nn.Embedding(9, 6), "rnn": torch.nn.GRU(6, 6), "decoder": torch.nn.Linear(6, 9)}
    model = torch.nn.ModuleDict({"net": torch.nn.ModuleDict(parts)})
    model["net"]["decoder"].weight = model["net"]["encoder"].weight
    save_model(model["net"], str(folder / "shared.safetensors"))
    save_model(model, str(folder / "shared-net.safetensors"))
    for name, prefix in (("shared.safetensors", ""), ("shared-net.safetensors", "net.")):
        words = ["--prefix", prefix] if prefix else []
        _refused(report, binary, folder, name, f"{prefix}encoder.weight is the matrix of decoder", *words)
        for word in ("tied=true", "output=decoder"):
            _converts(report, binary, folder, name, *words, f"--set={word}", into=f"{name}-{word}")


def _bad_cells(report: Report, binary: Path, folder: Path) -> None:
    for name, case in bad_cells.CASES.items():
        bad, file = case(), f"bad-{name}.pt"
        torch.manual_seed(10)
        weights = {key: torch.randn(shape) for key, shape in bad.shapes.items()}
        for key, value in bad.values.items():
            weights[key].view(-1)[0] = value
        weights |= {key: weights[key].half() for key in bad.half}
        torch.save(weights, folder / file)
        said = [f"--set={word}={json.dumps(value)}" for word, value in (bad.config or {}).items()]
        if bad.converts:
            _converts(report, binary, folder, file, *said)
            continue
        for words in bad.words:
            _refused(report, binary, folder, file, words, *said)


def _archives(report: Report, binary: Path, folder: Path) -> None:
    """The same tensors in every kind of file."""
    torch.manual_seed(6)
    weights = make_layouts.Authors(lstm=True, kernel=4).state_dict()
    torch.save({"state_dict": weights, "epoch": 3}, folder / "lightning.ckpt")
    torch.save({"model." + key: value for key, value in weights.items()}, folder / "pytorch_model.bin")
    torch.save(weights, folder / "old.pth", _use_new_zipfile_serialization=False)
    for kind in (torch.float16, torch.bfloat16):
        torch.save({key: value.to(kind) for key, value in weights.items()}, folder / f"{kind}.pt".replace("torch.", ""))
    # The authors' archives: a class of their own, which holds the optimizer beside the model.
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


FOREIGN = json.dumps({"architectures": ["MinLSTM"], "model_type": "minlstm", "torch_dtype": "float32"})
"""A config.json of another library."""


def _folders(report: Report, binary: Path, folder: Path) -> None:
    """Folders as Hugging Face's libraries write them."""
    torch.manual_seed(7)
    weights = {"net." + key: value.clone() for key, value in make_layouts.Authors(lstm=True).state_dict().items()}
    names = sorted(weights)
    halves = [{name: weights[name] for name in names[part::2]} for part in range(2)]
    make = partial(_make_folder, folder, halves)
    make("hub", "safetensors", "model", False)
    make("hub-bin", "bin", "pytorch_model", False)
    torch.save({"lr": 1}, folder / "hub-bin/training_args.bin")
    make("hub-shards", "safetensors", "sharded model", True)
    make("hub-bin-shards", "bin", "sharded pytorch_model", True)
    make("shards", "safetensors", "sharded model", False, None)
    make("trainer", "ckpt", "last", False, None)
    for name in ("hub", "hub-bin", "hub-shards", "hub-bin-shards", "shards", "trainer"):
        done = _converts(report, binary, folder, name, into=f"from-{name}")
        if name.startswith("hub"):
            named = "config.json is not Scanstep's" in done.output
            report.check(f"and the config.json of {name} is named", named, done.output)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (folder / "models/from-hub").iterdir()}
    report.check("all users may read its files", all(mode & 0o044 == 0o044 for mode in modes.values()), modes)
    make("hinted", "safetensors", "model", False, '{"layout": "minRNNs", "normalised_gates": true}')
    _hinted(report, binary, folder)
    _broken_folders(report, binary, folder, halves[0])


def _make_folder(
    folder: Path, halves: list[dict], name: str, ending: str, stem: str, index: bool, config: str | None = FOREIGN
) -> None:
    """Writes both halves of the weights as one file, or as shards where `stem` begins with "sharded "."""
    place = folder / name
    place.mkdir()
    save = save_file if ending == "safetensors" else torch.save
    if stem.startswith("sharded "):
        stem = stem.removeprefix("sharded ")
        files = [f"{stem}-{part:05}-of-00002.{ending}" for part in (1, 2)]
        for half, file in zip(halves, files, strict=True):
            save(half, place / file)
        if index:
            weight_map = {key: file for half, file in zip(halves, files, strict=True) for key in half}
            text = json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map})
            (place / f"{stem}.{ending}.index.json").write_text(text)
    else:
        save(halves[0] | halves[1], place / f"{stem}.{ending}")
    if config is not None:
        (place / "config.json").write_text(config)


def _hinted(report: Report, binary: Path, folder: Path) -> None:
    """A folder with a config.json of Scanstep's."""
    hinted = folder / "hinted"
    _converts(report, binary, folder, "hinted", into="from-hinted")
    config = json.loads((folder / "models/from-hinted/config.json").read_text())
    report.equal("hints of Scanstep's config.json are taken", config["cell"], "minLSTM")
    (hinted / "tokenizer.json").write_text('{"kind": "characters", "characters": []}')
    _refused(report, binary, folder, "hinted", "tokenizer.json")
    _converts(report, binary, folder, "hinted", "--no-tokenizer", into="without-tokenizer")
    (hinted / "config.json").write_text('{"layout": "minGRU"}')
    _refused(report, binary, folder, "hinted", "layout must be one of minGRU-pytorch")
    (hinted / "config.json").write_text('{"cell": "minGRU", "order": "paper"}')
    _refused(report, binary, folder, "hinted", "is a model folder of Scanstep's already")
    (hinted / "config.json").write_text("{")
    _refused(report, binary, folder, "hinted", "config.json is not JSON")


def _broken_folders(report: Report, binary: Path, folder: Path, half: dict[str, torch.Tensor]) -> None:
    """Folders whose weights are incomplete or ambiguous."""
    for source, name, change, reason in (
        ("hub-shards", "lost-one", lambda it: (it / "model-00002-of-00002.safetensors").unlink(), "not in the folder"),
        ("shards", "lost-part", lambda it: (it / "model-00001-of-00002.safetensors").unlink(), "lacks shard 1 of 2"),
        ("hub-shards", "no-index", lambda it: _index(it).write_text("[]"), "is no index of shards"),
        ("hub-shards", "outside", lambda it: _point(it, "../x.safetensors"), "which is not a file of its folder"),
        ("hub-shards", "untrue", lambda it: _point(it, "model-00001-of-00002.safetensors"), "which no shard holds"),
        ("trainer", "two", lambda it: shutil.copy(it / "last.ckpt", it / "best.ckpt"), "more than one checkpoint"),
        ("trainer", "nothing", lambda it: (it / "last.ckpt").unlink(), "holds no weights"),
    ):
        shutil.copytree(folder / source, folder / name)
        change(folder / name)
        _refused(report, binary, folder, name, reason)
    shutil.copytree(folder / "shards", folder / "doubled")
    save_file(half, folder / "doubled/model-00002-of-00002.safetensors")
    _refused(report, binary, folder, "doubled", "and in another shard")


def _index(folder: Path) -> Path:
    return folder / "model.safetensors.index.json"


def _point(folder: Path, file: str) -> None:
    """Adds to the index a tensor that no shard holds, in `file`."""
    index = json.loads(_index(folder).read_text())
    index["weight_map"]["net.more"] = file
    _index(folder).write_text(json.dumps(index))


def _prefixes(report: Report, binary: Path, folder: Path) -> None:
    torch.manual_seed(8)
    weights = make_layouts.Authors().state_dict()

    def save(name: str, *parts: tuple[str, dict]) -> None:
        torch.save({before + key: value for before, part in parts for key, value in part.items()}, folder / name)

    for number, prefix in enumerate(("net.", "lm.", "model.net.", "_orig_mod.module.", "layers.0.")):
        save(f"prefix{number}.pt", (prefix, weights))
        _converts(report, binary, folder, f"prefix{number}.pt")
    save("ema.pt", ("model.", weights), ("ema_model.", weights))
    _refused(report, binary, folder, "ema.pt", 'minRNNs behind "ema_model.", minRNNs behind "model."')
    _converts(report, binary, folder, "ema.pt", "--prefix", "ema_model.")
    save("loss.pt", ("net.", weights), ("", {"loss.weight": torch.ones(2)}))
    _refused(report, binary, folder, "loss.pt", "others are not of it (loss.weight): --prefix net.")
    _converts(report, binary, folder, "loss.pt", "--prefix", "net.")
    _refused(report, binary, folder, "loss.pt", 'no tensor has a name that begins with "x."', "--prefix", "x.")


def _refusals(report: Report, binary: Path, folder: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {folder}/called",)

    weights = make_layouts.Authors().state_dict()
    equal = make_layouts.Stack([6, 6]).state_dict()
    files = {
        "call.tar": ({"model": Call()}, "names posix.system, which is not among"),
        "whole.pt": (torch.nn.Linear(2, 2), "whole pickled module"),
        "numpy.pt": ({"model": weights, "loss": numpy.float32(1)}, "save the state_dict() alone: torch.save("),
        "list.pt": ([1, 2], "holds list; wanted is a state dict"),
        "other.pt": ({"a": torch.ones(1)}, "are of no known layout"),
        "more.pt": (weights | {"layers.0.9.weight": torch.ones(2)}, "no place in the layout minRNNs: layers.0.9.weight"),
        "less.pt": ({k: v for k, v in weights.items() if k != "norm.gamma"}, "tensor norm.weight is missing"),
        "batch.pt": (weights | {"norm.running_mean": torch.ones(16)}, "batch norms are not served"),
        "nan.pt": (weights | {"norm.gamma": torch.full((16,), torch.nan)}, "tensor norm.gamma holds NaN or infinity"),
        "int8.pt": (
            {key: value.to(torch.int8) for key, value in torch.nn.GRU(4, 6).state_dict().items()},
            "tensor weight_ih_l0 has type int8, expected a float type",
        ),
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
    for name in ("pointer.pt", "pointer.safetensors"):
        (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4000000\n")
        _refused(report, binary, folder, name, "is a pointer of Git LFS, not the weights")
    _refused(report, binary, folder, "none.pt", "there is no file")
    torch.jit.script(torch.nn.Linear(2, 2)).save(folder / "script.pt")
    _refused(report, binary, folder, "script.pt", "is an archive of TorchScript")


@dataclass
class Done:
    status: int
    output: str
    errors: str


def _converted(binary: Path, folder: Path, name: str, *arguments: str, into: str) -> Done:
    """Runs the program in this process, since importing torch each time would take longer than the rest."""
    words = [str(folder / name), str(folder / "models" / into), "--binary", str(binary), *arguments]
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
        status = convert.main(words)
    return Done(status, output.getvalue(), errors.getvalue())


def _program(report: Report, binary: Path, folder: Path) -> None:
    """The same in a process of its own."""
    for name, status in (("float16.pt", 0), ("none.pt", 1)):
        command = [sys.executable, convert.__file__, folder / name, folder / "models/program", "--binary", binary]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        report.equal(f"the program's status for {name}", done.returncode, status)
        report.check(f"and its words for {name}", (done.stderr if status else done.stdout).count("\n") == 1, done)


def _converts(report: Report, binary: Path, folder: Path, name: str, *arguments: str, into: str = "") -> Done:
    into = into or name.replace(".", "-")
    done = _converted(binary, folder, name, *arguments, into=into)
    proved = done.status == 0 and "proved: 40 steps" in done.output
    report.check(f"{name} {' '.join(arguments)} is converted and proved", proved, done.output + done.errors)
    return done


def _refused(report: Report, binary: Path, folder: Path, name: str, reason: str, *arguments: str) -> None:
    done = _converted(binary, folder, name, *arguments, into="refused")
    report.equal(f"{name} is refused", done.status, 1)
    report.check(f"and the reason for {name} is printed", reason in done.errors, done.errors)
    report.check(f"and nothing is left of {name}", not (folder / "models/refused").exists())
