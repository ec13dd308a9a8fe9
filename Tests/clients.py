#!/usr/bin/env python3
"""Drives a server with the clients that people have: curl, httpx, aiohttp, Node's fetch, h2load, OpenAI's package,
tritonclient and Schemathesis,
with and without TLS; compares its tokens with those of the package `tokenizers`; and has it prove
converted checkpoints.

Each is told of in a file of its own in Clients/. Prints what failed and, last, `N passed, N failed`; exits 1 when
something has.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from Clients import with_aiohttp, with_converter, with_curl, with_h2load, with_httpx, with_keys, with_node, with_openai, with_schemathesis, with_tls, with_tokenizers, with_triton
from Clients.certificate import make
from Clients.report import Report
from Clients.server import ROOT, Server

CLIENTS = {
    "curl": with_curl.run,
    "curl-1.0": with_curl.run_old,
    "httpx": with_httpx.run,
    "aiohttp": with_aiohttp.run,
    "node": with_node.run,
    "h2load": with_h2load.run,
    "openai": with_openai.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build/release/scanstep")
    parser.add_argument("--only", default=",".join(CLIENTS), help=f"clients, of {', '.join(CLIENTS)}")
    arguments = parser.parse_args()

    report = Report()
    binary = arguments.scanstep.resolve()
    chosen = {name: CLIENTS[name] for name in arguments.only.split(",")}
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make(Path(folder))
        _drive(Server(binary), chosen, report, "")
        secure = Server(binary, "--tls-cert", str(certificate), "--tls-key", str(key), certificate=certificate)
        _drive(secure, chosen | {"versions": with_tls.run}, report, " with TLS")
    with report.client("keys"):
        with_keys.run(binary, report)
    with report.client("a state dict alone"):
        with_openai.run_bare(binary, report)
    with report.client("tokenizers"):
        with_tokenizers.run(binary, report)
    with report.client("tritonclient"):
        with_triton.run(binary, report)
    with report.client("schemathesis"):
        with_schemathesis.run(binary, report)
    with report.client("convert.py"):
        with_converter.run(binary, report)
    return report.summary()


def _drive(server: Server, clients: dict[str, Callable[[Server, Report], None]], report: Report, how: str) -> None:
    failed = report.failed
    with server:
        for name, run in clients.items():
            with report.client(name + how):
                run(server, report)
        with report.client("server" + how):
            report.equal("nothing is left to do", server.metrics()["scanstep_queue_works"], 0)
            report.equal("it ends in order", server.stop(), 0)
        if report.failed > failed:
            print(server.log())


if __name__ == "__main__":
    sys.exit(main())
