"""Counts of checks, and findings."""

import threading
from collections import Counter

SHOWN = 3
"""Findings of one kind that are printed in full."""


class Wrong(Exception):
    """A reply or the server violates the contract."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text


class Findings:
    """Counts checks and prints findings."""

    def __init__(self, name: str) -> None:
        self._name, self._lock = name, threading.Lock()
        self.kinds: Counter[str] = Counter()
        self.passed = 0
        self.operations: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        """The ends of servers."""

    def __getstate__(self) -> dict[str, object]:
        """Only counts are sent to another process."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def count(self, operation: str, number: int = 1) -> None:
        """Counts completed operations on sessions."""
        with self._lock:
            self.operations[operation] += number
            self.passed += number

    def refused(self, why: str) -> None:
        """Counts a permitted refusal."""
        with self._lock:
            self.refusals[why] += 1

    @property
    def total(self) -> int:
        """Operations on sessions so far."""
        with self._lock:
            return self.operations.total()

    def add(self, wrong: Wrong, log: object = ()) -> None:
        """Records a finding."""
        with self._lock:
            self.kinds[wrong.kind] += 1
            if self.kinds[wrong.kind] > SHOWN:
                return
        lines = "".join(f"\n    {line}" for line in log)
        print(f"FAILED  {self._name}: {wrong.kind}: {wrong.text[:900]}{lines}", flush=True)
