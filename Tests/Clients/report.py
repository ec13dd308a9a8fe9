"""Counts checks and prints those that fail."""

from collections.abc import Iterator
from contextlib import contextmanager


class Report:
    """Counts of the checks that have passed and failed."""

    def __init__(self, *, is_full: bool = False) -> None:
        self.is_full = is_full
        """Whether a run may take an hour, not a minute."""
        self.passed, self.failed = 0, 0
        self._client = ""

    def check(self, what: str, holds: object, found: object = "") -> None:
        """Counts a check; where it does not hold, prints what was found instead."""
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED  {self._client}: {what}: {str(found)[:600]}", flush=True)

    def equal(self, what: str, found: object, wanted: object) -> None:
        """Checks that two values are the same."""
        self.check(what, found == wanted, f"{found!r} is not {wanted!r}")

    @contextmanager
    def client(self, name: str) -> Iterator[None]:
        """Names the client of the checks inside; an exception there counts as a failed check, and ends only these."""
        self._client = name
        try:
            yield
        except Exception as error:  # noqa: BLE001 - reported, and the other clients run
            self.check("it runs to its end", False, f"{type(error).__name__}: {error}")

    def summary(self) -> int:
        """Prints the last line; returns the exit status."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
