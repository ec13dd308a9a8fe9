"""A model's identity, computed anew from its folder as `ModelIdentity` in Sources/Recurrent describes it.

    python -m Clients.identity FOLDER [SCAN [WEIGHTS]]
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

NUMERICS = 2
PARTS = ("numerics", "scan", "weights", "architecture", "tensors")


def parts(folder: Path, scan: str = "exact", weights: str | None = None) -> dict[str, str]:
    """The parts of the identity of a model with a `config.json` of its own; `weights` None is what the file has."""
    entries, data = _file(folder / "model.safetensors")
    matrices = [
        entry["dtype"]
        for name, entry in entries.items()
        if len(entry["shape"]) > 1 and not name.endswith(("embedding.weight", ".conv.weight"))
    ]
    native = "f16" if all(kind == "F16" for kind in matrices) else "f32"
    words = _words(json.loads((folder / "config.json").read_text()))
    architecture = "".join(f"{word}={value}\n" for word, value in words)
    values = (
        str(NUMERICS),
        scan,
        weights or native,
        hashlib.sha256(architecture.encode()).hexdigest(),
        _tensors(entries, data),
    )
    return dict(zip(PARTS, values, strict=True))


def fingerprint(identity: dict[str, str]) -> str:
    """The digest of an identity's text."""
    return hashlib.sha256(" ".join(f"{part}={identity[part]}" for part in PARTS).encode()).hexdigest()


def _file(path: Path) -> tuple[dict, memoryview]:
    whole = memoryview(path.read_bytes())
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(bytes(whole[8 : 8 + length]))
    header.pop("__metadata__", None)
    return header, whole[8 + length :]


def _tensors(entries: dict, data: memoryview) -> str:
    sha = hashlib.sha256()
    for name in sorted(entries, key=str.encode):
        entry = entries[name]
        if entry["dtype"] not in ("F32", "F16", "BF16"):
            continue
        shape = ",".join(map(str, entry["shape"]))
        sha.update(f"{len(name.encode())} {name} {entry['dtype']} [{shape}]\n".encode())
        sha.update(data[slice(*entry["data_offsets"])])
    return sha.hexdigest()


def _words(config: dict) -> list[tuple[str, str]]:
    def word(value: object) -> str:
        if isinstance(value, list):
            return ",".join(map(str, value))
        return value if isinstance(value, str) else json.dumps(value)

    def part(name: str, **defaults: object) -> list[tuple[str, str]]:
        shape = config.get(name)
        if shape is None:
            return [(name, "null")]
        return [(f"{name}.{key}", word(shape.get(key, default))) for key, default in defaults.items()]

    top = {"inner_width": config["width"], "layer_widths": None}
    names = ("cell", "candidate", "order", "layers", "width", "inner_width", "layer_widths")
    words = [("layout", "null")] + [(name, word(config.get(name, top.get(name)))) for name in names]
    norm = config.get("norm")
    if norm is None:
        words.append(("norm", "null"))
    else:
        words += [("norm.kind", norm["kind"]), ("norm.epsilon", struct.pack(">f", norm["epsilon"]).hex())]
    words.append(("final_norm", word(config.get("final_norm", norm is not None))))
    words += part("convolution", kernel=None, pointwise=False)
    words += part("mlp", width=None, activation="gelu")
    inputs = {"tokens": {"vocabulary_size": None}, "vectors": {"size": None, "map": True}}
    outputs = {"logits": {}, "vectors": {"size": None, "map": True}, "probabilities": {"size": None}}
    words += part("input", kind=None, **inputs[config["input"]["kind"]])
    words += part("output", kind=None, **outputs[config["output"]["kind"]])
    return words


if __name__ == "__main__":
    found = parts(Path(sys.argv[1]), *sys.argv[2:])
    print(fingerprint(found), *(f"{name}={value}" for name, value in found.items()))
