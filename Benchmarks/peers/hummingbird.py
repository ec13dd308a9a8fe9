"""Hummingbird: the server in hello/, on one event loop, that answers `/livez` with the bytes of our own."""

import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from settings import ROOT

HERE, BUILT = Path(__file__).resolve().parent / "hello", ROOT / ".build-hummingbird"


def build() -> None:
    """Builds it, in a folder that stays; the first time takes minutes."""
    command = ["swift", "build", "-c", "release", "--package-path", str(HERE), "--scratch-path", str(BUILT)]
    subprocess.run([*command, "--quiet"], check=True)


def version() -> str:
    """The version that hello/ asks for."""
    return re.search(r'hummingbird", exact: "(.*?)"', (HERE / "Package.swift").read_text()).group(1)


class Hummingbird:
    """For as long as the context lasts."""

    def __init__(self, prefix: tuple[str, ...] = ()) -> None:
        command = [*prefix, str(BUILT / "release" / "hello")]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.base = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
