"""The identities of the shipped models and of their states: the same when they are computed anew from the files."""

import hashlib
import json
import urllib.request
from pathlib import Path

from . import identity
from .report import Report
from .server import ROOT, Server

MODEL = "lorenz-mingru"


def run(binary: Path, report: Report) -> None:
    for scan, weights in (("exact", None), ("associative", "f16"), ("exact", "int8")):
        options = ["--scan", scan] + (["--weights", weights] if weights else [])
        with Server(binary, *options) as server:
            models = json.loads(_get(server, "/v1/models"))["data"]
            for model in models:
                found = identity.parts(ROOT / "Models" / model["id"], scan, weights)
                wanted = identity.fingerprint(found)
                report.equal(f"{model['id']}, {scan}, {weights}", model["fingerprint"], wanted)
            report.check("there are models", models)
            _state(server, identity.parts(ROOT / "Models" / MODEL, scan, weights), report)


def _state(server: Server, parts: dict[str, str], report: Report) -> None:
    """A state file carries the parts, and its digest covers them."""
    body = json.dumps({"model": MODEL, "id": "s", "vectors": [[1, 2, 3]]}).encode()
    urllib.request.urlopen(urllib.request.Request(server.base + "/v1/sessions", body), timeout=30).close()
    file = _get(server, "/v1/sessions/s/state")
    start = 8 + int.from_bytes(file[:8], "little")
    metadata = json.loads(file[8:start])["__metadata__"]
    report.equal("a state's parts", {name: metadata[name] for name in identity.PARTS}, parts)
    report.equal("a state's fingerprint", metadata["fingerprint"], identity.fingerprint(parts))
    names = ("format", "format_version", "model", *identity.PARTS, "fingerprint", "step")
    text = "".join(metadata[name] + "\n" for name in names)
    report.equal("a state's sha256", metadata["sha256"], hashlib.sha256(text.encode() + file[start:]).hexdigest())


def _get(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(server.base + path, timeout=30) as reply:
        return reply.read()
