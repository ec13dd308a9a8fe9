"""Selective copy: the share of right answers in fresh sequences."""

import numpy
from tasks.copying import LENGTH, SYMBOLS, TEST, sequences

from .figures import colours, figure, save
from .report import Row

PAPER = {"selective-copy-mingru": 0.995, "selective-copy-minlstm": 0.960}
SPREAD = {"selective-copy-mingru": "± 0.2%", "selective-copy-minlstm": "± 2.8%"}
BATCH = 16


def measure(client, models, options):
    random = numpy.random.default_rng([TEST, options.seed])
    tokens, answers = sequences(random, 64 if options.quick else 1024)
    rows, wrong = [], {}
    for model in models:
        right = (
            numpy.concatenate(
                [_answers(client, model, part) for part in numpy.array_split(tokens, len(tokens) // BATCH)]
            )
            == answers
        )
        wrong[model] = 1 - right.mean(axis=0)
        each = right.mean(axis=1)
        error = each.std(ddof=1) / len(each) ** 0.5
        measure = f"right symbols, {len(tokens)} sequences of {LENGTH} + {SYMBOLS}"
        reference, met = "", None
        if model in PAPER:
            reference, met = f"paper {PAPER[model]:.1%} {SPREAD[model]}", bool(each.mean() >= PAPER[model])
        rows.append(Row(model, measure, f"{each.mean():.2%}", f"± {error:.2%} (sequences)", reference, met))
        rows.append(Row(model, "sequences without a mistake", f"{right.all(axis=1).mean():.2%}"))
    _draw(wrong, options.figures / "selective-copy.png")
    return rows


def _draw(wrong, file):
    canvas, (axes,) = figure(1)
    for (model, shares), colour in zip(wrong.items(), colours):
        axes.plot(range(1, SYMBOLS + 1), shares, "o-", color=colour, label=model)
        if model in PAPER:
            axes.axhline(1 - PAPER[model], color=colour, linewidth=0.8, linestyle=":", label="the paper's, of all")
    axes.set(xlabel="symbol", ylabel="share of wrong answers")
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.legend(fontsize=8)
    save(canvas, file)


def _answers(client, model, tokens):
    """The likeliest token at each marker: a session absorbs the sequence, and then the markers."""
    names = [f"copy-{n}" for n in range(len(tokens))]
    begun = [{"tokens": row[:LENGTH].tolist(), "create": name} for row, name in zip(tokens, names)]
    client.results("/v1/prefill", {"model": model, "sequences": begun, "return": "none"})
    ended = [{"tokens": row[LENGTH:].tolist(), "session": name} for row, name in zip(tokens, names)]
    results = client.results("/v1/prefill", {"model": model, "sequences": ended, "return": "all"})
    for name in names:
        client.delete(f"/v1/sessions/{name}")
    return numpy.array([[output["top"][0]["token"] for output in result["outputs"]] for result in results])
