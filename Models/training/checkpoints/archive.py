"""Reads the tensors of a checkpoint without running any code of its own.

Archives of `torch.save` are pickles, which may call any function by name. Here every name goes through `_Unpickler`,
which resolves the functions that rebuild tensors, plain containers, and dictionaries whose members are also attributes.
A class without code replaces the latter, whatever their module and name. Any other name is refused.
"""

import collections
import pickle
import re
import types
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

ATTRIBUTE_DICTIONARY = re.compile(r"(?i)^((attr|attribute|easy|dot)_?(dict|dictionary)|namespace|simplenamespace)$")
# Members under which trainers keep a model's tensors.
MODELS = ("model", "state_dict", "model_state_dict", "net", "network")
ALONE = "save the state_dict() alone: torch.save(model.state_dict(), 'weights.pt')"


class Refusal(Exception):
    """The reason why a checkpoint cannot be converted, in one sentence."""


@dataclass
class Checkpoint:
    """The tensors of a checkpoint by name."""

    tensors: dict[str, torch.Tensor]
    aliases: dict[str, str] = field(default_factory=dict)
    """Names whose tensors a file leaves out because they share the memory of one that it has, and the name of that one,
    as safetensors' `save_model` notes in the metadata."""


class AttributeDictionary(dict):
    """Replaces the class that an archive names by a dictionary without code of its own."""

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.update(state)


class _Unpickler(pickle.Unpickler):
    KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("collections", "defaultdict"): collections.defaultdict,
        ("torch", "Size"): torch.Size,
        ("torch", "device"): torch.device,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    }
    PLAIN = {kind.__name__: kind for kind in (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)}

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self.KNOWN:
            return self.KNOWN[module, name]
        if module in ("builtins", "__builtin__") and name in self.PLAIN:
            return self.PLAIN[name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if module in ("torch", "torch.storage") and name.endswith("Storage") and isinstance(getattr(torch, name), type):
            return getattr(torch, name)
        if ATTRIBUTE_DICTIONARY.match(name):
            return AttributeDictionary
        if module.split(".")[0] == "numpy":
            raise Refusal(f"holds values of numpy beside the tensors ({module}.{name}); {ALONE}")
        raise Refusal(
            f"names {module}.{name}, which is not among what a checkpoint may name: tensors, plain containers and "
            f"attribute dictionaries; nothing of it was run. If it is a whole pickled module, or another object of the "
            f"training, load it where its code is, and {ALONE}"
        )


_PICKLE = types.SimpleNamespace(
    Unpickler=_Unpickler,
    load=lambda file, **options: _Unpickler(file, **options).load(),
    UnpicklingError=pickle.UnpicklingError,
    __name__="restricted pickle",
)


LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""The beginning of the file that a repository has in place of one that is stored by Git LFS."""


def read(path: Path) -> Checkpoint:
    """Reads the file at `path`."""
    try:
        with path.open("rb") as file:
            is_pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
    except PermissionError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}") from error
    if is_pointer:
        raise Refusal(f"{path} is a pointer of Git LFS, not the weights; `git lfs pull` in its repository fetches them")
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
                metadata = file.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise Refusal(f"{path} is not a safetensors file: {error}") from error
        return Checkpoint(tensors, {alias: name for alias, name in metadata.items() if name in tensors})
    return Checkpoint(_tensors(path, _unpickled(path)))


def _unpickled(path: Path) -> object:
    try:
        if zipfile.is_zipfile(path) and any(
            name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist()
        ):
            raise Refusal(f"is an archive of TorchScript, a whole module; load it by torch.jit.load, and {ALONE}")
        return torch.load(path, map_location="cpu", pickle_module=_PICKLE, weights_only=False)
    except Refusal as refusal:
        raise Refusal(f"{path} {refusal}") from refusal
    except Exception as error:  # A broken pickle may fail in any way.
        raise Refusal(f"{path} is no checkpoint of torch.save: {_first(error)}") from error


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].split(". ")[0] if lines else type(error).__name__


def _tensors(path: Path, root: object) -> dict[str, torch.Tensor]:
    found = root
    for _ in range(4):
        if not isinstance(found, dict):
            break
        if found and all(isinstance(value, torch.Tensor) for value in found.values()):
            return {str(name): tensor.detach() for name, tensor in found.items()}
        inner = next((name for name in MODELS if isinstance(found.get(name), dict)), None)
        if inner is None:
            break
        found = found[inner]
    kind = f"a dictionary of {', '.join(map(str, list(root)[:6]))}" if isinstance(root, dict) else type(root).__name__
    raise Refusal(f"{path} holds {kind}; wanted is a state dict, alone or as one of {', '.join(MODELS)}: {ALONE}")
