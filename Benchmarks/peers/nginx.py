"""nginx, one worker in the foreground, that answers `/livez` with the bytes of our own."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from peers.process import ServerProcess

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    access_log {log};
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port}{tls};
        location = /livez {{
            default_type application/json;
            add_header x-request-id $request_id;
            return 200 '{{"status":"live"}}';
        }}
    }}
}}
"""
TLS = """ ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {certificate};
        ssl_certificate_key {key}"""
STARTING_SECONDS = 20
ENVIRONMENT = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}


def version() -> str:
    """The version of nginx."""
    output = subprocess.run(["nginx", "-v"], env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return output.stderr.rpartition("/")[2].strip()


class Nginx(ServerProcess):
    """nginx as an unprivileged user, also where root starts it."""

    def __init__(
        self, log: str = "off", certificate: tuple[Path, Path] | None = None, prefix: tuple[str, ...] = ()
    ) -> None:
        """`log` is the value of `access_log`, with `{log}` for a file; `prefix` begins the command."""
        self._folder = tempfile.TemporaryDirectory(prefix="nginx-")
        folder = Path(self._folder.name)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            # nginx cannot choose a port itself; this one was free a moment ago.
            self.port = listener.getsockname()[1]
        # Copies that the unprivileged user may read.
        copies = [Path(shutil.copy(file, folder)) for file in certificate or ()]
        tls = TLS.format(certificate=copies[0], key=copies[1]) if copies else ""
        self.log = folder / "access.log"
        text = CONFIGURATION.format(folder=folder, log=log.format(log=self.log), port=self.port, tls=tls)
        file = folder / "nginx.conf"
        file.write_text(text)
        identity = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (folder, *copies):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        command = [*prefix, "nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)]
        super().__init__(command, env=ENVIRONMENT, **identity)
        self.base = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        end = monotonic() + STARTING_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self._process.poll() is not None or monotonic() > end:
                    self.__exit__(None, None, None)
                    raise RuntimeError("nginx did not start") from None
                sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._folder.cleanup()
