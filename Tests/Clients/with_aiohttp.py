"""aiohttp: streams side by side, a duplex stream where each line waits for a reply, and clients that disconnect."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp

from .report import Report
from .server import MODEL, Server

STREAMS = 24


def run(server: Server, report: Report) -> None:
    asyncio.run(_run(server, report))


async def _run(server: Server, report: Report) -> None:
    connector = aiohttp.TCPConnector(ssl=server.trust or True)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(server.base, timeout=timeout, connector=connector) as client:
        await _streams(client, report)
        await _duplex(client, report)
        await _leaving(client, report)


async def _post(client: aiohttp.ClientSession, path: str, body: dict) -> dict:
    async with client.post(path, json=body) as reply:
        return await reply.json(content_type=None)


async def _streams(client: aiohttp.ClientSession, report: Report) -> None:
    async def generate(index: int, accept: str) -> list[dict]:
        name = f"aiohttp-{index}"
        await _post(client, "/v1/sessions", {"model": MODEL, "id": name, "text": "ROMEO:"})
        body, headers = {"max_tokens": 50, "seed": 5, "stream": True}, {"Accept": accept}
        async with client.post(f"/v1/sessions/{name}/generate", json=body, headers=headers) as reply:
            if reply.headers["Content-Type"] != accept:
                raise RuntimeError(f"the stream is {reply.headers['Content-Type']}")
            lines = [line async for line in reply.content]
        if accept == "text/event-stream":
            return [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]
        return [json.loads(line) for line in lines]

    kinds = ["application/x-ndjson", "text/event-stream"] * (STREAMS // 2)
    streams = await asyncio.gather(*(generate(index, kind) for index, kind in enumerate(kinds)))
    report.equal("streams run side by side", [len(stream) for stream in streams], [51] * STREAMS)
    texts = {"".join(event["text"] for event in stream[:-1]) for stream in streams}
    report.equal("with one seed they say the same, as lines and as events", len(texts), 1)


async def _duplex(client: aiohttp.ClientSession, report: Report) -> None:
    await _post(client, "/v1/sessions", {"model": MODEL, "id": "aiohttp-duplex"})
    await _post(client, "/v1/sessions", {"model": MODEL, "id": "aiohttp-steps"})
    path = "/v1/sessions/aiohttp-duplex/stream"
    lines: asyncio.Queue[dict | None] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        while (line := await lines.get()) is not None:
            yield json.dumps(line).encode() + b"\n"

    token, tokens, outputs = 1, [], []
    lines.put_nowait({"token": token})
    async with client.post(path, data=body()) as reply:
        report.equal("a duplex stream begins to answer", reply.headers["Content-Type"], "application/x-ndjson")
        for number in range(1, 21):
            answer = json.loads(await reply.content.readline())
            tokens.append(token)
            outputs.append(answer.get("output"))
            if answer.get("step") != number:
                report.equal("each line is answered with its step", answer, number)
                break
            # The next line depends on the reply, so it cannot have been sent before.
            token = answer["output"]["top"][0]["token"]
            lines.put_nowait({"token": token} if number < 20 else {"token": 10_000})
        error = json.loads(await reply.content.readline())
        report.equal("a line that is refused has an answer of its own", error.get("error", {}).get("status"), 422)
        aside = await _post(client, "/v1/sessions/aiohttp-duplex/step", {"token": 3})
        report.equal("others may step in between", aside.get("step"), 21)
        lines.put_nowait({"token": 1, "expected_step": 20})
        error = json.loads(await reply.content.readline())
        found = error.get("error", {})
        report.equal("which a line can notice", (found.get("status"), found.get("step")), (412, 21))
        lines.put_nowait({"token": 1, "expected_step": 21})
        report.equal("and go on", json.loads(await reply.content.readline()).get("step"), 22)
        lines.put_nowait(None)
        last = json.loads(await reply.content.readline())
        found = [last.get(name) for name in ("done", "step", "steps", "errors", "reason")]
        report.equal("the last line counts them", found, [True, 22, 21, 2, "end"])
    singly = [await _post(client, "/v1/sessions/aiohttp-steps/step", {"token": token}) for token in tokens]
    report.equal("the outputs are those of single steps", outputs, [reply["output"] for reply in singly])


async def _leaving(client: aiohttp.ClientSession, report: Report) -> None:
    """Many clients disconnect in the middle of a generation or of a duplex stream; each session is usable at once."""

    async def generation(index: int) -> tuple[int, int]:
        name = f"aiohttp-left-{index}"
        await _post(client, "/v1/sessions", {"model": MODEL, "id": name, "text": "O"})
        reply = await client.post(f"/v1/sessions/{name}/generate", json={"max_tokens": 20_000, "stream": True})
        for _ in range(index + 1):
            seen = json.loads(await reply.content.readline())["step"]
        reply.close()
        return seen, (await _post(client, f"/v1/sessions/{name}/step", {"token": 1})).get("step", 0)

    async def lines(index: int) -> tuple[int, int]:
        name = f"aiohttp-hung-up-{index}"
        await _post(client, "/v1/sessions", {"model": MODEL, "id": name})

        async def body() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b'{"token": 1}\n'
            await asyncio.sleep(30)

        reply = await client.post(f"/v1/sessions/{name}/stream", data=body())
        for _ in range(index + 1):
            seen = json.loads(await reply.content.readline())["step"]
        reply.close()
        return seen, (await _post(client, f"/v1/sessions/{name}/step", {"token": 1})).get("step", 0)

    left = await asyncio.gather(*(generation(index) for index in range(12)))
    report.check("sessions of generations that were left", all(seen < step < 20_000 for seen, step in left), left)
    left = await asyncio.gather(*(lines(index) for index in range(12)))
    report.check("sessions of duplex streams that were left", all(seen < step <= 1001 for seen, step in left), left)
