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
    """Whether figures of the text compare with others of Tiny Shakespeare."""
    return hashlib.sha256(text.encode()).hexdigest() == DIGEST


def training(text: str) -> str:
    return text[: int(len(text) * SPLIT)]


def test(text: str) -> str:
    return text[int(len(text) * SPLIT) :]


def validates(place: int) -> bool:
    """Whether the character of a place before the split is for validation."""
    return place // BLOCK % 20 == 19


def training_starts(count: int) -> list[int]:
    """Where a window and the character behind it lie in what trains, of so many characters before the split."""
    return [place for place in range(count - WINDOW) if not validates(place) and not validates(place + WINDOW)]


def validation_starts(count: int) -> list[int]:
    """Where the windows of the validation blocks begin."""
    blocks = range(0, count - BLOCK, BLOCK)
    return [place + n for place in blocks if validates(place) for n in range(0, BLOCK, WINDOW)]
