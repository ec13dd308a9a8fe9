#!/usr/bin/env python3
"""Drives a server with unmodified clients: curl, httpx, aiohttp, Node's fetch, h2load, OpenAI's package, tritonclient,
KServe's and Schemathesis, with and without TLS; compares its tokens with those of the package `tokenizers`, and its
models' fingerprints with their files; and proves converted checkpoints with it.

Each has a file of its own in Clients/. Prints what failed and, last, `N passed, N failed`; exits 1 on any failure.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from Clients.certificate import make
from Clients.report import Report
from Clients.server import ROOT, Server

SHARED = {
    "curl": ("curl", "run"),
    "curl-1.0": ("curl", "run_old"),
    "httpx": ("httpx", "run"),
    "aiohttp": ("aiohttp", "run"),
    "duplex": ("duplex", "run"),
    "node": ("node", "run"),
    "h2load": ("h2load", "run"),
    "openai": ("openai", "run"),
}
"""Clients of one server: the file of each and its function."""


def http(binary: Path, report: Report) -> None:
    drive(Server(binary), SHARED, report, "")


def tls(binary: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make(Path(folder))
        server = Server(binary, "--tls-cert", str(certificate), "--tls-key", str(key), certificate=certificate)
        drive(server, SHARED | {"versions": ("tls", "run")}, report, " with TLS")


def bare(binary: Path, report: Report) -> None:
    client("openai").run_bare(binary, report)


def kserve_package(binary: Path, report: Report) -> None:
    client("kserve").run_package(binary, report)


GROUPS = {"http": http, "tls": tls, "bare": bare, "kserve-package": kserve_package} | {
    name: lambda binary, report, name=name: client(name).run(binary, report)
    for name in ("keys", "identity", "tokenizers", "triton", "kserve", "schemathesis", "converter")
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build-test/release/scanstep")
    parser.add_argument("--only", required=True, help=f"groups of clients, of {', '.join(GROUPS)}")
    parser.add_argument("--full", action="store_true", help="as many random texts and requests as take an hour")
    arguments = parser.parse_args()

    report = Report(is_full=arguments.full)
    for name in arguments.only.split(","):
        with report.client(name):
            GROUPS[name](arguments.scanstep.resolve(), report)
    return report.summary()


def client(name: str) -> ModuleType:
    """The module of a client, imported on demand, since some imports take seconds."""
    return importlib.import_module(f"Clients.with_{name}")


def drive(server: Server, clients: dict[str, tuple[str, str]], report: Report, how: str) -> None:
    failed = report.failed
    with server:
        for name, (module, function) in clients.items():
            with report.client(name + how):
                getattr(client(module), function)(server, report)
        with report.client("server" + how):
            report.equal("the queue is empty", server.metrics()["scanstep_queue_works"], 0)
            report.equal("it ends in order", server.stop(), 0)
        if report.failed > failed:
            print(server.log())


if __name__ == "__main__":
    sys.exit(main())
