"""A training run: its device, its checkpoints, its progress, and the model folder that it writes."""

import argparse
import ctypes
import json
import math
import pathlib
import signal
import sys
import time

import bounded
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from .optimizer import schedule

MODELS = pathlib.Path(__file__).resolve().parents[2]
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
KEPT = ["step", "seconds", "best", "course"]
FREE = {"out", "runs", "threads", "until", "data"}
"""Options that may differ when a run is resumed."""


def arguments(description, steps):
    """The options that every recipe has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="the model folder (default: Models/ and the model's name)")
    parser.add_argument("--runs", type=pathlib.Path, default=MODELS / "training" / "runs", help="folder of checkpoints")
    parser.add_argument("--steps", type=bounded.count, default=steps, help="default: %(default)s")
    parser.add_argument(
        "--until", type=bounded.count, help="stop before this step; a later run resumes there"
    )
    parser.add_argument("--seed", type=bounded.seed, default=1, help="default: %(default)s")
    parser.add_argument("--threads", type=bounded.count, help="processor threads (default: all)")
    return parser


class Run:
    """`for step in run` gives the steps that are left, `run.update(loss)` does one, `run.export()` writes the model.

    The random numbers of each step come from the seed and the step alone: a run that was interrupted resumes as if it
    had not been. SIGTERM ends it after the current step. The weights that validated best are exported. `course` is the
    recipe's own state, and saved with the rest.
    """

    def __init__(self, given, name, model, optimizers, course=None, save_seconds=60):
        self.given, self.name, self.optimizers, self.save_seconds = given, name, optimizers, save_seconds
        self.model = model
        self.options = {key: str(value) for key, value in vars(given).items() if key not in FREE}
        self.rates = [group["lr"] for part in optimizers for group in part.param_groups]
        self.step, self.seconds, self.best, self.course = 0, 0.0, None, course
        self.ending = False
        self.path = given.runs / f"{name}.pt"
        if self.path.exists():
            self._go_on(torch.load(self.path, map_location=next(model.parameters()).device))
        self.saved_at = time.monotonic()

    def _go_on(self, saved):
        for key, value in self.options.items():
            if value != (before := saved["options"].get(key)):
                sys.exit(
                    f"{self.path} is of a run with {key} {before}, not {value}: give it the same, or other --runs, or "
                    "remove the file"
                )
        self.model.load_state_dict(saved["model"])
        for part, state in zip(self.optimizers, saved["optimizers"]):
            part.load_state_dict(state)
        for key in KEPT:
            setattr(self, key, saved[key])
        if self.step >= self.given.steps:
            print(f"{self.name} is trained; remove {self.path} to train another")

    def __iter__(self):
        end = min(self.given.until or self.given.steps, self.given.steps)
        with tqdm(total=self.given.steps, initial=self.step, desc=self.name, mininterval=5, smoothing=0.05) as self.bar:
            before = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ending", True))
            while self.step < end and not self.ending:
                torch.manual_seed(self.given.seed * 1_000_003 + self.step)
                began = time.monotonic()
                yield self.step
                self.seconds += time.monotonic() - began
                self.step += 1
                self.bar.update()
                if self.step == end or self.ending or time.monotonic() - self.saved_at > self.save_seconds:
                    self.save()
            signal.signal(signal.SIGTERM, before)

    def update(self, loss, clip=1.0, end=None, **shown):
        """One step of the optimizers down the gradient of the loss, at rates that fall to zero until `end`, or the end
        of the run. What is in `shown` stands beside the progress bar."""
        for part in self.optimizers:
            part.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        if not norm.isfinite():
            self._broken("the gradient")
        groups = [group for part in self.optimizers for group in part.param_groups]
        for group, rate in zip(groups, self.rates):
            group["lr"] = rate * schedule(self.step, end or self.given.steps)
        for part in self.optimizers:
            part.step()
        if self.step % 10 == 0:
            self.bar.set_postfix(loss=f"{loss.item():.4f}", **shown, refresh=False)

    def validated(self, score, model=None):
        """Records the score of the model, or of another one of the same shape; lower is better, and the best weights
        are kept."""
        if not math.isfinite(score):
            self._broken("the validation")
        tqdm.write(f"{self.name} step {self.step + 1}: validation {score:.5f}")
        if self.best is None or score <= self.best["score"]:
            weights = {name: tensor.to(torch.float16) for name, tensor in (model or self.model).state_dict().items()}
            self.best = {"score": score, "step": self.step + 1, "model": weights}

    def _broken(self, what):
        self.bar.close()
        sys.exit(f"{self.name} step {self.step + 1}: {what} is not finite, and the run ends; try lower rates")

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        state = {key: getattr(self, key) for key in KEPT}
        state |= {
            "options": self.options,
            "model": self.model.state_dict(),
            "optimizers": [part.state_dict() for part in self.optimizers],
        }
        torch.save(state, fresh)
        fresh.replace(self.path)
        self.saved_at = time.monotonic()

    def export(self, tokenizer=None):
        """Writes the model folder, in float16, with the best weights, if the run is complete."""
        if self.step < self.given.steps or self.best is None:
            return
        folder = self.given.out or MODELS / self.name
        export(self.best["model"], self.model.shape, folder, tokenizer)
        step, score = self.best["step"], self.best["score"]
        print(f"{folder}: step {step}, validation {score:.5f}, {self.seconds / 60:.0f} minutes of training")


def device(threads=None):
    """An accelerator if there is one, else the processor, with as many threads as asked for."""
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    if threads:
        torch.set_num_threads(threads)
    try:
        # Returning memory to the system and requesting it again for every tensor costs more than the arithmetic.
        c = ctypes.CDLL(None)
        c.mallopt(M_MMAP_MAX, 0)
        c.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        pass  # Another C library: only slower.
    return torch.device("cpu")


def export(weights, shape, folder, tokenizer=None):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to("cpu", torch.float16).contiguous() for name, tensor in weights.items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)  # save_file makes it readable by its owner alone.
    (folder / "config.json").write_text(json.dumps(shape.configuration(), indent=2) + "\n")
    if tokenizer:
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer, indent=2) + "\n")
