#!/usr/bin/env python3
"""Sends many requests of several kinds, and checks that resident memory does not grow after a warm-up.

A thousand generations over server-sent events, each after an input of its own of 100,000 tokens; states sent and
returned in base64; replies under keys; sessions that are created and deleted, more than there are tombstones; requests
that are logged.
Prints what has grown and, last, `N passed, N failed`; exits 1 on any growth.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from Checker.models import Model, Shape
from Checker.wire import Connection, message
from Clients.report import Report
from Clients.server import ROOT, Server

GROWTH_BYTES = 8 << 20
INPUT_TOKENS, GENERATED_TOKENS = 100_000, 8
WARM_UP = 0.15
"""The fraction of the requests before the measurement, after which buffers and pools have their size."""
LOOKS = 40
"""The number of measurements after that."""
TOMBSTONES = 100_000
"""Ended sessions that the server remembers."""
SHAPE = Shape("minGRU", "log-space", layers=1, width=64, inner=64, kernel=0, vector=0)
EVENTS = {"Accept": "text/event-stream"}


class Soak:
    """One server, and a connection to it."""

    def __init__(self, server: Server, report: Report, seed: int) -> None:
        self._server, self._report = server, report
        self._connection = Connection(server.port)
        self._chance, self._tokens = random.Random(seed), np.random.default_rng(seed)

    def run(self, name: str, count: int, once: Callable[[int], None], warm_up: int | None = None) -> None:
        """Calls `once` `count` times after a warm-up, and measures the memory meanwhile."""
        start, before = time.monotonic(), 0
        warm_up = int(WARM_UP * count) if warm_up is None else warm_up
        most, least, looks = 0, 1 << 62, max(1, count // LOOKS)
        with self._report.client(name):
            for index in range(warm_up):
                once(index)
            before = self._server.resident_bytes()
            for index in range(warm_up, warm_up + count):
                once(index)
                if (index - warm_up) % looks == looks - 1:
                    now = self._server.resident_bytes()
                    most, least = max(most, now), min(least, now)
            text = f"{before / 2**20:.1f} MiB, then {least / 2**20:.1f} to {most / 2**20:.1f}"
            print(f"  {name}: {warm_up} and {count} in {time.monotonic() - start:.0f} s, {text}", flush=True)
            self._report.check("resident memory stays", most - before <= GROWTH_BYTES, text)
            metrics = self._server.metrics()
            works = metrics["scanstep_queue_works"]
            self._report.check("nothing is under way", not works, works)
            used, limit = metrics["scanstep_session_bytes"], metrics["scanstep_session_limit_bytes"]
            self._report.check("memory for sessions is bounded", used <= limit, f"{used:.0f} of {limit:.0f}")

    def _ask(self, method: str, path: str, body: object = None, **fields: str) -> bytes:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        reply = self._connection.exchange(message(method, path, data, fields), method)
        if not reply.ok:
            raise RuntimeError(f"{method} {path}: {reply}")
        return reply.body

    # Kinds of requests.

    def generation(self, index: int) -> None:
        """A session, an input of its own, and tokens as events; deletes every other session."""
        session = json.loads(self._ask("POST", "/v1/sessions", {"model": "wide"}))["id"]
        tokens = self._tokens.integers(0, 13, INPUT_TOKENS, dtype=np.int8)
        body = b'{"tokens":[%s],"max_tokens":%d,"stream":true}' % (_joined(tokens), GENERATED_TOKENS)
        data = message("POST", f"/v1/sessions/{session}/generate", body, EVENTS)
        text = self._connection.exchange(data, "POST").body
        if text.count(b"\nid: ") + text.startswith(b"id: ") != GENERATED_TOKENS + 1 or b"event: done" not in text:
            raise RuntimeError(f"another stream: {text[-300:]!r}")
        if index % 2:
            self._ask("DELETE", f"/v1/sessions/{session}")

    def supplied_states(self, _: int) -> None:
        """A step of a state that the client keeps."""
        if not hasattr(self, "_state"):
            sequence = {"tokens": [1], "return_state": True}
            reply = self._ask("POST", "/v1/prefill", {"model": "wide", "sequences": [sequence]})
            self._state = json.loads(reply)["results"][0]["state"]
        step = {"state": self._state, "token": self._chance.randrange(13), "return_state": True}
        self._state = json.loads(self._ask("POST", "/v1/step", {"steps": [step]}))["results"][0]["state"]

    def keys(self, index: int) -> None:
        """A request under a key of its own on one of fifty sessions."""
        session = f"keyed-{index % 50}"
        if index < 50:
            self._ask("POST", "/v1/sessions", {"model": "wide", "id": session})
        body = {"tokens": [1, 2, 3, 4], "return": "all", "logits": True}
        self._ask("POST", f"/v1/sessions/{session}/prefill", body, **{"Idempotency-Key": f"key-{index}"})

    def deleted_sessions(self, index: int) -> None:
        """Sessions with names of the greatest length, created many at once and deleted."""
        names = [f"{index:06}-{number:03}-" + "x" * 110 for number in range(100)]
        sequences = [{"tokens": [1], "create": name} for name in names]
        self._ask("POST", "/v1/prefill", {"model": "wide", "sequences": sequences, "return": "none"})
        for name in names:
            self._ask("DELETE", f"/v1/sessions/{name}")

    def logged_requests(self, index: int) -> None:
        """A request that leaves a line in the access log."""
        self._ask("GET", "/livez", None, **{"X-Request-Id": f"soak-{index}"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build-test/release/scanstep")
    parser.add_argument("--generations", type=int, default=1000)
    parser.add_argument("--only", help="generations, states, keys, deleted, log; separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="scanstep-soak-") as name:
        folder = Path(name)
        Model("wide", SHAPE).write(folder / "models")
        options = ("--log-level", "error", "--session-memory", "4MiB", "--access-log", str(folder / "access.log"))
        with Server(arguments.scanstep.resolve(), *options, models=folder / "models") as server:
            soak = Soak(server, report, arguments.seed)
            parts = {
                "generations": lambda: soak.run("generations", arguments.generations, soak.generation),
                "states": lambda: soak.run("states in base64", 10_000, soak.supplied_states),
                "keys": lambda: soak.run("replies under keys", 20_000, soak.keys),
                "deleted": lambda: soak.run(
                    "deleted sessions", 300, soak.deleted_sessions, warm_up=TOMBSTONES // 100 + 50),
                "log": lambda: soak.run("logged requests", 50_000, soak.logged_requests),
            }
            for part in arguments.only.split(",") if arguments.only else parts:
                parts[part]()
            with report.client("the server"):
                report.equal("it ends in order", server.stop(), 0)
    return report.summary()


def _joined(tokens: np.ndarray) -> bytes:
    """Tokens below 26 with commas between them: two bytes each and a comma, with a blank where one digit is enough."""
    text = np.full((len(tokens), 3), ord(" "), np.uint8)
    text[:, 0] = np.where(tokens >= 10, ord("0") + tokens // 10, ord(" "))
    text[:, 1] = ord("0") + tokens % 10
    text[:, 2] = ord(",")
    return text.tobytes()[:-1]


if __name__ == "__main__":
    sys.exit(main())
