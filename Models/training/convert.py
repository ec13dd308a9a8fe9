#!/usr/bin/env python3
"""Converts a published checkpoint to a model folder, and proves that the folder computes the same outputs.

    python Models/training/convert.py best.tar Models/mine
    python Models/training/convert.py pytorch_model.bin Models/mine --tokenizer tokenizer.json --float16
    python Models/training/convert.py downloads/mingru-lm Models/mine
    python Models/training/convert.py lstm.pt Models/mine --set stack=decoder --set output=fc

Reads archives of torch.save (.pt, .pth, .bin, .tar) without running code from them, safetensors, and folders as
Hugging Face's libraries write them: one file of weights or shards, and a tokenizer.json. The layouts are those of
minGRU-pytorch, the paper's authors (minRNNs), cheind/mingru and PufferLib, recognised by their tensors under any common
prefix; nn.GRU, nn.LSTM and nn.RNN alone or inside a module, under any names; and ParaGRU and ParaLSTM of pararnn-torch
and ml-pararnn. --set gives what the tensors leave open, in the words of a config.json.

Then a server runs the new folder, in one prefill and step by step, and every output is compared with a float64
computation from the original tensors. On any failure it prints the reason, leaves no folder, and exits 1.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from checkpoints import folder as source_folder
from checkpoints import proof, published
from checkpoints.archive import Refusal
from safetensors.torch import save_file
from serving import Refused, serving

BINARY = Path(__file__).resolve().parents[2] / ".build/release/scanstep"
# As fractions of the largest output. Half precision has 11 bits, and errors of a few layers add up.
TOLERANCES = {torch.float32: 1e-4, torch.float16: 3e-2}


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a file of weights, or a folder with one")
    parser.add_argument("folder", type=Path, help="the model folder to write; its name is the model's")
    parser.add_argument("--layout", choices=published.LAYOUTS, help="default: recognised by the tensors")
    parser.add_argument(
        "--normalised-gates", action="store_true", help="for a minLSTM of minRNNs trained with use_coeff_norm"
    )
    parser.add_argument(
        "--residual", action=argparse.BooleanOptionalAction, help="for mingru, where the tensors do not show it"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="WORD=VALUE", help="a word of config.json, as in tied=true"
    )
    parser.add_argument("--prefix", help="take only tensors whose names begin so, as in ema_model.")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json for the model, instead of the folder's")
    parser.add_argument("--no-tokenizer", action="store_true", help="leave out the folder's tokenizer.json")
    parser.add_argument("--float16", action="store_true", help="keep half precision: half the size")
    parser.add_argument("--binary", type=Path, default=BINARY, help="the server for the proof; %(default)s")
    parser.add_argument("--no-proof", action="store_true", help="only convert")
    arguments = parser.parse_args(words)
    try:
        print(run(arguments))
    except (Refusal, Refused) as refusal:
        print(f"convert: {refusal}", file=sys.stderr)
        return 1
    return 0


def run(arguments: argparse.Namespace) -> str:
    if arguments.folder.exists():
        raise Refusal(f"{arguments.folder} is there already")
    if not arguments.no_proof and not arguments.binary.is_file():
        raise Refusal(f"{arguments.binary} is not built: `swift build -c release` builds it, --no-proof goes without")
    if not arguments.checkpoint.exists():
        raise Refusal(f"there is no file or folder {arguments.checkpoint}")
    if arguments.tokenizer and not arguments.tokenizer.is_file():
        raise Refusal(f"there is no file {arguments.tokenizer}")
    hints = source_folder.hints(arguments.checkpoint) if arguments.checkpoint.is_dir() else {}
    original = source_folder.weights(arguments.checkpoint)
    options = _options(arguments, hints)
    layout, original = published.recognised(original, options.pop("layout", None), arguments.prefix)
    converted = published.convert(original, layout, options)
    kind = torch.float16 if arguments.float16 else torch.float32

    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder.parent, prefix=".convert-") as temporary:
        folder = Path(temporary) / arguments.folder.name
        folder.mkdir()
        save_file({name: tensor.to(kind) for name, tensor in converted.tensors.items()}, folder / "model.safetensors")
        # save_file makes it readable by its owner alone, and the server may be another user.
        (folder / "model.safetensors").chmod(0o644)
        (folder / "config.json").write_text(json.dumps(converted.config, indent=2) + "\n")
        for name, file in _tokenizer(arguments).items():
            shutil.copyfile(file, folder / name)
        outcome = "nothing was proved"
        if not arguments.no_proof:
            with serving(arguments.binary, Path(temporary)) as client:
                largest = proof.difference(original.tensors, converted, client, folder.name)
            if not largest <= TOLERANCES[kind]:
                raise Refusal(
                    f"the served model differs from the checkpoint by {largest:.1e} of its largest output, more than "
                    f"{TOLERANCES[kind]:.0e}"
                )
            outcome = f"proved: {proof.STEPS} steps differ by at most {largest:.1e} of the largest output"
        folder.rename(arguments.folder)
    count = sum(tensor.numel() for tensor in converted.tensors.values())
    if not hints and (arguments.checkpoint / "config.json").is_file():
        outcome += "; config.json is not Scanstep's and was not used"
    return f"{arguments.folder}: {converted.cell} of layout {converted.layout}, {count} parameters; {outcome}"


def _options(arguments: argparse.Namespace, hints: dict[str, object]) -> dict[str, object]:
    """The words of a config.json: the checkpoint's own, those of --set, and options that stand for words."""
    options = dict(hints)
    for setting in arguments.set:
        word, equals, value = setting.partition("=")
        if not equals:
            raise Refusal(f"--set takes WORD=VALUE, as in tied=true, and not {setting}")
        try:
            options[word] = json.loads(value)
        except ValueError:
            options[word] = value
    options |= {"layout": arguments.layout} if arguments.layout else {}
    options |= {"normalised_gates": True} if arguments.normalised_gates else {}
    return options | ({} if arguments.residual is None else {"residual": arguments.residual})


def _tokenizer(arguments: argparse.Namespace) -> dict[str, Path]:
    """The tokenizer's files, by their names in the model folder."""
    if arguments.tokenizer:
        return {"tokenizer.json": arguments.tokenizer}
    names = ("tokenizer.json", "tokenizer_config.json")
    there = {name: arguments.checkpoint / name for name in names if (arguments.checkpoint / name).is_file()}
    return there if "tokenizer.json" in there and not arguments.no_tokenizer else {}


if __name__ == "__main__":
    sys.exit(main())
