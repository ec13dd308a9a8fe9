"""Hummingbird: the server in hello/, on one event loop, that answers `/livez` with the bytes of our own."""

import re
import subprocess
from pathlib import Path

from peers.process import ServerProcess
from settings import ROOT

HERE, BUILT = Path(__file__).resolve().parent / "hello", ROOT / ".build-hummingbird"


def build() -> None:
    """Builds the server, in a folder that is kept; the first build takes minutes."""
    command = ["swift", "build", "-c", "release", "--package-path", str(HERE), "--scratch-path", str(BUILT)]
    subprocess.run([*command, "--quiet"], check=True)


def version() -> str:
    """The version that hello/ requires."""
    return re.search(r'hummingbird", exact: "(.*?)"', (HERE / "Package.swift").read_text()).group(1)


class Hummingbird(ServerProcess):
    """The server that `build` has built."""

    def __init__(self, prefix: tuple[str, ...] = ()) -> None:
        super().__init__([*prefix, str(BUILT / "release" / "hello")])
        self.base = f"http://127.0.0.1:{int(self._line())}"
