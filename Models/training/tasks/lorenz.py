"""The Lorenz system (1963), σ = 10, ρ = 28, β = 8/3, seen every 0.05 units of time as a vector of three numbers near
one.

A trajectory is integrated by the fourth-order Runge-Kutta method in steps of 0.001 and float64. Errors of neighbours
grow by e in 1.1 units of time, which is 22 vectors (the largest Lyapunov exponent is 0.9056).
"""

import numpy

INTERVAL, STEP = 0.05, 0.001
LYAPUNOV_TIME = 1 / 0.9056
CENTRE, SCALE = numpy.array([0.0, 0.0, 23.5]), numpy.array([8.0, 9.0, 8.6])
TRAINING, VALIDATION, TEST = range(3)


def trajectories(count: int, length: int, use: int, seed: int) -> numpy.ndarray:
    """(length, count, 3) float64, from starts that the use and the seed determine, after 20 units of time."""
    random = numpy.random.default_rng([use, seed])
    state = random.uniform([-15, -15, 5], [15, 15, 40], (count, 3))
    found = numpy.empty((length, count, 3))
    between, skipped = round(INTERVAL / STEP), round(20 / STEP)
    for n in range(skipped + (length - 1) * between + 1):
        if n >= skipped and (n - skipped) % between == 0:
            found[(n - skipped) // between] = state
        state = _next(state)
    return (found - CENTRE) / SCALE


def _next(state):
    a = _slope(state)
    b = _slope(state + STEP / 2 * a)
    c = _slope(state + STEP / 2 * b)
    d = _slope(state + STEP * c)
    return state + STEP / 6 * (a + 2 * b + 2 * c + d)


def _slope(state):
    x, y, z = state.T
    return numpy.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], axis=1)


class Linear:
    """The next vector as a linear function of the last few, by least squares: a baseline."""

    def __init__(self, vectors: numpy.ndarray, lags: int = 16):
        self.lags = lags
        features = self._features(vectors[:-1])
        self.weights = numpy.linalg.lstsq(features, vectors[lags:].reshape(len(features), -1), rcond=None)[0]

    def _features(self, vectors):
        """A row for every vector that has lags - 1 before it, of (time, count, 3)."""
        steps = len(vectors) - self.lags + 1
        parts = [vectors[lag : lag + steps].reshape(-1, vectors.shape[2]) for lag in range(self.lags)]
        return numpy.concatenate([*parts, numpy.ones((len(parts[0]), 1))], axis=1)

    def __call__(self, vectors):
        """The next vector after each of (time, count, 3), from index lags - 1 on."""
        return (self._features(vectors) @ self.weights).reshape(-1, *vectors.shape[1:])

    def roll(self, vectors, steps):
        """A forecast (steps, count, 3) after the last of the vectors, on its own outputs."""
        seen = vectors[-self.lags :]
        for _ in range(steps):
            seen = numpy.concatenate([seen, self(seen[-self.lags :])])
        return seen[self.lags :]
