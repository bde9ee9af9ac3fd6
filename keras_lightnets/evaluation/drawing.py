"""The pictures of runs, as PNG files. They need matplotlib."""

import importlib.util

import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.names import name_points, place_names
from keras_lightnets.files import replacing

# Costs of a network by their names in tables: the unit they are drawn in, and its text.
COSTS = {
    "madds": (1e6, "multiply-adds, millions"),
    "params": (1e6, "parameters, millions"),
    "parameters": (1e6, "parameters, millions"),
    "latency_ms": (1, "latency, ms (one image, one thread)"),
    "int8_ms": (1, "int8 latency, ms (one image, one thread)"),
}


def can_draw():
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def require_matplotlib(picture):
    """Raises a UserError that names the extra without which there is no `picture`."""
    if not can_draw():
        raise UserError(f"The {picture} needs matplotlib: pip install 'keras_lightnets[plot]'.")


def draw_curve(history, path):
    """Draws loss, and accuracy or mean IoU if there is one, of every epoch."""
    epochs = [epoch["epoch"] for epoch in history]
    names = [name for name in ("loss", "accuracy", "mean_iou") if name in history[0]]
    figure = _figure(4 * len(names), 4)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
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


def draw_precision_recall(precisions, classes, path):
    """Draws the precision of each class, an array `(classes, 101)`, NaN without objects, against recall, 0 to 1."""
    figure = _figure(6, 5)
    axes = figure.subplots()
    recalls = np.linspace(0, 1, precisions.shape[1])
    # More names than this would be no legend.
    few = len(classes) <= 12
    for name, curve in zip(classes, precisions, strict=True):
        if not np.isnan(curve).any():
            axes.plot(recalls, curve, label=name if few else None, color=None if few else "0.8", linewidth=1)
    if len(classes) > 1 and not np.isnan(precisions).all():
        axes.plot(recalls, np.nanmean(precisions, axis=0), label="mean of the classes", color="black")
    axes.set(xlabel="recall", ylabel="precision, intersection over union of 0.5", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _save(figure, path)


def on_front(row, rows, cost):
    """Whether no other of some rows with "top1" and costs is at least as good and as cheap as `row`."""
    sides = [(other["top1"], -other[cost]) for other in rows]
    own = (row["top1"], -row[cost])
    return not any(a >= own[0] and b >= own[1] and (a, b) != own for a, b in sides)


def draw_costs(rows, costs, label, path):
    """Draws accuracy against costs, and a line through the networks that no other beats.

    Args:
        rows: list of dicts of "name", "family", "top1" in percent, perhaps its range "low" and "high", and the costs.
        costs: names of costs, a panel each, among `COSTS`.
        label: str, what the accuracy is.
        path: str or Path of the PNG file to write.
    """
    from matplotlib.ticker import LogLocator

    figure = _figure(5 * len(costs), 5)
    for axes, cost in zip(figure.subplots(1, len(costs), sharey=True), costs, strict=True):
        unit, text = COSTS[cost]
        known = [row for row in rows if row[cost] is not None]
        for family in sorted({row["family"] for row in rows}):
            own = [row for row in known if row["family"] == family]
            ranges = [
                [row["top1"] - row.get("low", row["top1"]), row.get("high", row["top1"]) - row["top1"]] for row in own
            ]
            places = [row[cost] / unit for row in own], [row["top1"] for row in own]
            axes.errorbar(*places, np.reshape(ranges, (-1, 2)).T, fmt="o", capsize=4, label=family)
        front = sorted((row for row in known if on_front(row, known, cost)), key=lambda row: row[cost])
        axes.plot([row[cost] / unit for row in front], [row["top1"] for row in front], color="0.6", zorder=0)
        # More names than this would hide the points. Those that no other beats choose their room first.
        named = [*front, *(row for row in known if row not in front)] if len(known) <= 20 else front
        name_points(axes, [row["name"] for row in named], [(row[cost] / unit, row["top1"]) for row in named])
        axes.margins(x=0.3, y=0.1)
        values = [row[cost] for row in known]
        if max(values) > 5 * min(values):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(values) < 200 * min(values) else (1,)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        axes.set_xlabel(text)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel(label)
    figure.axes[0].legend(fontsize="small")
    place_names(figure)
    _save(figure, path)


def draw_transfer(rows, path):
    """Draws top-1 against images per class of rows with "data", "images_per_class", "start", "seed" and "top1"."""
    names = list(dict.fromkeys(row["data"] for row in rows))
    figure = _figure(5 * len(names), 4)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for start in dict.fromkeys(row["start"] for row in rows):
            accuracies = {}
            for row in rows:
                if (row["data"], row["start"]) == (name, start):
                    accuracies.setdefault(row["images_per_class"], []).append(100 * row["top1"])
            means = [float(np.mean(values)) for values in accuracies.values()]
            ranges = [[mean - min(v), max(v) - mean] for mean, v in zip(means, accuracies.values(), strict=True)]
            axes.errorbar(list(accuracies), means, np.transpose(ranges), fmt="o-", capsize=4, label=start)
        axes.set(title=name, xscale="log", xlabel="training images per class")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("top-1, %")
    figure.axes[0].legend()
    _save(figure, path)


def _figure(width, height):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
