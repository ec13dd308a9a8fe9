"""Characters of Shakespeare: nats a character on the last tenth of the text, which no recipe reads."""

import statistics

from tasks import shakespeare

from .report import Row

PAPER = {"shakespeare-mingru": 1.548, "shakespeare-minlstm": 1.555}
BATCH = 32


def measure(client, models, options):
    text = shakespeare.test(shakespeare.whole(options.data))
    count = len(text) // shakespeare.WINDOW
    windows = [text[n * shakespeare.WINDOW : (n + 1) * shakespeare.WINDOW] for n in range(count)]
    rows = []
    for model in models:
        losses = [loss for n in range(0, count, BATCH) for loss in _losses(client, model, windows[n : n + BATCH])]
        loss, error = statistics.fmean(losses), statistics.stdev(losses) / count**0.5
        reference, met = (f"paper {PAPER[model]}", loss <= PAPER[model]) if model in PAPER else ("", None)
        measure = f"nats a character, {count} windows of {shakespeare.WINDOW} from a cold state"
        rows.append(Row(model, measure, f"{loss:.4f}", f"± {error:.4f} (windows)", reference, met))
        (whole,) = _losses(client, model, [text])
        rows.append(
            Row(model, f"the same, one pass of {len(text):,} characters that never resets its state", f"{whole:.4f}")
        )
    return rows


def _losses(client, model, texts):
    """Nats a character of each; a text's first character has nothing before it and is not scored."""
    body = {"model": model, "sequences": [{"text": text} for text in texts], "return": "none", "score": True}
    scores = [result["score"] for result in client.post("/v1/prefill", body)["results"]]
    assert [score["steps"] for score in scores] == [len(text) - 1 for text in texts]
    return [-score["logprob"] / score["steps"] for score in scores]
