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
"""The text after this share is for tests alone, as in nanoGPT and in the paper. Of the text before, every twentieth
block is for validation: its last part alone would be a play that training never sees, and harder than any other
part."""


def whole(file: Path | None) -> str:
    """The text of a file, or, without one, the public file, which is fetched once."""
    if file is None and not KEPT.exists():
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        try:
            with urllib.request.urlopen(ADDRESS, timeout=60) as reply:
                content = reply.read()
        except OSError as error:
            raise SystemExit(f"{ADDRESS}: {error}; name a copy by --data (of make: DATA=)") from error
        if hashlib.sha256(content).hexdigest() != DIGEST:
            raise SystemExit(f"{ADDRESS} is not the file that it was; name a copy by --data (of make: DATA=)")
        KEPT.write_bytes(content)
    try:
        return (file or KEPT).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{file or KEPT}: {error}") from error


def is_original(text: str) -> bool:
    """Whether the text is Tiny Shakespeare, so that figures compare."""
    return hashlib.sha256(text.encode()).hexdigest() == DIGEST


def training(text: str) -> str:
    return text[: int(len(text) * SPLIT)]


def test(text: str) -> str:
    return text[int(len(text) * SPLIT) :]


def validates(place: int) -> bool:
    """Whether the character at a place before the split is for validation."""
    return place // BLOCK % 20 == 19


def training_starts(count: int) -> list[int]:
    """Starts of windows that lie, with the character after each, in the training blocks of `count` characters."""
    return [place for place in range(count - WINDOW) if not validates(place) and not validates(place + WINDOW)]


def validation_starts(count: int) -> list[int]:
    """Starts of the windows of the validation blocks."""
    blocks = range(0, count - BLOCK, BLOCK)
    return [place + n for place in blocks if validates(place) for n in range(0, BLOCK, WINDOW)]
