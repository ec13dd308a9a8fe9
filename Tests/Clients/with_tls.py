"""TLS: versions, trust, resumption, and a client without TLS."""

import socket
import ssl
import subprocess

from .report import Report
from .server import Server
from .with_curl import transfer

REQUEST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def run(server: Server, report: Report) -> None:
    url = f"{server.base}/livez"
    trust = "--cacert", str(server.certificate)
    for version in ("1.2", "1.3"):
        reply = transfer(url, *trust, f"--tlsv{version}", "--tls-max", version)
        report.equal(f"curl with TLS {version}", (reply.status, reply.facts["ssl_verify_result"]), (200, 0))
    old = *trust, "--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max", "1.1"
    for what, options, status in (("an unknown certificate", (), 60), ("TLS 1.1", old, 35)):
        command = ["curl", "--silent", "--max-time", "10", *options, url]
        ended = subprocess.run(command, capture_output=True, timeout=30, check=False)
        report.equal(f"{what} fails", ended.returncode, status)

    host, _, port = server.base.removeprefix("https://").rpartition(":")
    address = host, int(port)
    with socket.create_connection(address, timeout=10) as plain:
        plain.sendall(REQUEST)
        try:
            answer = plain.recv(1000)
        except ConnectionResetError:
            answer = b""
        report.check("a client without TLS gets no 200", b" 200 " not in answer, answer)

    context = server.trust
    context.set_alpn_protocols(["h2", "http/1.1"])
    agreed, session, _ = _ask(context, address)
    report.equal("HTTP/1.1 is agreed on", agreed, "http/1.1")
    report.check("a session is resumed", _ask(context, address, session)[2], "a whole handshake")


def _ask(
    context: ssl.SSLContext, address: tuple[str, int], session: ssl.SSLSession | None = None
) -> tuple[str | None, ssl.SSLSession | None, bool | None]:
    """The negotiated protocol, the session to resume, and whether this one was resumed."""
    with socket.create_connection(address, timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=address[0], session=session) as secure:
            secure.sendall(REQUEST)
            # Tickets come with the first reply.
            secure.recv(1000)
            return secure.selected_alpn_protocol(), secure.session, secure.session_reused
