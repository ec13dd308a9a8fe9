#!/usr/bin/env python3
"""Turns a published checkpoint into a model folder, and proves that the folder computes what the checkpoint does.

    python Models/training/convert.py best.tar Models/mine
    python Models/training/convert.py pytorch_model.bin Models/mine --tokenizer tokenizer.json --float16

Reads archives of torch.save (.pt, .pth, .bin, .tar), without running what stands in them, and safetensors. The layouts
are those of minGRU-pytorch, the paper's authors (minRNNs), cheind/mingru and PufferLib, recognised by their tensors.

Then a server steps the new folder, by one prefill and one by one, and every output is compared with that of a float64
computation from the original tensors. Exits 1, and says why, if anything is not as it must be; nothing is left behind.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from checkpoints import proof, published
from checkpoints.archive import Refusal, read
from safetensors.torch import save_file
from serving import Refused, serving

BINARY = Path(__file__).resolve().parents[2] / ".build/release/scanstep"
# Of the largest output. Half precision has 11 bits, and errors of a few layers add up.
TOLERANCES = {torch.float32: 1e-4, torch.float16: 3e-2}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path, help="the model's folder to be; its name is the model's")
    parser.add_argument("--layout", choices=published.LAYOUTS, help="if it is not to be recognised")
    parser.add_argument(
        "--normalised-gates", action="store_true", help="of a minLSTM of minRNNs that was trained with use_coeff_norm"
    )
    parser.add_argument(
        "--residual", action=argparse.BooleanOptionalAction, help="of mingru, where the tensors do not show it"
    )
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json to go with the model")
    parser.add_argument("--float16", action="store_true", help="keep half precision: half the size")
    parser.add_argument("--binary", type=Path, default=BINARY, help="the server for the proof; %(default)s")
    parser.add_argument("--no-proof", action="store_true", help="only convert")
    arguments = parser.parse_args()
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
    if not arguments.checkpoint.is_file():
        raise Refusal(f"there is no file {arguments.checkpoint}")
    if arguments.tokenizer and not arguments.tokenizer.is_file():
        raise Refusal(f"there is no file {arguments.tokenizer}")
    original = published.unwrapped(read(arguments.checkpoint))
    options = {"normalised_gates": arguments.normalised_gates, "residual": arguments.residual}
    converted = published.convert(original, arguments.layout, options)
    kind = torch.float16 if arguments.float16 else torch.float32

    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder.parent, prefix=".convert-") as temporary:
        folder = Path(temporary) / arguments.folder.name
        folder.mkdir()
        save_file({name: tensor.to(kind) for name, tensor in converted.tensors.items()}, folder / "model.safetensors")
        config = {name: value for name, value in converted.config.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        if arguments.tokenizer:
            shutil.copy(arguments.tokenizer, folder / "tokenizer.json")
        told = "nothing was proved"
        if not arguments.no_proof:
            with serving(arguments.binary, Path(temporary)) as client:
                largest = proof.difference(original, converted, client, folder.name)
            if not largest <= TOLERANCES[kind]:
                raise Refusal(
                    f"the served model differs from the checkpoint by {largest:.1e} of its largest output, more than "
                    f"{TOLERANCES[kind]:.0e}"
                )
            told = f"proved: {proof.STEPS} steps differ by at most {largest:.1e} of the largest output"
        folder.rename(arguments.folder)
    count = sum(tensor.numel() for tensor in converted.tensors.values())
    return f"{arguments.folder}: {converted.config['cell']} of layout {converted.layout}, {count} parameters; {told}"


if __name__ == "__main__":
    sys.exit(main())
