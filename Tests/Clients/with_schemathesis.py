"""Schemathesis, which makes requests from openapi.yaml: its examples, limits of its schemas, and at random."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .models import write_min_lm
from .report import Report
from .server import MODEL, ROOT, Server

HERE = Path(__file__).parent


def run(binary: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        # A small model under the name in the examples: a reply of 100,000 tokens must come in seconds.
        models = Path(temporary) / "models"
        write_min_lm(models / MODEL, 65)
        shutil.copy(ROOT / "Models" / MODEL / "tokenizer.json", models / MODEL)
        with Server(binary, "--model-control", "explicit", models=models) as server:
            phases = ["--phases=examples,coverage"]
            if report.is_full:
                phases = ["--phases=examples,coverage,fuzzing", "--max-examples=100"]
            command = [
                str(Path(os.sys.executable).with_name("schemathesis")),
                f"--config-file={HERE}/schemathesis.toml",
                "run",
                str(ROOT / "openapi.yaml"),
                f"--url={server.base}",
                *phases,
                "--no-color",
            ]
            environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
            limit = 36_000 if report.is_full else 900
            done = subprocess.run(
                command, cwd=temporary, env=environment, capture_output=True, text=True, timeout=limit, check=False
            )
        tested = re.search(r"(\d+) generated", done.stdout)
        report.check("there is a case for everything", tested and int(tested[1]) > 500, done.stdout[-600:])
        if done.returncode != 0:
            print(done.stdout[-20_000:])
        report.equal("and none that fails", done.returncode, 0)
