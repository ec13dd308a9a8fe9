"""Characters of Shakespeare: nats a character on the last tenth of the text, which no recipe uses."""

import statistics
import sys

from tasks import shakespeare

from .figures import colours, figure, save
from .report import Row

PAPER = {"shakespeare-mingru": 1.548, "shakespeare-minlstm": 1.555}
BATCH, WINDOW = 32, shakespeare.WINDOW
LENGTHS = [2**n for n in range(9)]  # Up to WINDOW.


def measure(client, models, options):
    whole = shakespeare.whole(options.data)
    if not options.quick and not shakespeare.is_original(whole):
        sys.exit(f"evaluate: {options.data or shakespeare.KEPT} is not Tiny Shakespeare, of which the figures are")
    text = shakespeare.test(whole)
    if options.quick:
        text = text[: BATCH * WINDOW]
    windows = [text[place : place + WINDOW] for place in range(0, len(text) - WINDOW + 1, WINDOW)]
    rows, curves = [], {}
    for model in models:
        losses = [-score / (WINDOW - 1) for score in _scores(client, model, windows)]
        loss, error = statistics.fmean(losses), statistics.stdev(losses) / len(losses) ** 0.5
        reference, met = (f"paper {PAPER[model]}", loss <= PAPER[model]) if model in PAPER else ("", None)
        measure = f"nats a character, {len(windows)} windows of {WINDOW} from a cold state"
        rows.append(Row(model, measure, f"{loss:.4f}", f"± {error:.4f} (windows)", reference, met))
        (score,) = _scores(client, model, [text])
        whole_loss = -score / (len(text) - 1)
        rows.append(
            Row(
                model,
                f"the same, one pass of {len(text):,} characters that never resets its state",
                f"{whole_loss:.4f}",
            )
        )
        curves[model] = _by_past(client, model, windows), whole_loss
    _draw(curves, options.figures / "shakespeare.png")
    return rows


def _by_past(client, model, windows):
    """Nats a character of those that have at least LENGTHS[n] and fewer than LENGTHS[n + 1] before them."""
    sums = [0.0, *(-sum(_scores(client, model, [window[:length] for window in windows])) for length in LENGTHS[1:])]
    return [
        (late - early) / (len(windows) * (end - begin))
        for early, late, begin, end in zip(sums, sums[1:], LENGTHS, LENGTHS[1:])
    ]


def _scores(client, model, texts):
    """The log-likelihood of each; a text's first character has nothing before it and is not scored."""
    found = []
    for n in range(0, len(texts), BATCH):
        sequences = [{"text": text} for text in texts[n : n + BATCH]]
        body = {"model": model, "sequences": sequences, "return": "none", "score": True}
        found += [result["score"] for result in client.results("/v1/prefill", body)]
    assert [score["steps"] for score in found] == [len(text) - 1 for text in texts]
    return [score["logprob"] for score in found]


def _draw(curves, file):
    canvas, (axes,) = figure(1)
    for (model, (losses, whole)), colour in zip(curves.items(), colours):
        axes.stairs(losses, LENGTHS, baseline=None, color=colour, linewidth=1.5, label=model)
        axes.axhline(whole, color=colour, linewidth=0.8, linestyle="--", label="one pass, state never reset")
    axes.set_xscale("log", base=2)
    axes.set_xticks(LENGTHS, LENGTHS)
    axes.set(xlabel="characters before the one that is scored", ylabel="nats a character")
    axes.legend(fontsize=8)
    save(canvas, file)
