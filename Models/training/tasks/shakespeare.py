"""Tiny Shakespeare, the public file of Andrej Karpathy's char-rnn project (1,115,394 characters, public domain), in
its parts."""

import hashlib
import urllib.request
from pathlib import Path

ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
DIGEST = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
KEPT = Path(__file__).resolve().parents[1] / "runs" / "tinyshakespeare.txt"

WINDOW = 256
BLOCK = 10 * WINDOW
SPLIT = 0.9
"""What lies behind this share of the text is for tests alone, as in nanoGPT and in the paper. Of what lies before,
every twentieth block validates: a piece of its end would hold a play of which the rest trains nothing, and would be
as hard as no other part."""


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


def test(text: str) -> str:
    return text[int(len(text) * SPLIT) :]


def validates(place: int) -> bool:
    """Whether the character of a place before the split is for validation."""
    return place // BLOCK % 20 == 19


def training_starts(text: str) -> list[int]:
    """Where a window and the character behind it lie in what trains."""
    end = int(len(text) * SPLIT) - WINDOW
    return [place for place in range(end) if not validates(place) and not validates(place + WINDOW)]


def validation_starts(text: str) -> list[int]:
    """Where the windows of the validation blocks begin."""
    end = int(len(text) * SPLIT) - BLOCK
    return [place + n for place in range(0, end, BLOCK) if validates(place) for n in range(0, BLOCK, WINDOW)]
