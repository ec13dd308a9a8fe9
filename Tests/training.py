#!/usr/bin/env python3
"""Checks what trains and measures the shipped models.

The scan against single steps in float64, the recipes from their first step to the answers of a server that has loaded
what they wrote, a run that was broken off against one that was not, the surface code's shots against stim's own, and
evaluate.py on little data. Prints what failed and, last, `N passed, N failed`; exits 1 when something has.
"""

import argparse
import json
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

from minrnn import scan  # noqa: E402
from minrnn.model import Architecture, Model  # noqa: E402
from serving import serving  # noqa: E402
from tasks import copying, lorenz, surface  # noqa: E402

RECIPES = {
    "copying-gru": ("selective_copy.py", "--batch", "32"),
    "copying-lstm": ("selective_copy.py", "--batch", "32", "--cell", "minLSTM"),
    "surface": ("surface_code.py", "--shots", "8"),
    "lorenz": ("lorenz.py", "--batch", "4"),
    "text": ("shakespeare.py", "--batch", "2"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanstep", type=Path, default=ROOT / ".build/release/scanstep")
    binary = parser.parse_args().scanstep.resolve()
    report = Report()
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
        with report.client("a run that is broken off"):
            broken_off(report, folder)
    with report.client("evaluate.py"):
        evaluation(report, binary)
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


def stepped(z: torch.Tensor, candidate: torch.Tensor) -> torch.Tensor:
    hidden, found = torch.zeros_like(z[0]), []
    for t in range(len(z)):
        hidden = (1 - z[t]) * hidden + z[t] * candidate[t]
        found.append(hidden)
    return torch.stack(found)


def states(report: Report) -> None:
    """A single step from every place of a sequence is what the sequence with that step behind it gives."""
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
        # What the observable has in common with each detector tells whether they belong together.
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
        abs(linear(path)[:-1] - path[4:]).mean() < abs(path[4:] - path[3:-1]).mean() / 2,
    )


def recipes(report: Report, binary: Path, folder: Path) -> None:
    """Three steps of each, and then the server's outputs beside PyTorch's, from the file that both read."""
    text = folder / "text.txt"
    text.write_text("".join(chr(97 + (n * n // 7 + n // 11) % 26) for n in range(120_000)))
    for name, (recipe, *options) in RECIPES.items():
        data = ["--data", str(text)] if name == "text" else []
        train(
            recipe,
            *options,
            *data,
            "--steps",
            "3",
            "--out",
            str(folder / "models" / name),
            "--runs",
            str(folder / name),
        )
    with serving(binary, folder / "models") as client:
        for name in RECIPES:
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
    """Four steps at once, and two and two, leave the same weights."""
    recipe, *options = RECIPES["copying-gru"]
    for name, parts in {"whole": [4], "parts": [2, 4]}.items():
        for last in parts:
            train(
                recipe,
                *options,
                "--out",
                str(folder / name),
                "--runs",
                str(folder / f"{name}-runs"),
                "--steps",
                "4",
                "--until",
                str(last),
            )
    whole, parts = (load_file(folder / name / "model.safetensors") for name in ("whole", "parts"))
    report.check("the weights are the same", all(torch.equal(whole[name], parts[name]) for name in whole))


def train(recipe: str, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, TRAINING / recipe, "--threads", "1", *options], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"{recipe} {options}: {done.stderr[-500:]}")


def evaluation(report: Report, binary: Path) -> None:
    """Everything that needs no text, on little data; the shipped figures are of far more."""
    for only in ("selective-copy", "surface-code", "lorenz"):
        command = [
            sys.executable,
            TRAINING / "evaluate.py",
            "--binary",
            binary,
            "--only",
            only,
            "--quick",
            "--seed",
            "11",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        report.check(f"{only} is measured", done.returncode == 0 and only in done.stdout, done.stderr[-500:])


if __name__ == "__main__":
    sys.exit(main())
