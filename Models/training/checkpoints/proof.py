"""Proves a converted model: a server steps it, and the reference recomputes the checkpoint that it was made of."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import torch

from . import reference
from .archive import Refusal
from .published import Converted, Tensors

LISTENING = "scanstep: listening on "
STEPS, STEPPED = 40, 10


@contextlib.contextmanager
def serving(binary: Path, models: Path) -> Iterator[str]:
    """Starts a server of the folder on a free port, gives its address and ends it."""
    command = [str(binary), "serve", "--models", str(models), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = next((line for line in process.stdout if line.startswith(LISTENING)), None)
            if line is None:
                raise Refusal(f"the server does not take the model: {process.stderr.read().strip()}")
            yield line.removeprefix(LISTENING).strip()
        finally:
            process.terminate()


def difference(original: Tensors, converted: Converted, server: str, model: str) -> float:
    """The largest difference of any output, by one prefill and by steps, as a part of the largest output."""
    source = torch.Generator().manual_seed(7)
    if converted.config["input"]["kind"] == "tokens":
        inputs = torch.randint(0, converted.config["input"]["vocabulary_size"], (STEPS,), generator=source)
        name, field = "tokens", "token"
    else:
        inputs = torch.randn(STEPS, converted.config["input"]["size"], generator=source)
        name, field = "vectors", "vector"
    wanted = reference.outputs(converted.layout, original, inputs, converted.options)
    values = "logits" if converted.config["output"]["kind"] == "logits" else "vector"
    ask = {"logits": True} if values == "logits" else {}

    body = {"model": model, "sequences": [{name: inputs.tolist()}], "return": "all"} | ask
    found = [output[values] for output in _post(server, "/v1/prefill", body)["results"][0]["outputs"]]
    session = _post(server, "/v1/sessions", {"model": model})["id"]
    stepped = [
        _post(server, f"/v1/sessions/{session}/step", {field: step} | ask)["output"][values]
        for step in inputs[:STEPPED].tolist()
    ]
    if stepped != found[:STEPPED]:
        raise Refusal("prefill and steps of the served model differ; this is a fault of the server")
    size = wanted.abs().max().clamp(min=1)
    return ((torch.tensor(found, dtype=torch.float64) - wanted).abs().max() / size).item()


def _post(server: str, path: str, body: dict) -> dict:
    request = urllib.request.Request(server + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise Refusal(f"the server refused {path}: {error.read().decode(errors='replace')}") from error
