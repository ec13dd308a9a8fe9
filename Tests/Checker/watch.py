"""Looks at the server's figures all the time: memory for sessions is bounded, nothing is stuck, nothing grows."""

import threading
import time
from collections import deque
from contextlib import contextmanager
from collections.abc import Iterator

from .findings import Findings, Wrong
from .program import Program
from .wire import Connection, ServerGone, Stuck

GRACE_SECONDS = 0.25
"""For what was under way so long ago bytes may still be in use."""
WARM_UP_RESTS = 4
"""Buffers and pools have their size behind so many."""
QUIET_SECONDS = 10
"""How long the server may take until it is quiet when nothing is asked of it."""
THREADS, DESCRIPTORS, RESIDENT_BYTES = 2, 4, 12 << 20
"""How much more there may be than after the warm-up."""
USED, LIMIT, WORKS = "scanstep_session_bytes", "scanstep_session_limit_bytes", "scanstep_queue_works"


class Needs:
    """Bytes that the operations under way may need, and those of a moment ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._ended: deque[tuple[float, int]] = deque()

    @contextmanager
    def of(self, count: int) -> Iterator[None]:
        """While an operation is under way."""
        with self._lock:
            self._now += count
        try:
            yield
        finally:
            with self._lock:
                self._now -= count
                self._ended.append((time.monotonic(), count))

    def recent(self) -> int:
        """Of all that were under way a moment ago, or are."""
        with self._lock:
            while self._ended and self._ended[0][0] < time.monotonic() - GRACE_SECONDS:
                self._ended.popleft()
            return self._now + sum(count for _, count in self._ended)


class Watch:
    """The bound of memory while clients are at work, and what must be so when they rest."""

    def __init__(self, program: Program, needs: Needs, findings: Findings) -> None:
        self._program, self._needs, self._findings = program, needs, findings
        self._connection: Connection | None = None
        self._excesses = 0
        self._base: dict[str, float] = {}
        self._rests = 0
        self.most = 0.0
        """Of the memory for sessions, its use in parts of the limit."""
        self.grown = 0.0
        """Bytes of resident memory since the warm-up, at most."""

    def restarted(self) -> None:
        """The server is a new process."""
        self._connection, self._base, self._rests, self._excesses = None, {}, 0, 0

    def _metrics(self) -> dict[str, float]:
        if not self._connection or not self._connection.is_reusable:
            self._connection = Connection(self._program.port)
        try:
            return self._program.metrics(self._connection)
        except (ServerGone, Stuck):
            self._connection.close()
            raise

    def look(self) -> None:
        """Compares the memory in use with its bound."""
        before = self._needs.recent()
        metrics = self._metrics()
        bound = metrics[LIMIT] + max(before, self._needs.recent())
        self.most = max(self.most, metrics[USED] / metrics[LIMIT])
        self._excesses = self._excesses + 1 if metrics[USED] > bound else 0
        if self._excesses == 3:
            text = f"{_used(metrics)}; {bound:.0f} with what is under way"
            self._findings.add(Wrong("memory for sessions beyond the limit", text))
        self._findings.events["look at the memory"] += 1

    def rest(self) -> dict[str, float]:
        """Waits until the server is quiet; what is not as it must be by then is wrong."""
        end = time.monotonic() + QUIET_SECONDS
        while True:
            metrics = self._metrics()
            if not metrics[WORKS] and metrics[USED] <= metrics[LIMIT] or time.monotonic() > end:
                break
            time.sleep(0.05)
        if metrics[WORKS]:
            self._findings.add(Wrong("works that do not end", f"{metrics[WORKS]:.0f} works while nothing is asked"))
        if metrics[USED] > metrics[LIMIT]:
            text = f"{_used(metrics)}, while nothing is asked"
            self._findings.add(Wrong("memory for sessions stays beyond the limit", text))
        figures = {
            "threads": metrics["process_threads"],
            "descriptors": self._program.descriptors() - metrics["scanstep_connections"],
            "resident bytes": metrics["process_resident_memory_bytes"],
        }
        self._rests += 1
        if self._rests <= WARM_UP_RESTS:
            self._base = figures
        self.grown = max(self.grown, figures["resident bytes"] - self._base["resident bytes"])
        for name, most in (("threads", THREADS), ("descriptors", DESCRIPTORS), ("resident bytes", RESIDENT_BYTES)):
            if figures[name] > self._base[name] + most:
                self._findings.add(Wrong(f"more {name}", f"{figures[name]:.0f}, they were {self._base[name]:.0f}"))
        return metrics


def _used(metrics: dict[str, float]) -> str:
    times = metrics[USED] / metrics[LIMIT]
    return f"{metrics[USED]:.0f} bytes, {times:.1f} × the limit of {metrics[LIMIT]:.0f}"
