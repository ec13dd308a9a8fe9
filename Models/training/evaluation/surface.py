"""Surface code: logical errors beside those of matching on the same shots, and how fast an answer comes."""

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
import pymatching
from tasks import surface

from .figures import colours, figure, save
from .report import Row

RATES, ROUNDS = [0.003, 0.005, 0.008], [5, 10, 25, 50]
TRAINED_ROUNDS = 25
BATCH = 500


def measure(client, models, options):
    rows, curves = [], {}
    for model in models:
        distance = int(re.search(r"-d(\d+)", model)[1])
        curves[model] = {}
        for p in RATES:
            for rounds in ROUNDS:
                shots = 1000 if options.quick else 80_000 if distance == 3 else 20_000
                wrong = _wrong(client, model, distance, rounds, p, shots, options.seed)
                curves[model][p, rounds] = wrong.mean(axis=1)
                rows.append(_row(model, p, rounds, wrong))
        rows.append(_calibration(client, model, distance, 200 if options.quick else 4000, options.seed))
        rows += _speed(client, model, distance, 500 if options.quick else 5000, options.seed)
    _draw(curves, options.figures / "surface-code.png")
    _trace(client, models, options.figures / "surface-code-rounds.png", options.seed)
    return rows


def _experiments(distance, rounds, p, shots, seed):
    """A circuit, its shots' detection events and whether the observable was read flipped."""
    circuit = surface.circuit(distance, rounds, p)
    own = numpy.random.SeedSequence([surface.TEST, seed, distance, rounds, round(p * 1e6)]).generate_state(1)
    sampler = circuit.compile_detector_sampler(seed=int(own[0]))
    detections, flips = sampler.sample(shots, separate_observables=True)
    return circuit, detections, flips[:, 0]


def _wrong(client, model, distance, rounds, p, shots, seed):
    """(3, shots): whether the model, matching, and matching with correlated errors are wrong."""
    circuit, detections, flips = _experiments(distance, rounds, p, shots, seed)
    vectors = surface.layout(distance).vectors(circuit, detections)
    answers = numpy.array([answer[-1] for answer in _answers(client, model, vectors, "last")]) > 0.5
    errors = circuit.detector_error_model(decompose_errors=True)
    plain = pymatching.Matching.from_detector_error_model(errors)
    correlated = pymatching.Matching.from_detector_error_model(errors, enable_correlations=True)
    guesses = [
        answers,
        plain.decode_batch(detections)[:, 0].astype(bool),
        correlated.decode_batch(detections, enable_correlations=True)[:, 0].astype(bool),
    ]
    return numpy.array([guess != flips for guess in guesses])


