"""Tiny Shakespeare, the public file of Andrej Karpathy's char-rnn project (1,115,394 characters, public domain), in its parts."""

import hashlib
import urllib.request
from pathlib import Path

ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
DIGEST = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
KEPT = Path(__file__).resolve().parents[1] / "runs" / "tinyshakespeare.txt"

WINDOW = 256
TRAINING, VALIDATION, TEST = (0, 0.85), (0.85, 0.9), (0.9, 1)
"""Where the parts begin and end."""


def whole(file: Path | None) -> str:
    """The text of a file, or, without one, the public file, which is fetched once."""
    if file is None:
        file = KEPT
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with urllib.request.urlopen(ADDRESS, timeout=60) as reply:
                    content = reply.read()
            except OSError as error:
                raise SystemExit(f"{ADDRESS}: {error}; name a copy by --data (of make: DATA=)") from error
            if hashlib.sha256(content).hexdigest() != DIGEST:
                raise SystemExit(f"{ADDRESS} is not the file that it was; name a copy by --data (of make: DATA=)")
            file.write_bytes(content)
    return file.read_text(encoding="utf-8")


def part(file: Path | None, bounds: tuple[float, float]) -> str:
    text = whole(file)
    return text[int(len(text) * bounds[0]) : int(len(text) * bounds[1])]
