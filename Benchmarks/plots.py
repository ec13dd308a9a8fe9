"""Plots of the results."""

from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

# Distinct also with colour-vision deficiencies.
OURS, GREY = "#0072b2", "#9a9a9a"
PEER_COLOURS = {"gru": "#d55e00", "lstm": "#cc79a7", "mingru": "#009e73"}
SIDES = {"ours": "Scanstep minGRU", "gru": "torch nn.GRU", "lstm": "torch nn.LSTM", "mingru": "PyTorch minGRU"}
PARTS_WITH_RATIOS = ("prefill", "step", "http", "hello")


def draw(results: dict, folder: Path) -> None:
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    ratios = [
        figure
        for name in PARTS_WITH_RATIOS
        for figure in results.get(name, {"figures": []})["figures"]
        if "against" in figure
    ]
    if ratios:
        _ratios(ratios, folder / "ratios.png")
    if "absorb" in results:
        _absorb(results["absorb"], folder / "absorb.png")
    if "scan" in results:
        _scan(results["scan"], folder / "scan.png")


def _ratios(figures: list[dict], file: Path) -> None:
    """A bar for each ratio, with its spread and its target."""
    figures = figures[::-1]
    canvas, axes = plt.subplots(figsize=(9, 0.3 * len(figures) + 1.2), layout="constrained")
    rows = range(len(figures))
    middles = [figure["median"] for figure in figures]
    spread = [
        [figure["median"] - figure["min"] for figure in figures],
        [figure["max"] - figure["median"] for figure in figures],
    ]
    axes.barh(rows, middles, color=OURS, height=0.65)
    axes.errorbar(middles, rows, xerr=spread, fmt="none", ecolor="black", elinewidth=1, capsize=2)
    for row, figure in zip(rows, figures, strict=True):
        if figure["target"]:
            bound = figure["target"]["bound"]
            axes.plot([bound, bound], [row - 0.45, row + 0.45], color=PEER_COLOURS["gru"], linewidth=2.5)
        label = f" {figure['median']:.2f}" if figure["median"] < 10 else f" {figure['median']:.1f}"
        end = max(figure["max"], figure["target"]["bound"] if figure["target"] else 0)
        axes.text(end * 1.03, row, label, va="center")
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    ticks = [tick for tick in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64) if tick <= 2 * max(middles)]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(0.25, 1.6 * max(figure["max"] for figure in figures))
    axes.set_yticks(rows, [f"{figure['work']}  ∕  {figure['against']}" for figure in figures])
    axes.set_ylim(-0.7, len(figures) - 0.3)
    axes.set_title("Ours against theirs: median, smallest and largest; orange: target", loc="left", fontsize=10)
    canvas.savefig(file, dpi=130)
    plt.close(canvas)


def _absorb(part: dict, file: Path) -> None:
    canvas, (time, memory) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for axes, what, scale, floor in ((time, "seconds", 1e3, 0.0), (memory, "bytes", 2**-20, 2**-6)):
        for side, name in SIDES.items():
            series = part[what][side]
            lengths = [int(length) for length in series]
            values = [[max(floor, value * scale) for value in values] for values in series.values()]
            colour = PEER_COLOURS.get(side, OURS)
            middles = [median(found) for found in values]
            axes.plot(lengths, middles, marker="o", markersize=4, color=colour, label=name)
            axes.fill_between(
                lengths, [min(found) for found in values], [max(found) for found in values], color=colour, alpha=0.2,
                linewidth=0,
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        axes.set_xticks(lengths, [f"{length:,}" for length in lengths], rotation=45, ha="right")
        axes.set_xlabel("steps absorbed")
        axes.grid(alpha=0.25)
    time.set_title("milliseconds", loc="left")
    memory.set_title("MiB of memory beyond the loaded model", loc="left")
    canvas.legend(*time.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=len(SIDES))
    canvas.suptitle(f"Absorbing one sequence: {part['layers']} layers of width {part['width']}, 2 threads", fontsize=11)
    canvas.savefig(file, dpi=130)
    plt.close(canvas)


def _scan(part: dict, file: Path) -> None:
    """How much faster the associative scan is, by length, for each number of threads."""
    channels = sorted({pair["channels"] for pair in part["alone"]})
    kinds = [("alone", "scan alone"), ("whole", "prefill")]
    places = [(channel, sequences) for channel in channels for sequences in (1, 16)]
    canvas, grid = plt.subplots(2, len(places), figsize=(13, 6), sharex=True, sharey=True, layout="constrained")
    for row, (kind, name) in zip(grid, kinds, strict=True):
        for axes, (channel, sequences) in zip(row, places, strict=True):
            _scan_panel(axes, [p for p in part[kind] if p["channels"] == channel and p["sequences"] == sequences])
            axes.set_title(f"{name}, {sequences} × steps, {channel} channels", loc="left", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("exact time ∕ associative time")
    for axes in grid[-1]:
        axes.set_xlabel("steps")
    grid[0, 0].legend(frameon=False, fontsize=8)
    canvas.savefig(file, dpi=130)
    plt.close(canvas)


def _scan_panel(axes: Axes, pairs: list[dict]) -> None:
    shades = {1: "#c6dbef", 2: "#6baed6", 3: "#2171b5", 4: "#08306b"}
    for threads, shade in shades.items():
        mine = sorted((pair for pair in pairs if pair["threads"] == threads), key=lambda pair: pair["steps"])
        steps = [pair["steps"] for pair in mine]
        speedups = [median(pair["exact"]) / median(pair["associative"]) for pair in mine]
        axes.plot(steps, speedups, marker="o", markersize=3, color=shade, label=f"{threads} thread{'s' * (threads > 1)}")
    axes.axhline(1, color=GREY, linewidth=0.8)
    axes.set_xscale("log", base=4)
    axes.set_xticks(steps, [f"{step:,}" for step in steps], rotation=45, ha="right")
    axes.set_yscale("log", base=2)
    axes.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    axes.set_ylim(0.25, 4)
    axes.minorticks_off()
    axes.grid(alpha=0.25)
