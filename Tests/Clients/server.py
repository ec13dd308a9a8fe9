"""The program under test on a free port, its process and its metrics."""

import os
import re
import select
import signal
import ssl
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = "shakespeare-mingru"
STARTING_SECONDS, STOPPING_SECONDS = 30, 40


class Server:
    """`scanstep serve`, for as long as the context lasts."""

    def __init__(
        self, binary: Path, *options: str, certificate: Path | None = None, models: Path = ROOT / "Models"
    ) -> None:
        self.certificate = certificate
        """The certificate that clients must trust; None without TLS."""
        command = [str(binary), "serve", "--models", str(models), "--port", "0", *options]
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.base = self._address()

    def _address(self) -> str:
        ready, _, _ = select.select([self._process.stdout], [], [], STARTING_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if "listening on " not in line:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"the server did not start: {self.log()}")
        return line.rpartition("listening on ")[2].strip()

    @property
    def trust(self) -> ssl.SSLContext | None:
        """A context with which Python's clients trust the server; None without TLS."""
        return ssl.create_default_context(cafile=self.certificate) if self.certificate else None

    @property
    def port(self) -> int:
        """The server's port on 127.0.0.1."""
        return int(self.base.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """Stops the server by SIGTERM and returns its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def reload(self) -> None:
        """Makes the server reload its files."""
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        """The end of the server's log."""
        self._log.seek(0)
        return self._log.read()[-2000:].decode(errors="replace")

    def descriptors(self) -> int:
        """The number of open descriptors of the process."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s*(\d+) kB$", status, re.MULTILINE).group(1)) * 1024

    def metrics(self) -> dict[str, float]:
        """The metrics: values by `name{labels}`."""
        with urllib.request.urlopen(f"{self.base}/metrics", timeout=30, context=self.trust) as reply:
            lines = reply.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}
