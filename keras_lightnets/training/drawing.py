"""The pictures of runs, as PNG files; they need matplotlib."""

import importlib.util

import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.export.files import replacing


def can_draw():
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def require_matplotlib(picture):
    """Raises a UserError that names the extra without which there is no `picture`."""
    if not can_draw():
        raise UserError(f"The {picture} needs matplotlib: pip install 'keras_lightnets[plot]'.")


def draw_curve(history, path):
    """Draws loss and accuracy of every epoch."""
    figure = _figure(8, 4)
    epochs = [epoch["epoch"] for epoch in history]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [epoch[name] for epoch in history], label="training")
        axes.plot(epochs, [epoch[f"val_{name}"] for epoch in history], label="validation")
        for last, following in zip(history, history[1:], strict=False):
            if last["phase"] != following["phase"]:
                axes.axvline(last["epoch"] + 0.5, color="grey", linestyle=":", label="all layers trained")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.legend()
    _save(figure, path)


def draw_confusion(matrix, classes, path):
    """Draws a confusion matrix, each row as shares of its class."""
    side = min(12, 3 + 0.35 * len(classes))
    figure = _figure(side + 1, side)
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    figure.colorbar(axes.imshow(shares, vmin=0, vmax=1, cmap="Blues"), label="share of the class")
    # More names than this would overlap.
    if len(classes) <= 30:
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("right")
    _save(figure, path)


def draw_comparison(rows, path):
    """Draws accuracy against multiply-adds, parameters and latency of the rows of `compare`."""
    figure = _figure(12, 4)
    units = {"madds": (1e6, "multiply-adds, millions"), "parameters": (1e6, "parameters, millions")}
    units["latency_ms"] = (1, "latency, ms (one image, one thread)")
    for axes, (key, (unit, label)) in zip(figure.subplots(1, 3, sharey=True), units.items(), strict=True):
        for row in rows:
            axes.plot(row[key] / unit, 100 * row["top1"], "o")
            axes.annotate(row["name"], (row[key] / unit, 100 * row["top1"]), (4, 4), textcoords="offset points")
        axes.margins(0.25)
        axes.set_xlabel(label)
    figure.axes[0].set_ylabel("top-1, %")
    _save(figure, path)


def _figure(width, height):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
