"""State files as the server writes them: safetensors with metadata."""

import json

from .findings import Wrong


def identity(file: bytes) -> tuple[int, str]:
    """The step and the digest in a state file's metadata."""
    length = int.from_bytes(file[:8], "little")
    try:
        metadata = json.loads(file[8 : 8 + length])["__metadata__"]
        return int(metadata["step"]), metadata["sha256"]
    except (ValueError, KeyError) as error:
        raise Wrong("a state that is no state file", f"{file[:200]!r}") from error
