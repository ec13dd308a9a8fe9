"""Tables of the measurements: of all models in Models/README.md, of each model in its own README.md."""

import dataclasses
import datetime
import json
import os
import re
from pathlib import Path

BEGIN, END = "<!-- Written by make evaluate. -->", "<!-- So far. -->"


@dataclasses.dataclass
class Row:
    """One figure. `reference` is the value it is compared with, the paper's where there is one; `met` is whether it
    reaches that."""

    model: str
    measure: str
    figure: str
    spread: str = ""
    reference: str = ""
    met: bool | None = None

    def cells(self, with_model):
        mark = {None: "", True: "✓", False: "missed"}[self.met]
        return [
            *([f"[{self.model}]({self.model}/README.md)"] if with_model else []),
            self.measure,
            self.figure,
            self.spread,
            self.reference,
            mark,
        ]


def machine() -> str:
    """The machine that the measurements run on."""
    name = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{name[1] if name else 'a processor'}, {cores} cores, {gibibytes:.0f} GiB"


def record(results: Path, part: str, rows: list[Row], seed: int) -> None:
    """Writes the rows of a part into the file of all results."""
    known = json.loads(results.read_text()) if results.exists() else {}
    known[part] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "seed": seed,
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


def check(models: Path, measured: list[str]) -> None:
    """Exits where a README.md has no place for tables, before anything is measured."""
    for file in [models / "README.md", *(models / model / "README.md" for model in measured)]:
        if file.exists():
            _parted(file)


def write(results: Path, models: Path) -> None:
    """Writes the tables of every result that is recorded, of the models that are still there."""
    parts = json.loads(results.read_text())
    every, own = [], {}
    for name, part in parts.items():
        rows = [Row(**row) for row in part["rows"] if (models / row["model"]).is_dir()]
        if not rows:
            continue
        when = f"{part['date']}, on {part['machine']}, seed {part['seed']}."
        every.append(f"### {name}\n\n{_table(rows, True)}\n\nMeasured {when}")
        for row in rows:
            own.setdefault(row.model, ([], when))[0].append(row)
    _replace(models / "README.md", "\n\n".join(every))
    for model, (rows, when) in own.items():
        _replace(models / model / "README.md", f"{_table(rows, False)}\n\nMeasured through the server {when}")


def _table(rows, with_model):
    heads = [*(["model"] if with_model else []), "measure", "figure", "spread", "against", ""]
    lines = [heads, ["---"] * len(heads), *(row.cells(with_model) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _replace(file, text):
    """Puts the text between the marks of a file, if there is one."""
    if file.exists():
        before, after = _parted(file)
        file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    else:
        print(f"{file} is not there to be written to")


def _parted(file):
    """The text before and after the marks."""
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{file} has no place for tables: {BEGIN} … {END}")
    return before, after
