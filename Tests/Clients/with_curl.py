"""curl: what it can do beyond a plain request. Every route with plain curl is in Tests/curl.sh."""

import gzip
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .report import Report
from .server import MODEL, ROOT, Server

SESSION = f'{{"model": "{MODEL}", "id": "curl", "text": "ROMEO:"}}'
GENERATE = '{"max_tokens": 5, "seed": 1, "stream": true}'
JSON_TYPE = ("--header", "Content-Type: application/json")


@dataclass(frozen=True)
class Reply:
    """The reply that curl received, and curl's figures of the transfer."""

    status: int
    head: dict[str, str]
    body: bytes
    facts: dict
    interim: bool
    """Whether a reply 100 came before the real one."""

    def json(self) -> dict:
        """The body as JSON."""
        return json.loads(self.body)


def transfer(url: str, *options: str, sends: bytes | None = None) -> Reply:
    """One transfer; `sends` is its standard input."""
    with tempfile.TemporaryDirectory() as folder:
        head, body = Path(folder, "head"), Path(folder, "body")
        command = ["curl", "--silent", "--show-error", "--max-time", "30", "--dump-header", str(head)]
        command += ["--output", str(body), "--write-out", "%{json}", *options, url]
        ended = subprocess.run(command, input=sends, capture_output=True, timeout=60, check=False)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(options)} {url}: {ended.stderr.decode(errors='replace')}")
        blocks = head.read_text(errors="replace").replace("\r\n", "\n").strip().split("\n\n")
        fields = (line.partition(":") for line in blocks[-1].split("\n")[1:])
        facts = json.loads(ended.stdout)
        return Reply(
            facts["http_code"], {name.lower(): value.strip() for name, _, value in fields},
            body.read_bytes() if body.exists() else b"", facts, len(blocks) > 1 and " 100" in blocks[0],
        )


def run(server: Server, report: Report) -> None:
    base = server.base
    trust = ("--cacert", str(server.certificate)) if server.certificate else ()

    def curl(url: str, *options: str, sends: bytes | None = None) -> Reply:
        return transfer(url, *trust, *options, sends=sends)

    _connections(curl, base, report, trust)
    made = curl(f"{base}/v1/sessions", *JSON_TYPE, "--data", SESSION)
    report.equal("a session is made", made.status, 201)
    _bodies(curl, f"{base}/v1/sessions/curl", report)
    _codings(curl, base, report)
    _methods(curl, base, report)
    _streams(curl, f"{base}/v1/sessions/curl", report)


def run_old(server: Server, report: Report) -> None:
    """HTTP/1.0, which has no chunks."""
    trust = ("--cacert", str(server.certificate)) if server.certificate else ()
    reply = transfer(f"{server.base}/livez", *trust, "--http1.0")
    report.equal("it is answered", (reply.status, "transfer-encoding" in reply.head), (200, False))
    session = f'{{"model": "{MODEL}", "id": "old", "text": "ROMEO:"}}'
    transfer(f"{server.base}/v1/sessions", *trust, "--http1.0", *JSON_TYPE, "--data", session)
    generate = f"{server.base}/v1/sessions/old/generate", *trust, "--http1.0", *JSON_TYPE, "--data", GENERATE
    reply = transfer(*generate)
    found = "transfer-encoding" in reply.head, reply.head.get("connection", "").lower(), len(reply.body.splitlines())
    report.equal("a stream comes until the connection's end", found, (False, "close", 6))


def _connections(curl: Callable[..., Reply], base: str, report: Report, trust: tuple[str, ...]) -> None:
    urls = [f"{base}/{path}" for path in ("livez", "readyz", "nothing", "v1/models", "openapi.yaml", "livez")]
    format_ = "%{stderr}%{http_code} %{num_connects}\n"
    command = ["curl", "--silent", "--max-time", "30", *trust, "--write-out", format_, *urls]
    said = subprocess.run(command, capture_output=True, timeout=60, check=True).stderr.decode().split("\n")[:-1]
    wanted = ["200 1", "200 0", "404 0", "200 0", "200 0", "200 0"]
    report.equal("six requests share a connection", said, wanted)
    reply = curl(f"{base}/livez", "--header", "Connection: close")
    report.equal("a connection is closed when asked", reply.head.get("connection", "").lower(), "close")


