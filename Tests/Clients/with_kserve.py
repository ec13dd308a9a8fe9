"""KServe's `InferenceRESTClient`, unmodified, and the messages that it sends and reads, without it."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy

from .report import Report
from .server import ROOT, Server

TOKENS, VECTORS = "gamma-minlstm", "stack-aligned"
ROWS = [[1, 2, 3, 4], [5, 6, 7, 8]]


def run(binary: Path, report: Report) -> None:
    """The messages as the package of version 0.21 makes them, for an environment without that package."""
    with served(binary) as server, httpx.Client(base_url=server.base, timeout=30) as client:
        for path, wanted in (
            ("/v2/health/live", {"live": True}),
            ("/v2/health/ready", {"ready": True}),
            (f"/v2/models/{TOKENS}/ready", {"name": TOKENS, "ready": True}),
        ):
            reply = client.get(path)
            report.equal(path, (reply.status_code, reply.text), (200, json.dumps(wanted, separators=(",", ":")) + "\n"))
        target = f"/v2/models/{TOKENS}/infer"
        tensor = {"name": "tokens", "shape": [2, 4], "datatype": "INT64", "data": ROWS}
        asked = {"id": "a", "model_name": TOKENS, "inputs": [tensor]}
        reply = client.post(target, json=asked)
        report.equal("model_name of the path's model", reply.status_code, 200)
        bare = client.post(target, json={"id": "a", "inputs": [tensor]})
        report.equal("and the reply is the one without it", reply.text, bare.text)
        for name, words in (("other", 'model_name is "other"'), (7, "model_name must be")):
            reply = client.post(target, json=asked | {"model_name": name})
            report.check(f"{name} is refused", reply.status_code == 400 and words in reply.json()["error"], reply.text)


def run_package(binary: Path, report: Report) -> None:
    with served(binary) as server:
        asyncio.run(_package(server, report))


@contextmanager
def served(binary: Path) -> Iterator[Server]:
    """A server of one model of each kind."""
    with tempfile.TemporaryDirectory() as models:
        for name in (TOKENS, VECTORS):
            shutil.copytree(ROOT / "Tests/Golden/layouts" / name, Path(models) / name)
        with Server(binary, models=Path(models)) as server:
            yield server


async def _package(server: Server, report: Report) -> None:
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
    from kserve.protocol.infer_type import RequestedOutput

    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as client:
        report.check("the server lives", await client.is_server_live(server.base) is True)
        report.check("the server is ready", await client.is_server_ready(server.base) is True)
        report.check("a model is ready", await client.is_model_ready(server.base, TOKENS) is True)
        report.check("another is not", await client.is_model_ready(server.base, "nobody") is False)
        vectors = numpy.random.default_rng(3).standard_normal((2, 5, 12)).astype(numpy.float32)
        for model, name, values, kind, output in (
            (TOKENS, "tokens", numpy.array(ROWS, dtype=numpy.int64), "INT64", "logits"),
            (VECTORS, "vectors", vectors, "FP32", "outputs"),
        ):
            wanted = _native(server, model, name, values)
            for sent in (False, True):
                for back in (False, True):
                    tensor = InferInput(name, list(values.shape), kind)
                    tensor.set_data_from_numpy(values, binary_data=sent)
                    outputs = [RequestedOutput(output, parameters={"binary_data": back})]
                    asked = InferRequest(model, [tensor], request_id="a", request_outputs=outputs)
                    reply = await client.infer(server.base, asked, model_name=model)
                    found = reply.outputs[0].as_numpy()
                    how = f"{model}, {'bytes' if sent else 'JSON'} in, {'bytes' if back else 'JSON'} out"
                    report.check(how, reply.id == "a" and numpy.array_equal(found.reshape(wanted.shape), wanted), reply)
        tensor = InferInput("tokens", [1, 1], "INT64", data=[13])
        try:
            await client.infer(server.base, InferRequest(TOKENS, [tensor]), model_name=TOKENS)
        except httpx.HTTPStatusError as error:
            report.check("a refusal says why", "tokens[0, 0] is 13" in str(error), error)
        else:
            report.check("a token too many is refused", False)
    metadata = httpx.get(f"{server.base}/v2/models/{TOKENS}").json()
    report.equal("what a model takes", metadata["inputs"][0]["datatype"], "INT64")


def _native(server: Server, model: str, kind: str, values: numpy.ndarray) -> numpy.ndarray:
    body = {"model": model, "sequences": [{kind: row} for row in values.tolist()], "return": "all"}
    body |= {"logits": True} if kind == "tokens" else {}
    results = httpx.post(f"{server.base}/v1/prefill", json=body).json()["results"]
    name = "logits" if kind == "tokens" else "vector"
    return numpy.array([[output[name] for output in result["outputs"]] for result in results], dtype=numpy.float32)
