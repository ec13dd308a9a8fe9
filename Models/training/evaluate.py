#!/usr/bin/env python3
"""Measures a character model's loss through the server: nats per character on the last 10 % of a text.

    python Models/training/evaluate.py --data tinyshakespeare.txt --server http://127.0.0.1:8080
    python Models/training/evaluate.py --data tinyshakespeare.txt --binary .build/release/scanstep

With a server of its own it does so once for each weight type. The held-out text is cut into consecutive windows, each
scored by /v1/prefill from a cold state; the first character of a window has nothing before it and is not scored. Needs
nothing but Python's standard library.
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

LISTENING = "scanstep: listening on "


@contextlib.contextmanager
def serving(binary, models, weights):
    """Starts a server on a free port, yields its address and ends it."""
    command = [binary, "serve", "--models", models, "--port", "0", "--weights", weights]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next((line for line in process.stdout if line.startswith(LISTENING)), None)
            if line is None:
                sys.exit(f"{binary} ended with {process.wait()} before it listened")
            yield line.removeprefix(LISTENING).strip()
        finally:
            process.terminate()


def score(server, model, windows):
    """The summed log-probability of the windows and the number of characters that it covers."""
    body = {
        "model": model,
        "sequences": [{"text": window} for window in windows],
        "return": "none",
        "score": True,
    }
    request = urllib.request.Request(
        f"{server}/v1/prefill", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as reply:
            results = json.load(reply)["results"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code} from {error.url}: {error.read().decode(errors='replace')}")
    except urllib.error.URLError as error:
        sys.exit(f"no reply from {server}: {error.reason}")
    scores = [result["score"] for result in results]
    steps = [part["steps"] for part in scores]
    expected = [len(window) - 1 for window in windows]
    if steps != expected:
        sys.exit(f"the server scored {steps} characters, not {expected}")
    return sum(part["logprob"] for part in scores), sum(steps)


def loss(server, model, windows, batch):
    """Nats per character."""
    logprob, steps = 0.0, 0
    for first in range(0, len(windows), batch):
        part = score(server, model, windows[first : first + batch])
        logprob, steps = logprob + part[0], steps + part[1]
    return -logprob / steps


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = arguments.add_mutually_exclusive_group()
    where.add_argument("--server", help="address of a running server, such as http://127.0.0.1:8080")
    where.add_argument("--binary", default=".build/release/scanstep", help="the server to start (default: %(default)s)")
    arguments.add_argument("--models", default="Models", help="folder the started server serves (default: %(default)s)")
    arguments.add_argument("--model", default="shakespeare-mingru", help="default: %(default)s")
    arguments.add_argument("--data", type=pathlib.Path, required=True, help="the text; its last 10 %% is scored")
    arguments.add_argument(
        "--weights",
        nargs="+",
        default=["auto", "f32", "f16", "int8"],
        help="weight types of the started server, auto being the file's own (default: %(default)s)",
    )
    arguments.add_argument("--windows", type=int, default=256, help="characters of each window (default: %(default)s)")
    arguments.add_argument("--batch", type=int, default=32, help="windows of a request (default: %(default)s)")
    arguments.add_argument("--at-most", type=float, help="exit 1 when a loss is above this")
    arguments.add_argument(
        "--within", type=float, default=0.01, help="exit 1 when losses differ by more (default: %(default)s)"
    )
    given = arguments.parse_args()
    if given.windows < 2 or given.batch < 1:
        arguments.error("--windows takes 2 or more, --batch 1 or more")

    text = given.data.read_text(encoding="utf-8")
    held_out = text[int(len(text) * 0.9) :]
    count = len(held_out) // given.windows
    if count == 0:
        sys.exit(f"{given.data}: its last 10 % is shorter than one window of {given.windows} characters")
    windows = [held_out[i * given.windows : (i + 1) * given.windows] for i in range(count)]

    losses = []

    def measure(server, name):
        losses.append(loss(server, given.model, windows, given.batch))
        print(f"{name}: {losses[-1]:.4f} nats per character over {count} windows of {given.windows} characters")

    if given.server:
        measure(given.server.rstrip("/"), given.model)
    else:
        for weights in given.weights:
            with serving(given.binary, given.models, weights) as server:
                measure(server, f"{given.model}, weights {weights}")
    # Written so that a loss that is not a number fails too.
    if given.at_most is not None and not all(value <= given.at_most for value in losses):
        print(f"above {given.at_most}", file=sys.stderr)
        return 1
    if not max(losses) - min(losses) <= given.within:
        print(f"the losses differ by more than {given.within}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
