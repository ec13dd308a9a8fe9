"""Watches the server's metrics: memory for sessions is bounded, no request is stuck, and the process does not grow."""

import threading
import time
from collections import deque
from contextlib import contextmanager
from collections.abc import Iterator

from .findings import Findings, Wrong
from .program import Program
from .wire import Connection, ServerGone, Stuck

GRACE_SECONDS = 0.25
"""Seconds for which the bytes of an ended operation may still be in use."""
WARM_UP_RESTS = 4
"""The number of rests after which buffers and pools have their size."""
QUIET_SECONDS = 10
"""Seconds within which the server must be quiet once there are no requests."""
THREADS, DESCRIPTORS, RESIDENT_BYTES = 2, 4, 12 << 20
"""The permitted growth since the warm-up."""
USED, LIMIT, WORKS = "scanstep_session_bytes", "scanstep_session_limit_bytes", "scanstep_queue_works"


class Needs:
    """Bytes that running and just ended operations may need."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._ended: deque[tuple[float, int]] = deque()

    @contextmanager
    def of(self, count: int) -> Iterator[None]:
        """Counts `count` bytes while an operation runs."""
        with self._lock:
            self._now += count
        try:
            yield
        finally:
            with self._lock:
                self._now -= count
                self._ended.append((time.monotonic(), count))

    def recent(self) -> int:
        """The bytes of all operations that run or have just ended."""
        with self._lock:
            while self._ended and self._ended[0][0] < time.monotonic() - GRACE_SECONDS:
                self._ended.popleft()
            return self._now + sum(count for _, count in self._ended)


class Watch:
    """Checks the bound of memory while clients run, and the figures of the process while they are paused."""

    def __init__(self, program: Program, needs: Needs, findings: Findings) -> None:
        self._program, self._needs, self._findings = program, needs, findings
        self._connection: Connection | None = None
        self._excesses = 0
        self._base: dict[str, float] = {}
        self._rests = 0
        self.most = 0.0
        """The largest use of the memory for sessions, as a fraction of the limit."""
        self.grown = 0.0
        """The largest growth of resident memory since the warm-up, in bytes."""

    def restarted(self) -> None:
        """Starts anew for a new process."""
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
        """Waits until the server is quiet, and checks its figures then."""
        end = time.monotonic() + QUIET_SECONDS
        while True:
            metrics = self._metrics()
            if not metrics[WORKS] and metrics[USED] <= metrics[LIMIT] or time.monotonic() > end:
                break
            time.sleep(0.05)
        if metrics[WORKS]:
            self._findings.add(Wrong("works that do not end", f"{metrics[WORKS]:.0f} works without a request"))
        if metrics[USED] > metrics[LIMIT]:
            text = f"{_used(metrics)}, without a request"
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