def _bodies(curl: Callable[..., Reply], session: str, report: Report) -> None:
    step = b'{"token": 1}'
    chunked = ("--header", "Transfer-Encoding: chunked", *JSON_TYPE, "--data-binary", "@-")
    report.equal("a chunked upload", curl(f"{session}/step", *chunked, sends=step).json().get("step"), 7)
    reply = curl(f"{session}/step", *JSON_TYPE, "--request", "POST", "--upload-file", "-", sends=step)
    report.equal("an upload of unknown length", reply.json().get("step"), 8)

    expect = ("--header", "Expect: 100-continue", *JSON_TYPE, "--data-binary", "@-")
    reply = curl(f"{session}/step", *expect, "--expect100-timeout", "20", sends=step)
    found = reply.status, reply.interim, reply.facts["time_total"] < 10
    report.equal("Expect: 100-continue", found, (200, True, True))
    large = bytes(20 << 20)
    reply = curl(f"{session}/step", *expect, "--expect100-timeout", "20", sends=large)
    report.equal("a body that is too large is refused", (reply.status, reply.interim), (413, False))
    report.equal("before it is sent", reply.facts["size_upload"], 0)

    packed = gzip.compress(step)
    reply = curl(
        f"{session}/step", *JSON_TYPE, "--header", "Content-Encoding: gzip", "--data-binary", "@-", sends=packed
    )
    report.equal("an upload in gzip", reply.json().get("step"), 10)


def _codings(curl, base: str, report: Report) -> None:
    document = (ROOT / "openapi.yaml").read_bytes()
    plain = curl(f"{base}/openapi.yaml")
    report.check("a large reply", plain.body == document and "content-encoding" not in plain.head, plain.head)
    packed = curl(f"{base}/openapi.yaml", "--compressed")
    report.equal("--compressed gets gzip", packed.head.get("content-encoding"), "gzip")
    report.check("of the same bytes", packed.body == document, f"{len(packed.body)} bytes, not {len(document)}")
    sizes = packed.facts["size_download"], len(document)
    report.check("and fewer on the wire", sizes[0] < sizes[1] / 2, sizes)
    parts = curl(f"{base}/livez", "--compressed")
    report.check("a small one stays as it is", parts.status == 200 and "content-encoding" not in parts.head, parts.head)


def _methods(curl, base: str, report: Report) -> None:
    for path in ("livez", "v1/models", "v1/sessions/curl"):
        head, get = curl(f"{base}/{path}", "--head"), curl(f"{base}/{path}")
        found = head.status, head.head.get("content-length"), head.facts["size_download"]
        report.equal(f"HEAD /{path} is GET without the body", found, (200, str(len(get.body)), 0))
    options = curl(f"{base}/v1/sessions", "--request", "OPTIONS")
    allowed = {method.strip() for method in options.head.get("allow", "").split(",")}
    report.check("OPTIONS lists the methods", options.status == 204 and {"GET", "POST"} <= allowed, options.head)
    refused = curl(f"{base}/v1/sessions", "--request", "PATCH")
    report.equal("another is refused", (refused.status, refused.head.get("allow")), (405, options.head.get("allow")))


def _streams(curl: Callable[..., Reply], session: str, report: Report) -> None:
    reply = curl(f"{session}/generate", *JSON_TYPE, "--no-buffer", "--data", GENERATE)
    found = reply.head.get("transfer-encoding"), [json.loads(line).get("step") for line in reply.body.splitlines()]
    report.equal("a stream comes in chunks", found, ("chunked", [11, 12, 13, 14, 15, 15]))
    # curl waits for input while there is output, so that lines cannot wait for replies here.
    lines = b'{"token": 1}\n' * 3 + b"nonsense\n" + b'{"token": 1}'
    reply = curl(f"{session}/stream", "--request", "POST", "--upload-file", "-", sends=lines)
    answers = [json.loads(line) for line in reply.body.splitlines()]
    found = [answer.get("step", answer.get("error", {}).get("status")) for answer in answers]
    report.equal("a duplex stream answers each line", found, [16, 17, 18, 400, 19, 19])
    report.equal("and counts steps and errors", [answers[-1].get(name) for name in ("done", "steps", "errors")], [True, 4, 1])
