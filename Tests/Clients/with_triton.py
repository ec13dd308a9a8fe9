"""NVIDIA's `tritonclient[http]`, unmodified: tensors, sequences and the repository; equal to the native routes."""

import json
import shutil
import tempfile
from pathlib import Path

import httpx
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from .report import Report
from .server import ROOT, Server

TOKENS, VECTORS = "gamma-minlstm", "stack-aligned"


def run(binary: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        models = Path(temporary)
        for name in (TOKENS, VECTORS):
            shutil.copytree(ROOT / "Tests/Golden/layouts" / name, models / name)
        shutil.copytree(ROOT / "Models/shakespeare-mingru", models / "shakespeare")
        with Server(binary, "--model-control", "explicit", models=models) as server:
            native = httpx.Client(base_url=server.base, timeout=30)
            with triton.InferenceServerClient(server.base.removeprefix("http://")) as client, native:
                _about(client, report)
                _infers(client, native, report)
                _vectors(client, native, report)
                _sequences(client, native, report)
                _states(client, native, report)
                _refusals(client, report)
                _repository(client, native, models, report)
                _text(native, report)


def _input(name: str, values: np.ndarray, kind: str, *, binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput(name, list(values.shape), kind)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def _tokens(*rows: list[int], binary: bool = True) -> triton.InferInput:
    return _input("tokens", np.array(rows, dtype=np.int64), "INT64", binary=binary)


def _native(native: httpx.Client, model: str, kind: str, rows: list) -> np.ndarray:
    body = {"model": model, "sequences": [{kind: row} for row in rows], "return": "all"}
    results = native.post("/v1/prefill", json=body | ({"logits": True} if kind == "tokens" else {})).json()["results"]
    values = "logits" if kind == "tokens" else "vector"
    return np.array([[output[values] for output in result["outputs"]] for result in results], dtype=np.float32)


def _refused(report: Report, what: str, words: str, body: object) -> None:
    try:
        body()
    except InferenceServerException as error:
        report.check(f"{what} is refused, and it is said why", words in error.message(), error.message())
    else:
        report.check(f"{what} is refused", False, "it was not")


def _about(client: triton.InferenceServerClient, report: Report) -> None:
    report.check("it lives and is ready", client.is_server_live() and client.is_server_ready())
    report.check("a model is ready", client.is_model_ready(TOKENS))
    report.check("another is not", not client.is_model_ready("nobody"))
    metadata = client.get_server_metadata()
    report.check("it lists its extensions", "sequence(string_id)" in metadata["extensions"], metadata)
    model = client.get_model_metadata(TOKENS)
    report.equal("a model's inputs", model["inputs"][0], {"name": "tokens", "datatype": "INT64", "shape": [-1, -1]})
    report.equal("its outputs", model["outputs"][0], {"name": "logits", "datatype": "FP32", "shape": [-1, -1, 13]})
    version = model["versions"][0]
    report.equal("the same of a version", client.get_model_metadata(TOKENS, version), model)
    report.check("and no other version", not client.is_model_ready(TOKENS, "7"))
    config = client.get_model_config(VECTORS)
    report.equal("its configuration", config["input"][0]["dims"], [-1, 12])
    report.check("there are sequences", "sequence_batching" in config)


def _infers(client: triton.InferenceServerClient, native: httpx.Client, report: Report) -> None:
    rows = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    wanted = _native(native, TOKENS, "tokens", rows)
    before = client.get_inference_statistics(TOKENS)["model_stats"][0]
    for sent in (True, False):
        for back in (True, False):
            outputs = [triton.InferRequestedOutput("logits", binary_data=back)]
            result = client.infer(TOKENS, [_tokens(*rows, binary=sent)], outputs=outputs, request_id="a")
            how = f"{'bytes' if sent else 'JSON'} in, {'bytes' if back else 'JSON'} out"
            report.check(f"logits are those of a prefill, {how}", np.array_equal(result.as_numpy("logits"), wanted))
            report.equal(f"with its id, {how}", result.get_response()["id"], "a")
    result = client.infer(TOKENS, [_tokens(*rows)])
    report.check("nothing wanted is everything, in bytes", np.array_equal(result.as_numpy("logits"), wanted))
    last = client.infer(TOKENS, [_tokens(*rows)], parameters={"return": "last"}).as_numpy("logits")
    report.check("or the last step of each row", np.array_equal(last, wanted[:, -1:]), last.shape)
    short = _input("tokens", np.array(rows, dtype=np.int32), "INT32")
    report.check("INT32 too", np.array_equal(client.infer(TOKENS, [short]).as_numpy("logits"), wanted))
    for coding in ("gzip",):
        packed = client.infer(
            TOKENS, [_tokens(*rows)], request_compression_algorithm=coding, response_compression_algorithm=coding
        )
        report.check(f"with {coding}", np.array_equal(packed.as_numpy("logits"), wanted))
    after = client.get_inference_statistics(TOKENS)["model_stats"][0]
    report.equal("they are counted", after["inference_count"] - before["inference_count"], 8 * 3)
    report.check("and timed", after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"])


def _vectors(client: triton.InferenceServerClient, native: httpx.Client, report: Report) -> None:
    values = np.random.default_rng(3).standard_normal((2, 5, 12)).astype(np.float32)
    wanted = _native(native, VECTORS, "vectors", values.tolist())
    for binary in (True, False):
        found = client.infer(VECTORS, [_input("vectors", values, "FP32", binary=binary)]).as_numpy("outputs")
        report.check(f"vectors, {'bytes' if binary else 'JSON'}", np.array_equal(found, wanted))


def _sequences(client: triton.InferenceServerClient, native: httpx.Client, report: Report) -> None:
    inputs = [[1, 2, 3], [4], [5, 6]]
    wanted = _native(native, TOKENS, "tokens", [sum(inputs, [])])[0]
    for name in (7, "robot-1", 2**62):
        found = [
            client.infer(
                TOKENS,
                [_tokens(part)],
                sequence_id=name,
                sequence_start=index == 0,
                sequence_end=index == len(inputs) - 1,
            ).as_numpy("logits")[0]
            for index, part in enumerate(inputs)
        ]
        report.check(f"sequence {name} goes on from request to request", np.array_equal(np.concatenate(found), wanted))
        again = lambda name=name: client.infer(TOKENS, [_tokens([1])], sequence_id=name)  # noqa: E731
        _refused(report, f"a request after the end of {name}", "was deleted at step 6", again)
    _refused(
        report,
        "one without a beginning",
        "must specify the START flag on the first request of the sequence",
        lambda: client.infer(TOKENS, [_tokens([1])], sequence_id=99),
    )
    client.infer(TOKENS, [_tokens([9, 9])], sequence_id="again", sequence_start=True)
    client.infer(TOKENS, [_tokens(inputs[0])], sequence_id="again", sequence_start=True)
    found = client.infer(TOKENS, [_tokens(inputs[1])], sequence_id="again").as_numpy("logits")[0]
    report.check("a second start begins anew", np.array_equal(found, wanted[3:4]))
    session = native.get(f"/v1/sessions/sequence:{TOKENS}:again").json()
    report.equal("a sequence is a session", (session["step"], session["model"]), (4, TOKENS))
    _refused(
        report,
        "a row too many",
        "has one row, not 2",
        lambda: client.infer(TOKENS, [_tokens([1], [2])], sequence_id="again"),
    )
    _refused(
        report,
        "an id that is none of a session",
        "the id of a session must be",
        lambda: client.infer(TOKENS, [_tokens([1])], sequence_id="a b", sequence_start=True),
    )
    other = client.infer(VECTORS, [_input("vectors", np.ones((1, 1, 12), np.float32), "FP32")], sequence_id="again",
                         sequence_start=True)
    report.equal("another model has its own", other.get_response()["parameters"]["step"], 1)
    first = native.get(f"/v1/sessions/sequence:{TOKENS}:again").json()
    report.equal("and the first is where it was", first["step"], 4)


def _states(client: triton.InferenceServerClient, native: httpx.Client, report: Report) -> None:
    both = [triton.InferRequestedOutput("logits"), triton.InferRequestedOutput("state")]
    first = client.infer(TOKENS, [_tokens([1, 2], [3, 4])], outputs=both)
    state = first.as_numpy("state")
    report.equal("a state for each row", state.shape, (2,))
    second = client.infer(TOKENS, [_tokens([5], [5]), _input("state", state, "BYTES")], outputs=both)
    wanted = _native(native, TOKENS, "tokens", [[1, 2, 5], [3, 4, 5]])[:, 2:]
    report.check("a client may keep the states itself", np.array_equal(second.as_numpy("logits"), wanted))
    native.put("/v1/sessions/taken/state", content=state[0])
    step = native.post("/v1/sessions/taken/step", json={"token": 5, "logits": True}).json()
    report.check("it is the state of the native routes", np.float32(step["output"]["logits"]).tolist() == wanted[0, 0].tolist())
    # In JSON a state is base64.
    body = {"inputs": [{"name": "tokens", "datatype": "INT64", "shape": [1, 2], "data": [[1, 2]]}]}
    body["outputs"] = [{"name": "state"}]
    text = native.post(f"/v2/models/{TOKENS}/infer", json=body).json()["outputs"][0]["data"][0]
    body["inputs"] = [
        {"name": "state", "datatype": "BYTES", "shape": [1], "data": [text]},
        {"name": "tokens", "datatype": "INT64", "shape": [1, 1], "data": [5]},
    ]
    body["outputs"] = [{"name": "logits"}]
    reply = native.post(f"/v2/models/{TOKENS}/infer", json=body).json()
    report.check("or text in JSON", np.float32(reply["outputs"][0]["data"]).tolist() == wanted[0, 0].tolist(), reply)


def _refusals(client: triton.InferenceServerClient, report: Report) -> None:
    def infer(*inputs: triton.InferInput, model: str = TOKENS, **more: object) -> object:
        return lambda: client.infer(model, list(inputs), **more)

    ones = np.ones((1, 1), np.float32)
    _refused(report, "an unknown model", 'There is no model "nobody"', infer(_tokens([1]), model="nobody"))
    _refused(report, "an unknown version", "has no version", infer(_tokens([1]), model_version="3"))
    _refused(report, "a token too many", "tokens[0, 1] is 13", infer(_tokens([1, 13])))
    _refused(report, "another type", "takes INT64 of shape [batch, time]", infer(_input("tokens", ones, "FP32")))
    _refused(report, "another name", 'Input "tokens" of model', infer(_input("ids", ones.astype(np.int64), "INT64")))
    wide = _input("vectors", np.ones((1, 1, 11), np.float32), "FP32")
    _refused(report, "another size", "FP32 of shape [batch, time, 12]", infer(wide, model=VECTORS))
    bad = _input("vectors", np.full((1, 1, 12), np.nan, np.float32), "FP32")
    _refused(report, "NaN", "has NaN, infinity", infer(bad, model=VECTORS))
    wanted = [triton.InferRequestedOutput("scores")]
    _refused(report, "another output", 'There is no output "scores"', infer(_tokens([1]), outputs=wanted))
    state = _input("state", np.array([b"x"], dtype=object), "BYTES")
    _refused(report, "a state that is none", "state[0] is no state file", infer(_tokens([1]), state))
    _refused(report, "an unknown parameter", "There is no field", infer(_tokens([1]), parameters={"beams": 2}))


def _repository(client: triton.InferenceServerClient, native: httpx.Client, models: Path, report: Report) -> None:
    def states() -> dict[str, str]:
        return {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}

    report.equal("all are ready", set(states().values()), {"READY"})
    client.infer(TOKENS, [_tokens([1, 2, 3])], sequence_id="stays", sequence_start=True)
    session = f"/v1/sessions/sequence:{TOKENS}:stays"
    client.unload_model(TOKENS)
    report.equal("one is unloaded", states()[TOKENS], "UNAVAILABLE")
    report.check("and is not ready", not client.is_model_ready(TOKENS))
    _refused(report, "work for it", "There is no model", lambda: client.infer(TOKENS, [_tokens([1])]))
    _refused(report, "unloading it again", "it is not served", lambda: client.unload_model(TOKENS))
    reply = native.post(session + "/step", json={"token": 4})
    report.equal("its session says so", (reply.status_code, reply.json()["type"]), (409, "urn:scanstep:state-model-mismatch"))
    client.load_model(TOKENS)
    report.equal("it comes back", states()[TOKENS], "READY")
    found = client.infer(TOKENS, [_tokens([4])], sequence_id="stays").as_numpy("logits")[0]
    wanted = _native(native, TOKENS, "tokens", [[1, 2, 3, 4]])[0, 3:]
    report.check("and its sequence goes on", np.array_equal(found, wanted))
    _refused(report, "a model that is not there", "has none of that name", lambda: client.load_model("nobody"))

    (models / "broken").mkdir()
    (models / "broken/model.safetensors").write_bytes(b"no model")
    _refused(report, "one that cannot be read", "not a valid safetensors file", lambda: client.load_model("broken"))
    reasons = {entry["name"]: entry["reason"] for entry in client.get_model_repository_index()}
    report.check("and the index says why", "safetensors" in reasons["broken"], reasons)
    shutil.copytree(ROOT / "Tests/Golden/layouts/highway-1", models / "later")
    report.equal("a model that came later is seen", states()["later"], "UNAVAILABLE")
    client.load_model("later")
    report.check("and can be loaded", client.is_model_ready("later"))
    shutil.copy(ROOT / "Tests/Golden/layouts/gamma-mingru/model.safetensors", models / TOKENS / "model.safetensors")
    _refused(report, "other weights", "other weights were served under this name", lambda: client.load_model(TOKENS))
    report.check("and those at hand stay", client.is_model_ready(TOKENS))


def _text(native: httpx.Client, report: Report) -> None:
    """Triton's generate extension, for which its Python client has no call."""
    path = "/v2/models/shakespeare/"
    settings = {"max_tokens": 20, "temperature": 0.7, "seed": 5}
    body = {"text_input": "ROMEO:", "parameters": settings}
    whole = native.post(path + "generate", json=body).json()
    report.check("a text", len(whole["text_output"]) == 20 and whole["model_name"] == "shakespeare", whole)
    report.equal("the settings may stand beside it", native.post(path + "generate", json={"text_input": "ROMEO:"} | settings).json(), whole)
    events = [
        json.loads(line.removeprefix("data: "))
        for line in native.post(path + "generate_stream", json=body).text.splitlines()
        if line
    ]
    report.equal("in a stream the same", "".join(event["text_output"] for event in events), whole["text_output"])
    report.equal("whose last event says how it ended", events[-1].get("finish_reason"), "length")
    parts = []
    for index, text in enumerate(("ROMEO:", "")):
        sequence = {"sequence_id": "play", "sequence_start": index == 0, "sequence_end": index == 1}
        reply = native.post(path + "generate", json={"text_input": text, "parameters": settings | {"max_tokens": 10} | sequence})
        parts.append(reply.json()["text_output"])
    report.equal("a sequence goes on", "".join(parts), whole["text_output"])
    for body, words in (
        ({}, "text_input is missing"),
        ({"text_input": ""}, "text_input must be a string, and not empty"),
        ({"text_input": "A", "max_tokens": 0}, "max_tokens must be"),
        ({"text_input": "A", "max_tokens": 1, "parameters": {"max_tokens": 1}}, "stands both"),
        ({"text_input": "A", "stream": True}, "made by generate_stream"),
        ({"text_input": "ž"}, "not in the vocabulary"),
    ):
        reply = native.post(path + "generate", json=body)
        report.check(f"{body} is refused", reply.status_code == 400 and words in reply.json()["error"], reply.text)
    for method, target, status in (("GET", path + "infer", 405), ("GET", "/v2/nothing", 404), ("DELETE", "/v2", 405)):
        reply = native.request(method, target)
        report.check(f"{method} {target} in that shape", reply.status_code == status and "error" in reply.json(), reply.text)
