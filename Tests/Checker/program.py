"""The server under test: starts, kills, stops and restarts it on the same folder."""

import os
import select
import signal
import subprocess
from pathlib import Path

from .wire import Connection, message

STARTING_SECONDS, STOPPING_SECONDS = 60, 45


class Program:
    """`scanstep serve`, one process after another."""

    def __init__(self, binary: Path, models: Path, folder: Path, *options: str) -> None:
        self._command = [str(binary), "serve", "--models", str(models), "--port", "0", *options]
        self.log = folder / "server.log"
        self.command = " ".join(self._command)
        self._process: subprocess.Popen | None = None
        self.port = 0

    def start(self) -> None:
        """Starts the server and waits until it listens."""
        with self.log.open("ab") as log:
            log.write(b"--- start\n")
            log.flush()
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log)
        output = self._process.stdout
        while True:
            ready, _, _ = select.select([output], [], [], STARTING_SECONDS)
            line = output.readline().decode() if ready else ""
            if not line:
                status = self.end(signal.SIGKILL)
                raise RuntimeError(f"the server did not start ({status}): {self.log.read_text()[-1500:]}")
            if "listening on " in line:
                self.port = int(line.rpartition(":")[2])
                return

    @property
    def pid(self) -> int:
        """The number of the current process."""
        return self._process.pid

    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def end(self, with_signal: signal.Signals) -> int | None:
        """Stops the server and returns its exit status; None where it had to be killed after a timeout."""
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        try:
            return self._process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None
        finally:
            self._process.stdout.close()

    def metrics(self, connection: Connection) -> dict[str, float]:
        """The metrics: values by `name{labels}`."""
        body = connection.exchange(message("GET", "/metrics", None, {}), "GET").body.decode()
        pairs = (line.rsplit(" ", 1) for line in body.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def descriptors(self) -> int:
        """The number of open descriptors of the process."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))
