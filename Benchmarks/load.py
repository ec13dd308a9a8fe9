"""Load over HTTP by wrk, one thread of it: the server needs the rest of the machine."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "wrk.lua"


@dataclass(frozen=True)
class Load:
    """What one load measured."""

    rate: float
    """Requests per second."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def livez(port: int, connections: int, seconds: float) -> Load:
    return _run(port, connections, seconds, "livez")


def steps(port: int, connections: int, seconds: float, prefix: str, vocabulary: int) -> Load:
    """Steps as many sessions as there are connections; those named PREFIX0, PREFIX1, …"""
    return _run(port, connections, seconds, "step", str(connections), prefix, str(vocabulary))


def random_steps(port: int, connections: int, seconds: float, sessions: int, vocabulary: int, seed: int) -> Load:
    """Steps sessions drawn at random from those named s0000000, s0000001, …; equal seeds draw equally."""
    return _run(port, connections, seconds, "random", str(sessions), str(vocabulary), str(seed))


def _run(port: int, connections: int, seconds: float, *what: str) -> Load:
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "60s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}", "--", *what]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result = json.loads(output.split("RESULT ", 1)[1])
    if result["bad"] or not result["requests"]:
        raise RuntimeError(f"{result['bad']} of {result['requests']} requests failed: {' '.join(command)}")
    rate = result["requests"] / result["seconds"]
    return Load(rate, result["p50_ms"], result["p90_ms"], result["p99_ms"], result["max_ms"])
