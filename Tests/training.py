#!/usr/bin/env python3
"""Checks the recipes and measures of the shipped models.

The scan against single steps in float64, the recipes from their first step to the outputs of a server with the exported
model, an interrupted run against a whole one, the surface code's shots against stim's own, and evaluate.py on little
data. Prints what failed and, last, `N passed, N failed`; exits 1 on any failure.
"""

import argparse
import contextlib
import functools
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch
from Clients.report import Report
from Clients.server import ROOT
from safetensors.torch import load_file

TRAINING = ROOT / "Models" / "training"
sys.path.insert(0, str(TRAINING))

from minrnn import run as runs  # noqa: E402
from minrnn import scan  # noqa: E402
from minrnn.model import Architecture, Model  # noqa: E402
from minrnn.optimizer import optimizers  # noqa: E402
from serving import serving  # noqa: E402
from tasks import copying, lorenz, surface  # noqa: E402

RECIPES = {
    "copying-gru": ("selective_copy.py", "--batch", "32"),
    "copying-lstm": ("selective_copy.py", "--batch", "32", "--cell", "minLSTM"),
    "surface": ("surface_code.py", "--shots", "8"),
    "surface-5": ("surface_code.py", "--shots", "8", "--distance", "5"),
    "lorenz": ("lorenz.py", "--batch", "4"),
    "text": ("shakespeare.py", "--batch", "2"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build-test/release/scanstep")
    parser.add_argument("--full", action="store_true", help="also the other recipes, broken off, and evaluate.py")
    arguments = parser.parse_args()
    binary = arguments.scanstep.resolve()
    report = Report(is_full=arguments.full)
    with report.client("scan"):
        scans(report)
    with report.client("states"):
        states(report)
    with report.client("tasks"):
        tasks(report)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with report.client("recipes"):
            recipes(report, binary, folder)
        with report.client("the best of a run"):
            best(report, folder)
        if report.is_full:
            with report.client("a run that is broken off"):
                broken_off(report, folder)
            with report.client("what is refused"):
                refused(report, folder)
            with report.client("evaluate.py"):
                evaluation(report, binary, folder)
    return report.summary()


def scans(report: Report) -> None:
    """Values and gradients, of the compiled scan and of the accelerators', against a loop in float64."""
    torch.manual_seed(1)
    weights = torch.randn(37, 3, 50, dtype=torch.float64)
    for log_space in (True, False):
        parts = [torch.randn(37, 3, 50, dtype=torch.float64) * 3 for _ in range(3)]
        cells = {
            "minGRU": (lambda f, i, c: scan.min_gru(i, c, log_space), lambda f, i: torch.sigmoid(i)),
            "minLSTM": (lambda f, i, c: scan.min_lstm(f, i, c, log_space), scan.share),
            "doubling": (
                lambda f, i, c: scan.doubling(scan.share(f, i), scan.activated(c, log_space)),
                scan.share,
            ),
        }
        for name, (ours, share) in cells.items():
            exact = [part.clone().requires_grad_() for part in parts]
            single = [part.float().requires_grad_() for part in parts]
            found = ours(*single)
            wanted = stepped(share(exact[0], exact[1]), scan.activated(exact[2], log_space))
            (found * weights).sum().backward()
            (wanted * weights).sum().backward()
            report.check(f"h of {name}", torch.allclose(found.double(), wanted, rtol=1e-5, atol=3e-6))
            for one, other in zip(single, exact):
                if other.grad is not None:
                    same = torch.allclose(one.grad.double(), other.grad, rtol=1e-4, atol=1e-5)
                    report.check(f"gradients of {name}", same, (one.grad - other.grad).abs().max())

    for value in (-1000.0, -100.0, -88.5, 0.0, 88.5, 1000.0):
        far = [torch.full((3, 2, 33), value, requires_grad=True) for _ in range(2)]
        for name, z in {"minGRU": scan.min_gru, "minLSTM": functools.partial(scan.min_lstm, far[1])}.items():
            hidden = z(far[0], torch.ones(3, 2, 33), False)
            hidden.sum().backward()
            wanted = 1 - (1 - (0.5 if name == "minLSTM" else torch.sigmoid(torch.tensor(value)))) ** 3
            report.check(f"{name} of gates at {value}", torch.allclose(hidden[2], torch.as_tensor(wanted), atol=1e-6))
            report.check(
                f"{name}, gradients there", all(part.grad is None or part.grad.isfinite().all() for part in far)
            )
        both = scan.doubling(scan.share(*far), torch.ones(3, 2, 33))
        report.check(f"doubling of gates at {value}", torch.allclose(both[2], torch.tensor(0.875)))
    nothing = torch.zeros(3, 0, 4, requires_grad=True)
    scan.min_gru(nothing, nothing).sum().backward()
    report.equal("no sequences", nothing.grad.shape, nothing.shape)


def stepped(z: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
    hidden, found = torch.zeros_like(z[0]), []
    for t in range(len(z)):
        hidden = (1 - z[t]) * hidden + z[t] * candidate[t]
        found.append(hidden)
    return torch.stack(found)


def states(report: Report) -> None:
    """A single step from every place of a sequence gives the same as the sequence with that step appended."""
    for cell in ("minGRU", "minLSTM"):
        torch.manual_seed(2)
        model = Model(
            Architecture(cell, layers=2, width=12, inner_width=20, kernel=3, mlp_width=16, vectors=5, values=4)
        )
        vectors, others = torch.randn(9, 2, 5), torch.randn(9, 2, 5)
        found, _ = model.with_states(others, model.with_states(vectors)[1])
        for t in range(9):
            wanted = model(torch.cat([vectors[: t + 1], others[t : t + 1]]))[-1]
            report.check(f"{cell}, from place {t}", torch.allclose(found[t], wanted, atol=1e-5))

        # One layer: the input of a second would change while the first one's repeats last.
        model = Model(Architecture(cell, layers=1, width=12, vectors=5, values=4), remember=(2, 200))
        repeats = torch.randint(1, 90, (9, 1))
        whole = model(vectors[:, :1].repeat_interleave(repeats[:, 0], dim=0))[repeats[:, 0].cumsum(0) - 1]
        report.check(f"{cell}, repeats", torch.allclose(model(vectors[:, :1], repeats), whole, atol=1e-5))


def tasks(report: Report) -> None:
    tokens, symbols = copying.sequences(numpy.random.default_rng(1), 200)
    kept = [[token for token in row if token != copying.EMPTY] for row in tokens.tolist()]
    wanted = [row + [copying.MARKER] * copying.SYMBOLS for row in symbols.tolist()]
    report.check("a sequence has its symbols in order, then the markers", kept == wanted)
    report.check("and is as long as the paper's", tokens.shape == (200, 4096 + 16))

    for distance, rounds, p in ((3, 6, 0.01), (5, 3, 0.01)):
        shots, experiment = 40_000, surface.circuit(distance, rounds, p)
        detections, flips = experiment.compile_detector_sampler(seed=3).sample(shots, separate_observables=True)
        stims = surface.layout(distance).vectors(experiment, detections)
        source = surface.Shots(distance, rounds, p, [7])
        vectors, readouts, _, read = source.draw(shots, 0)
        ours = numpy.concatenate([vectors, readouts[-1:]]).swapaxes(0, 1)
        report.equal("shapes", ours.shape, stims.shape)
        # Five standard errors of a difference of two rates below a quarter.
        bound = 5 * (0.25 * 0.75 * 2 / shots) ** 0.5
        worst = abs(ours.mean(axis=0) - stims.mean(axis=0)).max()
        report.check(f"distance {distance}: detection events as often as stim's", worst < bound, worst)
        # The correlation of the observable with each detector shows whether they belong together.
        together = [
            ((2.0 * x - 1) * (1 - 2.0 * y[:, None, None])).mean(axis=0)
            for x, y in ((ours, read[-1]), (stims, flips[:, 0]))
        ]
        worst = abs(together[0] - together[1]).max()
        report.check(f"distance {distance}: and as often with the observable", worst < 10 / shots**0.5, worst)
        again = source.draw(shots, 0)
        report.check("the same block is the same shots", numpy.array_equal(again[1], readouts))
        report.check("another is not", not numpy.array_equal(source.draw(shots, 1)[1], readouts))

    path = lorenz.trajectories(4, 50, lorenz.TEST, 5)
    linear = lorenz.Linear(lorenz.trajectories(16, 200, lorenz.TRAINING, 5))
    report.check(
        "a linear forecast beats persistence",
        abs(linear(path)[:-1] - path[linear.lags :]).mean() < abs(numpy.diff(path, axis=0)).mean() / 2,
    )


def recipes(report: Report, binary: Path, folder: Path) -> None:
    """Three steps of each; the server's outputs are then PyTorch's, from the same file."""
    text = folder / "text.txt"
    text.write_text("".join(chr(97 + (n * n // 7 + n // 11) % 26) for n in range(120_000)))
    RECIPES["text"] += ("--data", str(text))
    names = list(RECIPES) if report.is_full else ["lorenz", "text"]
    for name in names:
        train(report, name, "--steps", "3", "--out", folder / "models" / name, "--runs", folder / name)
    with serving(binary, folder / "models") as client:
        for name in names:
            compare(report, client, folder / "models" / name)


def compare(report: Report, client, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    tensors = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    ends = {config["input"]["kind"]: config["input"].get("vocabulary_size") or config["input"]["size"]}
    if "tokens" not in ends:
        ends |= {"probabilities" if config["output"]["kind"] == "probabilities" else "values": config["output"]["size"]}
    model = Model(
        Architecture(
            config["cell"],
            config["layers"],
            config["width"],
            inner_width=config["inner_width"],
            final_norm=config["final_norm"],
            kernel=(config["convolution"] or {}).get("kernel"),
            mlp_width=(config["mlp"] or {}).get("width"),
            **ends,
        )
    ).eval()
    model.load_state_dict(tensors)
    torch.manual_seed(4)
    if "tokens" in ends:
        inputs, ask, field = torch.randint(0, ends["tokens"], (60, 1)), {"logits": True}, "logits"
    else:
        inputs, ask, field = torch.randn(60, 1, ends["vectors"]), {}, "vector"
    body = {
        "model": folder.name,
        "sequences": [{config["input"]["kind"]: inputs[:, 0].tolist()}],
        "return": "all",
    } | ask
    outputs = client.post("/v1/prefill", body)["results"][0]["outputs"]
    found = torch.tensor([output[field] for output in outputs])
    with torch.no_grad():
        wanted = model(inputs)[:, 0]
    wanted = torch.sigmoid(wanted) if "probabilities" in ends else wanted
    report.check(
        f"{folder.name}: the server's outputs are PyTorch's",
        torch.allclose(found, wanted, atol=2e-5),
        (found - wanted).abs().max(),
    )


def broken_off(report: Report, folder: Path) -> None:
    """A whole run and one in two parts give the same weights. The surface code's draws 64 steps at a time."""
    for recipe, until, steps in (("copying-gru", 2, 4), ("text", 1, 2), ("surface", 63, 66), ("surface-5", 63, 66)):
        for name, parts in {"whole": [steps], "parts": [until, steps]}.items():
            there = folder / f"{recipe}-{name}"
            for last in parts:
                train(report, recipe, "--out", there, "--runs", there, "--steps", str(steps), "--until", str(last))
        whole, parts = (load_file(folder / f"{recipe}-{name}" / "model.safetensors") for name in ("whole", "parts"))
        report.check(f"{recipe}: the same weights", all(torch.equal(whole[name], parts[name]) for name in whole))


def best(report: Report, folder: Path) -> None:
    """The exported weights validated best; a run ends on values that are not finite, and on SIGTERM."""
    given = runs.arguments("", steps=3).parse_args(["--runs", str(folder / "best"), "--out", str(folder / "best")])
    given.rate = 0.1
    model = Model(Architecture("minGRU", layers=1, width=4, vectors=2, values=1))
    run, seen = runs.Run(given, "best", model, optimizers(model, 0.1, 0.1)), []
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for step in run:
            run.update(model(torch.randn(5, 2, 2)).square().sum())
            seen.append(model.output.weight.detach().half())
            run.validated([3.0, 1.0, 2.0][step])
        run.export()
    kept = load_file(folder / "best" / "model.safetensors")["output.weight"]
    report.check("the second of three", torch.equal(kept, seen[1]) and not torch.equal(kept, seen[2]))
    run = runs.Run(given, "ended", model, optimizers(model, 0.1, 0.1))
    for step in run:
        run.update(model(torch.randn(5, 2, 2)).square().sum())
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
    report.equal("SIGTERM ends a run after its step", (run.step, torch.load(run.path)["step"]), (2, 2))
    for what, act in {
        "validation": lambda: run.validated(float("nan")),
        "gradient": lambda: run.update(model(torch.full((5, 2, 2), torch.inf)).sum()),
    }.items():
        try:
            act()
            message = "nothing"
        except SystemExit as end:
            message = str(end)
        report.check(f"a {what} that is not finite", f"the {what} is not finite" in message, message)


def refused(report: Report, folder: Path) -> None:
    """One sentence, and no traceback."""
    short = folder / "short.txt"
    short.write_text("too short")
    begun = ("--runs", folder / "copying-gru")
    for recipe, options, wanted in (
        ("copying-gru", ("--steps", "0"), "--steps: 0 is not a whole number above 0"),
        ("copying-gru", ("--steps", "3", "--seed", "2", *begun), "is of a run with seed 1, not 2"),
        ("surface", ("--seed", "-1"), "--seed: -1 is not a whole number from 0"),
        ("surface", ("--shots", "6"), "not a multiple of the 4 rates"),
        ("surface", ("--distance", "4"), "invalid choice: 4"),
        ("lorenz", ("--batch", "none"), "none is not a whole number above 0"),
        ("text", ("--data", folder / "none.txt"), "No such file"),
        ("text", ("--data", short), "too short"),
    ):
        train(report, recipe, *options, refused=wanted)


def train(report: Report, name: str, *options, refused: str | None = None) -> None:
    """Runs a recipe, and checks its success or, with `refused`, that its one-line error has these words."""
    recipe, *own = RECIPES[name]
    command = [sys.executable, TRAINING / recipe, "--threads", "1", *own, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if refused is None:
        report.check(f"{name} {options}", done.returncode == 0, done.stderr[-500:])
    else:
        complains(report, f"{name} {options} is refused", done, refused)


def complains(report: Report, name: str, done: subprocess.CompletedProcess, wanted: str) -> None:
    refused = done.returncode and "Traceback" not in done.stderr and wanted in done.stderr
    report.check(name, refused, done.stderr[-500:])


def evaluation(report: Report, binary: Path, folder: Path) -> None:
    """Measures on little data, unlike the shipped figures. Then writes the tables of one model into a copy."""
    text = RECIPES["text"][-1]
    for only in ("shakespeare", "selective-copy", "surface-code"):
        # The shipped models have only the characters of their own text.
        models, name = (
            (folder / "shakespeare", "shakespeare-text") if only == "shakespeare" else (ROOT / "Models", only)
        )
        if only == "shakespeare":
            shutil.copytree(folder / "models" / "text", models / name)
        done = evaluate(binary, "--models", models, "--only", only, "--quick", "--data", text)
        report.check(f"{only} is measured", done.returncode == 0 and name in done.stdout, done.stderr[-500:])

    models = folder / "shipped"
    models.mkdir()
    for name in ("README.md", "lorenz-mingru"):
        source = ROOT / "Models" / name
        shutil.copytree(source, models / name) if source.is_dir() else shutil.copy(source, models / name)
    texts = [models / "README.md", models / "lorenz-mingru" / "README.md"]
    before = [file.read_text() for file in texts]
    done = evaluate(binary, "--models", models)
    report.check("tables are written", done.returncode == 0, done.stderr[-500:])
    figure = next(line for line in done.stdout.splitlines() if "one step ahead" in line).split("  ")[2]
    for file, old in zip(texts, before):
        new = file.read_text()
        report.check(f"{file} has the new figure", f"| {figure} |" in new and "seed 11." in new)
        around = [[part.split("<!-- So far. -->")[-1] for part in x.split("<!-- Written by")] for x in (old, new)]
        report.equal(f"{file} is as it was around it", *around)
    report.check("a picture is drawn", (models / "figures" / "lorenz-mingru.png").stat().st_size > 10_000)

    for options, wanted in (
        (("--seed", "-1"), "--seed: -1 is not a whole number from 0"),
        (("--only", "nothing"), "invalid choice: 'nothing'"),
        (("--models", folder / "models"), "no known model"),
        (("--models", folder / "shakespeare", "--data", text), "is not Tiny Shakespeare"),
        (("--binary", folder / "none"), "is not built"),
    ):
        complains(report, f"{options} is refused", evaluate(binary, *options), wanted)


def evaluate(binary: Path, *options) -> subprocess.CompletedProcess:
    command = [sys.executable, TRAINING / "evaluate.py", "--binary", binary, "--seed", "11", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


if __name__ == "__main__":
    sys.exit(main())
