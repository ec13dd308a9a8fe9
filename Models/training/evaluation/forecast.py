"""Lorenz: the next vector, and how long a forecast on the model's own outputs stays near the truth."""

import numpy
from tasks import lorenz

from .figures import colours, figure, save
from .report import Row

SEEN, AHEAD = 100, 300
NEAR = 0.4
"""A forecast is valid while its distance from the truth is below this share of the attractor's own spread."""


def measure(client, models, options):
    count = 16 if options.quick else 200
    truth = lorenz.trajectories(count, SEEN + AHEAD, lorenz.TEST, options.seed)
    linear = lorenz.Linear(lorenz.trajectories(128, 600, lorenz.TRAINING, options.seed))
    rows = []
    for model in models:
        found = {
            "the model": _next(client, model, truth),
            "persistence": truth[SEEN - 1 : -1],
            f"linear in the last {linear.lags} vectors": linear(truth[SEEN - linear.lags : -1]),
        }
        rolled = {
            "the model": _roll(client, model, truth[:SEEN]),
            "persistence": numpy.broadcast_to(truth[SEEN - 1], truth[SEEN:].shape),
            f"linear in the last {linear.lags} vectors": linear.roll(truth[:SEEN], AHEAD),
        }
        squares = {name: ((x - truth[SEEN:]) ** 2).mean(axis=(0, 2)) for name, x in found.items()}
        ours, *others = (value.mean() ** 0.5 for value in squares.values())
        spread = squares["the model"].std(ddof=1) / count**0.5 / (2 * ours)
        against = ", ".join(f"{name} {value:.4f}" for name, value in zip(list(squares)[1:], others))
        rows.append(
            Row(
                model,
                f"one step ahead, root mean square error, {count} trajectories",
                f"{ours:.5f}",
                f"± {spread:.5f} (trajectories)",
                against,
                bool(ours < min(others)),
            )
        )
        distances = {name: _distance(x, truth[SEEN:], truth) for name, x in rolled.items()}
        times = {name: _valid(distance) for name, distance in distances.items()}
        low, middle, high = numpy.percentile(times["the model"], [25, 50, 75])
        medians = {name: numpy.median(value) for name, value in times.items() if name != "the model"}
        against = ", ".join(f"{name} {value:.2f}" for name, value in medians.items())
        rows.append(
            Row(
                model,
                f"rolling on its own outputs: Lyapunov times until it is off, {AHEAD} steps at most",
                f"{middle:.2f}",
                f"{low:.2f}–{high:.2f} (quartiles)",
                against,
                bool(middle > max(medians.values())),
            )
        )
        _draw(model, truth[SEEN:], rolled, distances, options.figures / f"{model}.png")
    return rows


def _next(client, model, truth):
    """The model's vector behind each but the last, from SEEN - 1 on."""
    sequences = [{"vectors": truth[:-1, n].tolist()} for n in range(truth.shape[1])]
    outputs = []
    for n in range(0, len(sequences), 20):
        body = {"model": model, "sequences": sequences[n : n + 20], "return": "all"}
        for result in client.results("/v1/prefill", body):
            outputs.append([output["vector"] for output in result["outputs"][SEEN - 1 :]])
    return numpy.array(outputs).swapaxes(0, 1)


def _roll(client, model, seen):
    """AHEAD vectors, each the answer to the one before: a session for each trajectory, all stepped together."""
    names = [f"roll-{n}" for n in range(seen.shape[1])]
    begun = [{"vectors": seen[:, n].tolist(), "create": name} for n, name in enumerate(names)]
    results = client.results("/v1/prefill", {"model": model, "sequences": begun, "return": "last"})
    vectors = [[result["output"]["vector"] for result in results]]
    while len(vectors) < AHEAD:
        steps = [{"session": name, "vector": vector} for name, vector in zip(names, vectors[-1])]
        vectors.append([result["output"]["vector"] for result in client.results("/v1/step", {"steps": steps})])
    for name in names:
        client.delete(f"/v1/sessions/{name}")
    return numpy.array(vectors)


def _distance(found, wanted, attractor):
    spread = numpy.sqrt(attractor.reshape(-1, 3).var(axis=0).sum())
    return numpy.sqrt(((found - wanted) ** 2).sum(axis=2)) / spread


def _valid(distance):
    """Lyapunov times until the distance of (time, count) first is too large."""
    off = ~(distance <= NEAR)  # A distance that is not a number is too large.
    steps = numpy.where(off.any(axis=0), off.argmax(axis=0), len(distance))
    return steps * lorenz.INTERVAL / lorenz.LYAPUNOV_TIME


def _draw(model, truth, rolled, distances, file):
    canvas, (left, right) = figure(2)
    times = (numpy.arange(AHEAD) + 1) * lorenz.INTERVAL / lorenz.LYAPUNOV_TIME
    left.plot(times, truth[:, 0, 0] * lorenz.SCALE[0], color="black", linewidth=1, label="truth")
    for (name, vectors), colour in zip(rolled.items(), colours):
        if name != "persistence":
            left.plot(times, vectors[:, 0, 0] * lorenz.SCALE[0], "--", color=colour, linewidth=1, label=name)
    left.set(xlabel="Lyapunov times ahead", ylabel="x", title=f"{model}, rolling on its own outputs", ylim=(-25, 25))
    left.legend(fontsize=8)
    for (name, distance), colour in zip(distances.items(), colours):
        right.plot(times, numpy.median(distance, axis=1), color=colour, label=name)
    right.axhline(NEAR, color="grey", linewidth=0.8)
    right.set(xlabel="Lyapunov times ahead", ylabel="median distance from the truth", yscale="log", ylim=(1e-5, 3))
    right.legend(fontsize=8)
    save(canvas, file)
