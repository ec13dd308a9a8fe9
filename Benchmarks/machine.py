"""The machine that the measurements run on."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from settings import ROOT

IDLE, WAITING = 3, 4
"""Places in the first line of /proc/stat, proc_stat(5)."""

PACKAGES = ("torch", "minGRU-pytorch", "onnxruntime", "openvino", "fastapi", "uvicorn")


def busy(seconds: float = 2) -> float:
    """The share of processor time that other programs use."""

    def times() -> list[int]:
        return [int(time) for time in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]

    before = times()
    sleep(seconds)
    spent = [after - start for after, start in zip(times(), before, strict=True)]
    return 1 - (spent[IDLE] + spent[WAITING]) / sum(spent)


def first_core() -> tuple[str, ...]:
    """The prefix of a command that pins it to one core; empty where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return ("taskset", "--cpu-list", str(cores[0])) if len(cores) > 1 else ()


def other_cores() -> tuple[str, ...]:
    """The prefix of a command that keeps it off that core."""
    cores = sorted(os.sched_getaffinity(0))[1:]
    return ("taskset", "--cpu-list", ",".join(map(str, cores))) if cores else ()


def processor_seconds(process: int) -> float:
    """Processor time that a process and its running children have used so far."""
    folder = Path(f"/proc/{process}")
    # Behind the name, which may have blanks and parentheses, comes the third field, proc_pid_stat(5).
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    own = (int(fields[14 - 3]) + int(fields[15 - 3])) / os.sysconf("SC_CLK_TCK")
    children = (folder / "task" / str(process) / "children").read_text().split()
    return own + sum(processor_seconds(int(child)) for child in children)


def resident_bytes(process: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"^VmRSS:\s*(\d+) kB$", status, re.MULTILINE).group(1)) * 1024


def available_bytes() -> int:
    """Memory that is available without swapping."""
    memory = Path("/proc/meminfo").read_text()
    return int(re.search(r"^MemAvailable:\s*(\d+) kB$", memory, re.MULTILINE).group(1)) * 1024


def disk(folder: Path) -> dict[str, Any]:
    """The type of the folder's file system, and the milliseconds to append 4 KiB to a file and sync it."""
    command = ["df", "--output=fstype", str(folder)]
    kind = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[1]
    times: list[float] = []
    file = folder / "fsync"
    with file.open("wb", buffering=0) as writer:
        for _ in range(50):
            start = perf_counter()
            writer.write(bytes(4096))
            os.fdatasync(writer.fileno())
            times.append(round(1e3 * (perf_counter() - start), 4))
    file.unlink()
    return {"filesystem": kind, "sync_ms": times}


def describe() -> dict[str, str]:
    """Processor, cores, memory, system and versions."""
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = _git("describe", "--always").stdout.strip()
    # Results that earlier parts have written do not change what is measured.
    if commit and _git("diff", "--quiet", "HEAD", "--", ".", ":!Benchmarks/results").returncode:
        commit += "-dirty"
    return {
        "processor": processor.group(1) if processor else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "scanstep": commit or "unknown",
        **{package: version(package) for package in PACKAGES},
    }


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
