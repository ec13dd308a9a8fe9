"""Proves a converted model: compares the outputs of a server with the reference computation from the checkpoint."""

import torch
from serving import Client

from . import reference
from .archive import Refusal
from .source import Converted, Tensors

STEPS, STEPPED = 40, 10


def difference(original: Tensors, converted: Converted, client: Client, model: str) -> float:
    """The largest difference of any output, by one prefill and by steps, as a fraction of the largest output."""
    source = torch.Generator().manual_seed(7)
    if converted.vocabulary:
        inputs = torch.randint(0, converted.vocabulary, (STEPS,), generator=source)
        name, field = "tokens", "token"
    else:
        inputs = torch.randn(STEPS, converted.features, generator=source)
        name, field = "vectors", "vector"
    wanted = reference.outputs(converted.layout, original, inputs, converted.options)
    values = "logits" if converted.logits else "vector"
    ask = {"logits": True} if values == "logits" else {}

    body = {"model": model, "sequences": [{name: inputs.tolist()}], "return": "all"} | ask
    found = [output[values] for output in client.post("/v1/prefill", body)["results"][0]["outputs"]]
    session = client.post("/v1/sessions", {"model": model})["id"]
    stepped = [
        client.post(f"/v1/sessions/{session}/step", {field: step} | ask)["output"][values]
        for step in inputs[:STEPPED].tolist()
    ]
    if stepped != found[:STEPPED]:
        raise Refusal("prefill and steps of the served model differ; this is a fault of the server")
    size = wanted.abs().max().clamp(min=1)
    return ((torch.tensor(found, dtype=torch.float64) - wanted).abs().max() / size).item()
