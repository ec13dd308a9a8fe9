"""How a peer times itself: like `scanstep bench`, warm, and in runs of at least 50 ms."""

import math
from collections.abc import Callable
from time import perf_counter

SHORTEST = 0.05


class Timed:
    """A function that is timed repeatedly."""

    def __init__(self, run: Callable[[], object], warm: Callable[[], object] | None = None) -> None:
        """- warm: replaces the first two runs, where these would take too long."""
        self._run = warm or run
        # The first run compiles or allocates; the third finds everything in place.
        self._time(2)
        self._run = run
        self._repeats = max(1, math.ceil(SHORTEST / self._time(1)))

    def seconds(self) -> float:
        """Seconds of one run."""
        return self._time(self._repeats)

    def _time(self, repeats: int) -> float:
        start = perf_counter()
        for _ in range(repeats):
            self._run()
        return (perf_counter() - start) / repeats
