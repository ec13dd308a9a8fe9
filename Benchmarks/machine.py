"""What the measurements ran on."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from settings import ROOT

PACKAGES = ("torch", "minGRU-pytorch", "onnxruntime", "fastapi", "uvicorn")


def describe() -> dict[str, str]:
    """Processor, cores, memory, system and versions."""
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "processor": processor.group(1) if processor else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "scanstep": commit or "unknown",
        **{package: version(package) for package in PACKAGES},
    }
