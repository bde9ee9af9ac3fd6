"""The course of a run as CSV, JSON lines and curves, always written whole from its history."""

import csv
import importlib.util
import io
import json

from keras_lightnets.export.files import replacing


def write_logs(history, output):
    """Writes `log.csv`, `log.jsonl` and, where matplotlib is installed, `training_curve.png`.

    Args:
        history: list of dicts, one per epoch, of the same keys.
        output: Path of the folder.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, history[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    lines = "".join(json.dumps(epoch) + "\n" for epoch in history)
    for name, text in (("log.csv", table.getvalue()), ("log.jsonl", lines)):
        with replacing(output / name) as temporary:
            temporary.write_text(text)


def draw_curve(history, path):
    """Draws loss and accuracy of every epoch into a PNG file; does nothing without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
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
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