def _answers(client, model, vectors, wanted):
    """The probabilities of (shots, rounds, size) of zeros and ones: the last, or all, of each shot."""
    for part in numpy.array_split(vectors, -(-len(vectors) // BATCH)):
        body = b'{"model": "%s", "return": "%s", "sequences": [%s]}' % (
            model.encode(),
            wanted.encode(),
            b",".join(b'{"vectors": %s}' % shot for shot in _json(part)),
        )
        for result in client.results_of("/v1/prefill", body):
            outputs = [result["output"]] if wanted == "last" else result["outputs"]
            yield [output["vector"][0] for output in outputs]


def _json(vectors):
    """The JSON of every shot, written digit by digit, which is faster than through numbers."""
    shots, rounds, size = vectors.shape
    text = numpy.full((shots, rounds, 2 * size + 2), ord(","), numpy.uint8)
    text[:, :, 0], text[:, :, 2 * size] = ord("["), ord("]")
    text[:, :, 1 : 2 * size : 2] = vectors + ord("0")
    return [b"[%s]" % shot.tobytes()[:-1] for shot in text]


def per_round(errors, rounds):
    """ε of a chance 1 - 2E = (1 - 2ε)^rounds that the observable is right after all."""
    return (1 - numpy.maximum(1 - 2 * errors, 1e-9) ** (1 / rounds)) / 2


def _row(model, p, rounds, wrong):
    ours, plain, correlated = per_round(wrong.mean(axis=1), rounds)
    random = numpy.random.default_rng(0)
    shots = wrong.shape[1]
    # The same shots are drawn for all three, so that what is hard for each of them cancels out of the ratio. Shots of
    # the eight outcomes are counted: drawing the counts is drawing the shots.
    kinds = numpy.bincount(wrong[0] + 2 * wrong[1] + 4 * wrong[2], minlength=8)
    counts = random.multinomial(shots, kinds / shots, 2000)
    model_errors, plain_errors = (
        counts[:, [1, 3, 5, 7]].sum(axis=1) / shots,
        counts[:, [2, 3, 6, 7]].sum(axis=1) / shots,
    )
    ratios = per_round(model_errors, rounds) / per_round(plain_errors, rounds)
    low, high = numpy.percentile(ratios, [2.5, 97.5], method="nearest")
    longer = "" if rounds <= TRAINED_ROUNDS else ", twice as many as it was trained on"
    return Row(
        model,
        f"logical error per round, p = {p}, {rounds} rounds{longer}",
        f"{ours:.3%}",
        f"{ours / plain:.3f} × matching ({low:.3f}–{high:.3f})",
        f"matching {plain:.3%}; correlated matching {correlated:.3%}",
        bool(ours <= plain),
    )


def _calibration(client, model, distance, shots, seed):
    """How far the predicted probabilities after each round are from the observed frequencies."""
    source = surface.Shots(distance, max(ROUNDS), 0.005, [surface.TEST, seed])
    vectors, _, flipped, _ = source.draw(shots, 0)
    vectors = vectors.swapaxes(0, 1).astype(numpy.uint8)
    predicted = numpy.array(list(_answers(client, model, vectors, "all")))
    flipped = flipped.T
    bins = numpy.minimum((predicted * 10).astype(int), 9)
    gap = sum(abs((predicted - flipped)[bins == n].sum()) for n in range(10)) / predicted.size
    wrong = ((predicted > 0.5) != flipped).mean()
    return Row(
        model,
        f"answers behind each of {max(ROUNDS)} rounds, p = 0.005: wrong before any readout",
        f"{wrong:.2%}",
        f"calibration error {gap:.2%}",
        f"never “flipped”: {flipped.mean():.2%}",
    )


def _speed(client, model, distance, rounds, seed):
    circuit, detections, _ = _experiments(distance, rounds, 0.005, 1, seed)
    vectors = surface.layout(distance).vectors(circuit, detections)[0, :rounds]
    lines = [b'{"vector":[%s]}' % b",".join(b"%d" % value for value in vector) for vector in vectors.tolist()]
    waits, rates, crowds = [], [], []
    for _ in range(3):
        waits += _one_by_one(client, model, lines)
        rates.append(_ahead(client, model, lines))
        with ThreadPoolExecutor(8) as pool:
            began = time.perf_counter()
            list(pool.map(lambda _: _ahead(client, model, lines), range(8)))
            crowds.append(8 * len(lines) / (time.perf_counter() - began))
    waits.sort()
    microseconds = [1e6 * waits[int(len(waits) * share)] for share in (0.5, 0.99)]
    alone = f"{len(waits)} rounds, 99 % within {microseconds[1]:.0f} µs"
    return [
        Row(
            model,
            "median latency of a round through /stream, each sent when the one before is answered",
            f"{microseconds[0]:.0f} µs",
            alone,
        ),
        Row(model, "rounds a second so", f"{len(waits) / sum(waits):,.0f}"),
        Row(model, "rounds a second of one stream that sends ahead", f"{statistics.median(rates):,.0f}", _range(rates)),
        Row(
            model, "rounds a second of eight such streams together", f"{statistics.median(crowds):,.0f}", _range(crowds)
        ),
    ]


def _range(values):
    return f"{min(values):,.0f}–{max(values):,.0f}"


def _one_by_one(client, model, lines):
    session = client.post("/v1/sessions", {"model": model})["id"]
    stream, waits = client.stream(session), []
    for line in lines:
        began = time.perf_counter()
        stream.send(line)
        stream.receive()
        waits.append(time.perf_counter() - began)
    stream.close()
    client.delete(f"/v1/sessions/{session}")
    return waits


def _ahead(client, model, lines):
    """Rounds a second with up to 64 in flight."""
    client = client.another()
    session = client.post("/v1/sessions", {"model": model})["id"]
    stream, began = client.stream(session), time.perf_counter()
    parts = [lines[n : n + 32] for n in range(0, len(lines), 32)]
    stream.send(*parts[0])
    for n, part in enumerate(parts):
        if n + 1 < len(parts):
            stream.send(*parts[n + 1])
        for _ in part:
            stream.receive()
    rate = len(lines) / (time.perf_counter() - began)
    stream.close()
    client.delete(f"/v1/sessions/{session}")
    return rate


def _draw(curves, file):
    canvas, all_axes = figure(len(curves))
    for axes, (model, errors) in zip(all_axes, curves.items()):
        for p, colour in zip(RATES, colours):
            for kind, (style, name) in enumerate((("o-", "model"), ("x--", "matching"), (":", "correlated matching"))):
                here = [per_round(errors[p, rounds][kind], rounds) for rounds in ROUNDS]
                axes.plot(ROUNDS, here, style, color=colour, label=f"{name}, p = {p}")
        axes.axvline(TRAINED_ROUNDS, color="grey", linewidth=0.8)
        axes.set(
            xlabel="rounds (trained up to the grey line)", ylabel="logical error per round", yscale="log", title=model
        )
    canvas.legend(
        *all_axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    save(canvas, file)


def _trace(client, models, file, seed):
    """Plots the predictions round by round of one experiment, chosen since it is flipped more than once."""
    canvas, all_axes = figure(len(models))
    for axes, model in zip(all_axes, models):
        distance = int(re.search(r"-d(\d+)", model)[1])
        vectors, _, flipped, _ = surface.Shots(distance, max(ROUNDS), 0.005, [surface.TEST, seed, 1]).draw(200, 0)
        shot = int(numpy.abs(numpy.diff(flipped, axis=0)).sum(axis=0).argmax())
        predicted = next(_answers(client, model, vectors[:, shot : shot + 1].swapaxes(0, 1).astype(numpy.uint8), "all"))
        rounds = range(1, max(ROUNDS) + 1)
        axes.fill_between(rounds, flipped[:, shot], step="mid", color="lightgrey", label="flipped")
        axes.plot(rounds, predicted, "o-", markersize=3, color=colours[0], label="predicted probability")
        axes.set(xlabel="round", title=f"{model}, one shot at p = 0.005", ylim=(-0.05, 1.05))
    canvas.legend(
        *all_axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8, frameon=False
    )
    save(canvas, file)
