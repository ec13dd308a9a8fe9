"""The cheapest request on one processor: against nginx and Hummingbird, with and without access logs, and over TLS."""

import os
import socket
import ssl
import subprocess
import urllib.request
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from time import monotonic

import machine
from figures import Ratio, Target
from load import Load, fetch
from ours import Server
from peers import hummingbird, nginx
from peers.hummingbird import Hummingbird
from peers.nginx import Nginx
from settings import ROOT, Settings

CONNECTIONS = 64
BODY = b'{"status":"live"}'
OURS, NGINX, BUFFERED, HUMMINGBIRD = "ours", "nginx", "nginx, buffer=64k", "Hummingbird"


def run(settings: Settings) -> dict:
    hummingbird.build()
    core = machine.first_core()
    folder = settings.scratch / "hello"
    folder.mkdir()
    certificate = _certificate(folder)
    models = ROOT / "Models"
    log = folder / "access.log"

    def ours(*options: str) -> Server:
        return Server(settings, models, "--loops", "1", *options, prefix=core)

    groups = {
        "no access logs": {
            OURS: ours,
            NGINX: lambda: Nginx(prefix=core),
            HUMMINGBIRD: lambda: Hummingbird(prefix=core),
        },
        "access logs": {
            OURS: lambda: ours("--access-log", str(log)),
            NGINX: lambda: Nginx("{log}", prefix=core),
            BUFFERED: lambda: Nginx("{log} combined buffer=64k flush=1s", prefix=core),
        },
        "TLS": {
            OURS: lambda: ours("--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])),
            NGINX: lambda: Nginx(certificate=certificate, prefix=core),
        },
    }
    targets = {
        ("no access logs", NGINX): 1.0,
        ("no access logs", HUMMINGBIRD): 3.0,
        ("access logs", NGINX): 1.0,
        ("TLS", NGINX): 0.8,
    }
    part: dict = {"figures": [], "loads": {}, "busy": {}, "microseconds": {}, "replies": {}}
    part["versions"] = {"nginx": nginx.version(), "Hummingbird": hummingbird.version()}
    for name, kinds in groups.items():
        loads = _measure(settings, name, kinds, certificate[0], log, part)
        rates = {server: [load.rate for load in list_] for server, list_ in loads.items()}
        for server in list(kinds)[1:]:
            bound = targets.get((name, server))
            work = f"`/livez` on {CONNECTIONS} connections, {name}"
            target = Target(bound) if bound else None
            costs = part["microseconds"][name]
            figures = [
                Ratio(work, server, rates[OURS], rates[server], "requests/s", target=target),
                Ratio(f"{work}: processor time of each", server, costs[OURS], costs[server], "µs", inverse=True),
            ]
            part["figures"] += [figure.record() for figure in figures]
        part["loads"][name] = {server: [asdict(load) for load in list_] for server, list_ in loads.items()}
    return part


def _measure(
    settings: Settings, name: str, kinds: dict, trusted: Path, log: Path, part: dict
) -> dict[str, list[Load]]:
    """Starts all servers of a group side by side, and loads them in turns.

    `busy` has the share of its processor that each has used: near 1, the server bounds the rate, not the load.
    """
    loads: dict[str, list[Load]] = {server: [] for server in kinds}
    busy = part["busy"][name] = {server: [] for server in kinds}
    costs = part["microseconds"][name] = {server: [] for server in kinds}
    with ExitStack() as stack:
        servers = {server: stack.enter_context(start()) for server, start in kinds.items()}
        urls = {server: f"{started.base}/livez" for server, started in servers.items()}
        part["replies"][name] = {server: _reply(url, trusted) for server, url in urls.items()}
        for url in urls.values():
            fetch(url, CONNECTIONS, 1)
        for _ in range(settings.rounds(7)):
            for server, url in urls.items():
                before, start = machine.processor_seconds(servers[server].pid), monotonic()
                loads[server].append(fetch(url, CONNECTIONS, settings.seconds(5)))
                used = machine.processor_seconds(servers[server].pid) - before
                busy[server].append(round(used / (monotonic() - start), 3))
                costs[server].append(1e6 * used / (loads[server][-1].rate * settings.seconds(5)))
                # So that the log of one is not written to the disk while another is loaded.
                for file in (log, getattr(servers[server], "log", log)):
                    if file.exists():
                        os.truncate(file, 0)
    return loads


def _reply(url: str, trusted: Path) -> dict:
    """The sizes of a server's reply. Raises where its body is not ours, without which rates do not compare."""
    context = ssl.create_default_context(cafile=trusted) if url.startswith("https:") else None
    with urllib.request.urlopen(url, timeout=30, context=context) as reply:
        body, head = reply.read(), str(reply.headers)
    if body != BODY:
        raise RuntimeError(f"{url} says {body!r}")
    return {"head_bytes": len(head), "body_bytes": len(body)} | (_agreed(url, context) if context else {})


def _agreed(url: str, context: ssl.SSLContext) -> dict[str, str]:
    """The version and cipher of TLS that both sides negotiate."""
    host, _, port = url.removeprefix("https://").partition("/")[0].partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return {"version": secure.version(), "cipher": secure.cipher()[0]}


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed P-256 certificate, and its key."""
    certificate, key = folder / "server.pem", folder / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key
