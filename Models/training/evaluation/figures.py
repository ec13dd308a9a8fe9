"""The style of all plots."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
"""Distinct also with colour-vision deficiencies."""


def figure(columns: int):
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    canvas, axes = plt.subplots(1, columns, figsize=(5.2 * columns, 3.9), layout="constrained", squeeze=False)
    return canvas, list(axes[0])


def save(canvas, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(file, dpi=110)
    plt.close(canvas)
