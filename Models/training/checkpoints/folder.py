"""Finds the weights in a folder as Hugging Face's libraries and trainers write it: one file, or indexed shards."""

import json
import re
from pathlib import Path

from .archive import Checkpoint, Refusal, read

ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".tar")
# Other files of trainers with the same endings.
COMPANIONS = re.compile(r"^(training_args|optimizer|scheduler|rng_state).*")
SHARD = re.compile(r"^(.+)-(\d+)-of-(\d+)(\.safetensors|\.bin)$")
# Field names by which a config.json is Scanstep's own, as in ConfigurationOrigin.swift.
OF_HINTS, OF_ARCHITECTURE = ("layout", "normalised_gates"), ("cell", "candidate", "order")


def weights(path: Path) -> Checkpoint:
    """Reads a checkpoint: the file at `path`, or the folder."""
    if not path.is_dir():
        return read(path)
    names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    for whole in ("model.safetensors", "pytorch_model.bin"):
        if whole in names:
            return read(path / whole)
        if f"{whole}.index.json" in names:
            return _indexed(path / f"{whole}.index.json")
    found = [name for name in names if name.endswith(ENDINGS) and not COMPANIONS.match(name)]
    if found and all(SHARD.match(name) for name in found):
        return _shards(path, found)
    if not found:
        raise Refusal(f"{path} holds no weights: no file whose name ends in {', '.join(ENDINGS)}")
    if len(found) > 1:
        raise Refusal(f"{path} holds more than one checkpoint ({', '.join(found[:5])}): give the file that is meant")
    return read(path / found[0])


def _indexed(index: Path) -> Checkpoint:
    """The shards that an index names: {"weight_map": {tensor: file}}."""
    try:
        places = json.loads(index.read_text())["weight_map"].items()
        places = [(str(tensor), str(file)) for tensor, file in places]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f'{index} is no index of shards: wanted is {{"weight_map": {{tensor: file}}}}') from error
    files = sorted({file for _, file in places})
    strange = next((file for file in files if Path(file).name != file), None)
    if strange is not None:
        raise Refusal(f"{index} names {strange}, which is not a file of its folder")
    missing = [file for file in files if not (index.parent / file).is_file()]
    if missing:
        raise Refusal(f"{index} names {', '.join(missing[:5])}: not in the folder; download all shards")
    checkpoint = _joined([index.parent / file for file in files])
    absent = sorted({tensor for tensor, _ in places} - checkpoint.tensors.keys())
    if absent:
        raise Refusal(f"{index} names tensor {absent[0]}, which no shard holds")
    return checkpoint


def _shards(folder: Path, names: list[str]) -> Checkpoint:
    """Joins shards without an index, of which none of the numbering may be missing."""
    parts = [SHARD.match(name).groups() for name in names]
    kinds = {(stem, int(count), ending) for stem, _, count, ending in parts}
    if len(kinds) > 1:
        raise Refusal(f"{folder} holds shards of more than one checkpoint ({names[0]}, {names[-1]}, …)")
    count = kinds.pop()[1]
    there = {int(number) for _, number, _, _ in parts}
    missing = sorted(set(range(1, count + 1)) - there)
    if missing:
        raise Refusal(f"{folder} lacks shard {missing[0]} of {count}; download all shards")
    return _joined([folder / name for name in names])


def _joined(files: list[Path]) -> Checkpoint:
    whole = Checkpoint({})
    for file in files:
        shard = read(file)
        for name, tensor in shard.tensors.items():
            if name in whole.tensors:
                raise Refusal(f"tensor {name} is in {file.name} and in another shard")
            whole.tensors[name] = tensor
        whole.aliases |= shard.aliases
    return whole


def hints(folder: Path) -> dict[str, object]:
    """The fields of a `config.json` of Scanstep's for a published layout: `layout` and what the tensors leave open.
    Empty where the file is not Scanstep's."""
    file = folder / "config.json"
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise Refusal(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict):
        return {}
    if any(name in found for name in OF_HINTS):
        return found
    if sum(name in found for name in OF_ARCHITECTURE) >= 2:
        raise Refusal(f"{folder} is a model folder of Scanstep's already")
    return {}
