"""httpx: sessions, steps, streams read as they arrive, many clients at once, and one that disconnects."""

import asyncio
import json

import httpx

from .report import Report
from .server import MODEL, Server

CLIENTS, STEPS = 32, 8


def run(server: Server, report: Report) -> None:
    with httpx.Client(base_url=server.base, timeout=30, verify=server.trust or True) as client:
        _sessions(client, report)
        _streams(client, report)
        _leaving(client, report)
    asyncio.run(_together(server, report))


def _sessions(client: httpx.Client, report: Report) -> None:
    made = client.post("/v1/sessions", json={"model": MODEL, "id": "httpx", "text": "ROMEO:"})
    report.equal("a session is made", (made.status_code, made.headers.get("location")), (201, "/v1/sessions/httpx"))
    step = client.post("/v1/sessions/httpx/step", json={"token": 1, "expected_step": 6})
    report.equal("it steps", (step.status_code, step.json().get("step")), (200, 7))
    refused = client.post("/v1/sessions/httpx/step", json={"token": 1, "expected_step": 6})
    found = refused.status_code, refused.headers.get("content-type"), refused.json().get("step")
    report.equal("but not twice from the same step", found, (412, "application/problem+json", 7))
    large = client.post("/v1/sessions/httpx/prefill", json={"tokens": [1] * 100, "return": "all", "logits": True})
    report.equal("a large reply comes in gzip", large.headers.get("content-encoding"), "gzip")
    report.equal("and is whole", (len(large.json()["outputs"]), large.json()["step"]), (100, 107))
    state = client.get("/v1/sessions/httpx/state")
    copy = client.put("/v1/sessions/httpx-copy/state", content=state.content)
    report.check("a state is taken to another session", copy.is_success and copy.json()["step"] == 107, copy.text)
    gone = client.delete("/v1/sessions/httpx-copy")
    report.equal("a session is deleted", (gone.status_code, gone.content), (204, b""))
    report.equal("and gone", client.get("/v1/sessions/httpx-copy").status_code, 410)


def _streams(client: httpx.Client, report: Report) -> None:
    for name in ("httpx-lines", "httpx-events", "httpx-whole"):
        client.post("/v1/sessions", json={"model": MODEL, "id": name, "text": "JULIET:"})
    asked = {"max_tokens": 40, "seed": 3}
    whole = client.post("/v1/sessions/httpx-whole/generate", json=asked).json()
    with client.stream("POST", "/v1/sessions/httpx-lines/generate", json=asked | {"stream": True}) as reply:
        report.equal("a stream is NDJSON", reply.headers.get("content-type"), "application/x-ndjson")
        lines = [json.loads(line) for line in reply.iter_lines()]
    report.equal("of the tokens of a reply in one piece", [line["token"] for line in lines[:-1]], whole["tokens"])
    report.equal("with its end", (lines[-1].get("done"), lines[-1].get("step")), (True, whole["step"]))
    accept = {"Accept": "text/event-stream"}
    with client.stream(
        "POST", "/v1/sessions/httpx-events/generate", json=asked | {"stream": True}, headers=accept
    ) as reply:
        report.equal("a stream is of events when asked", reply.headers.get("content-type"), "text/event-stream")
        events = [json.loads(line[5:]) for line in reply.iter_lines() if line.startswith("data:")]
    report.equal("of the same tokens", [event["token"] for event in events[:-1]], whole["tokens"])

    # httpx reads nothing until it has sent all: the lines of a duplex stream go out first.
    lines = b"".join(b'{"token": %d}\n' % token for token in range(20))
    reply = client.post("/v1/sessions/httpx-lines/stream", content=iter([lines[:100], lines[100:]]))
    steps = [json.loads(line).get("step") for line in reply.text.splitlines()]
    report.equal("lines sent at once are answered in order", steps, [*range(48, 68), 67])


def _leaving(client: httpx.Client, report: Report) -> None:
    """A client disconnects in the middle of a stream: its session is then at a step of that stream."""
    for name in ("httpx-left", "httpx-stayed"):
        client.post("/v1/sessions", json={"model": MODEL, "id": name, "text": "NURSE:"})
    asked = {"max_tokens": 20_000, "seed": 4, "stream": True}
    with client.stream("POST", "/v1/sessions/httpx-left/generate", json=asked) as reply:
        lines = reply.iter_lines()
        read = [json.loads(next(lines)) for _ in range(5)]
    left = client.post("/v1/sessions/httpx-left/step", json={"token": 1, "logits": True}).json()
    absorbed = left.get("step", 0) - 1 - len("NURSE:")
    report.check("the generation ends when its client disconnects", 5 <= absorbed < 20_000, left)
    stayed = client.post("/v1/sessions/httpx-stayed/generate", json={"max_tokens": absorbed, "seed": 4}).json()
    report.equal("the client had seen its beginning", [line["token"] for line in read], stayed["tokens"][:5])
    twin = client.post("/v1/sessions/httpx-stayed/step", json={"token": 1, "logits": True}).json()
    report.equal("and the session goes on from there", left["output"], twin["output"])


async def _together(server: Server, report: Report) -> None:
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(
        base_url=server.base, timeout=60, limits=limits, verify=server.trust or True
    ) as client:
        await client.post("/v1/sessions", json={"model": MODEL, "id": "httpx-shared"})

        async def steps(index: int) -> list[dict]:
            name = f"httpx-{index}"
            await client.post("/v1/sessions", json={"model": MODEL, "id": name})
            step = {"token": 2, "logits": True}
            own = [await client.post(f"/v1/sessions/{name}/step", json=step) for _ in range(STEPS)]
            shared = await client.post("/v1/sessions/httpx-shared/step", json={"token": 2})
            return [*(reply.json() for reply in own), shared.json()]

        replies = await asyncio.gather(*(steps(index) for index in range(CLIENTS)))
    own = [[reply.get("step") for reply in mine[:-1]] for mine in replies]
    report.equal(f"{CLIENTS} clients step each its own session", own, [list(range(1, STEPS + 1))] * CLIENTS)
    outputs = {json.dumps(mine[-2].get("output")) for mine in replies}
    report.equal("all to the same output", len(outputs), 1)
    shared = sorted(mine[-1].get("step", 0) for mine in replies)
    report.equal("and one session together, each step once", shared, list(range(1, CLIENTS + 1)))
