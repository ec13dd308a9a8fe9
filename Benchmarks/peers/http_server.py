"""PyTorch behind FastAPI and uvicorn: `http_server FOLDER one|batched`. Prints its port, ends with its standard input.

Sessions are hidden states in a dict. `one` computes each request by itself; `batched` collects the requests that one turn
of the event loop has read and computes them as one batch.
"""

import asyncio
import socket
import sys
import threading
from pathlib import Path
from typing import Annotated

import torch
import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse
from minGRU_pytorch.minLM import minLM
from models import TINY
from pydantic import BaseModel, Field
from safetensors.torch import load_file
from torch import Tensor

INNER = int(TINY["dim"] * TINY["expansion"])


class NewSession(BaseModel):
    id: str


class Input(BaseModel):
    token: Annotated[int, Field(ge=0, lt=TINY["num_tokens"])]


class Session:
    """Hidden states, (1, 1, inner width) for each layer."""

    def __init__(self) -> None:
        self.hiddens = [torch.zeros(1, 1, INNER) for _ in range(TINY["depth"])]
        self.step = 0


class Steps:
    """Steps sessions, and gives each one's likeliest next token and its log-probability."""

    def __init__(self, folder: Path) -> None:
        self._model = minLM(**TINY)
        self._model.load_state_dict(load_file(folder / "model.safetensors"))
        self._model.eval()
        self._waiting: list[tuple[Session, int, asyncio.Future[tuple[int, float]]]] = []

    def one(self, session: Session, token: int) -> tuple[int, float]:
        with torch.inference_mode():
            logits, session.hiddens = self._model(
                torch.tensor([[token]]), prev_hiddens=session.hiddens, return_prev_hiddens=True
            )
            return self._best(logits)[0]

    async def batched(self, session: Session, token: int) -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        future = loop.create_future()
        self._waiting.append((session, token, future))
        return await future

    def _flush(self) -> None:
        # A session that is named twice takes its second step in the next batch.
        batch, later, seen = [], [], set()
        for item in self._waiting:
            (later if id(item[0]) in seen else batch).append(item)
            seen.add(id(item[0]))
        self._waiting = later
        if later:
            asyncio.get_running_loop().call_soon(self._flush)
        with torch.inference_mode():
            tokens = torch.tensor([[token] for _, token, _ in batch])
            before = [torch.cat(layer) for layer in zip(*(session.hiddens for session, _, _ in batch), strict=True)]
            logits, after = self._model(tokens, prev_hiddens=before, return_prev_hiddens=True)
            split = zip(*(layer.split(1) for layer in after), strict=True)
            for (session, _, future), hiddens, best in zip(batch, split, self._best(logits), strict=True):
                session.hiddens = list(hiddens)
                future.set_result(best)

    @staticmethod
    def _best(logits: Tensor) -> list[tuple[int, float]]:
        values, tokens = logits[:, 0].log_softmax(-1).max(-1)
        return list(zip(tokens.tolist(), values.tolist(), strict=True))


def application(steps: Steps, batched: bool) -> FastAPI:
    app = FastAPI()
    sessions: dict[str, Session] = {}

    @app.post("/v1/sessions", status_code=201)
    async def create(body: NewSession) -> dict[str, str]:
        sessions[body.id] = Session()
        return {"id": body.id}

    @app.post("/v1/sessions/{name}/step")
    async def step(name: Annotated[str, PathParameter()], body: Input) -> JSONResponse:
        session = sessions.get(name)
        if session is None:
            raise HTTPException(404)
        if batched:
            token, logprob = await steps.batched(session, body.token)
        else:
            token, logprob = steps.one(session, body.token)
        session.step += 1
        output = {"top": [{"token": token, "logprob": logprob}]}
        return JSONResponse({"session": name, "step": session.step, "output": output})

    return app


def main() -> None:
    # A model this small is fastest on one thread.
    torch.set_num_threads(1)
    app = application(Steps(Path(sys.argv[1])), batched=sys.argv[2] == "batched")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning"))

    def stop_at_end_of_input() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    server.run(sockets=[listener])


main()
