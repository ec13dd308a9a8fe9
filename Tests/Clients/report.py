"""Counts what holds and says what does not."""

from collections.abc import Iterator
from contextlib import contextmanager


class Report:
    """Checks, as they come."""

    def __init__(self, *, is_full: bool = False) -> None:
        self.is_full = is_full
        """Whether as much is tried as is worth an hour, not a minute."""
        self.passed, self.failed = 0, 0
        self._client = ""

    def check(self, what: str, holds: object, found: object = "") -> None:
        """Counts a check; where it does not hold, what was found instead is printed."""
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
        """Names the client of the checks inside; an exception there is one that failed, and ends only these."""
        self._client = name
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a client raises is told, and the others go on
            self.check("it comes to its end", False, f"{type(error).__name__}: {error}")

    def summary(self) -> int:
        """The closing line; returns the exit status."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
