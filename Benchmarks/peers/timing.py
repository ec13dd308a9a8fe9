"""How a peer times itself: like `scanstep bench`, warm, and in runs of at least 50 ms."""

import math
from collections.abc import Callable
from time import perf_counter

SHORTEST = 0.05


class Timed:
    """Something to run again and again."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        # The first run compiles or allocates; the third finds everything in place.
        self._time(2)
        self._repeats = max(1, math.ceil(SHORTEST / self._time(1)))

    def seconds(self) -> float:
        """Of one run."""
        return self._time(self._repeats)

    def _time(self, repeats: int) -> float:
        start = perf_counter()
        for _ in range(repeats):
            self._run()
        return (perf_counter() - start) / repeats
