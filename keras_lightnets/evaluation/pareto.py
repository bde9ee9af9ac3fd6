"""All networks by published accuracy and cost: the table and the picture that a choice starts from."""

import os
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import rich.console
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from keras_lightnets.applications.catalog import find_model, list_models
from keras_lightnets.complexity import complexity
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.drawing import draw_costs, on_front, require_matplotlib
from keras_lightnets.evaluation.keras_networks import PREFIX, find_keras, keras_networks
from keras_lightnets.evaluation.profiling import open_model
from keras_lightnets.export.interpreter import TFLiteModel, vouch_for
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.files import read_json, write_csv, write_json

_COSTS = ("madds", "params", "latency_ms")
_RUNS = 100


def compare_costs(names: Sequence[str], output: str | os.PathLike, console: Console | None = None) -> list[dict]:
    """Puts networks side by side: published top-1 against multiply-adds, parameters and latency on this machine.

    Every network is converted to TFLite, float32, with random weights, and timed on one thread. The latency is the
    shortest run, which a busy machine interrupts least. Latencies are kept in `latencies.json` of `output`, one by one.
    So an interrupted run continues, and a further network takes its own time only. Delete the file to measure again.

    Args:
        names: list of str, names in `list_models()` or patterns such as "MicroNet*", and networks of keras.applications
            such as "keras:EfficientNetB0" or "keras:EfficientNetB[0-4]". Empty for every network of this package that
            has a published top-1 accuracy.
        output: str or Path of the folder to write `costs.json`, `costs.csv` and `costs.png` into.
        console: `rich.console.Console` for the progress. Defaults to None: no progress.

    Returns:
        A list of dicts in rising order of multiply-adds: "name", "family", "top1", "top1_source", "madds", "params",
        "latency_ms", "size_bytes", and "pareto". "pareto" lists the costs for which no other network is both cheaper
        and better.

    Raises:
        UserError: if a name fits no network with a published accuracy, matplotlib is missing, or a file cannot be
            written.

    Example:

    >>> rows = compare_costs(["ReXNet-*", "keras:EfficientNetB[0-4]"], "costs")
    """
    require_matplotlib("picture")
    records = _chosen(names)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    measured = _measured([record.name for record in records], output / "latencies.json", console)
    columns = ("name", "family", "top1", "top1_source", "madds", "params")
    rows = [{name: getattr(record, name) for name in columns} | measured[record.name] for record in records]
    rows.sort(key=lambda row: row["madds"])
    for row in rows:
        row["pareto"] = [cost for cost in _COSTS if on_front(row, rows, cost)]
    write_json(output / "costs.json", rows)
    write_csv(output / "costs.csv", [{**row, "pareto": " ".join(row["pareto"])} for row in rows])
    draw_costs(rows, _COSTS, "published ImageNet top-1, %", output / "costs.png")
    return rows


def _chosen(names):
    published = [record for record in list_models() if record.top1 is not None]
    if not names:
        return published
    chosen = {}
    published_by_keras = [network for network in keras_networks().values() if network.top1 is not None]
    for name in names:
        ours = not name.startswith(PREFIX)
        found = [record for record in (published if ours else published_by_keras) if fnmatchcase(record.name, name)]
        if not found:
            # Names that no network has are told apart from those without a figure.
            record = find_model(name) if ours else find_keras(name)
            raise UserError(f"{record.name} has no published accuracy.")
        chosen |= {record.name: record for record in found}
    return list(chosen.values())


def _measured(names, path, console):
    """Measures what `path` does not hold yet, and returns what it then holds: a dict from name to figures."""
    known = read_json(path, "Remove it to measure afresh.") if path.exists() else {}
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    missing = [name for name in names if name not in known]
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*columns, console=console or rich.console.Console(quiet=True)) as progress,
    ):
        task = progress.add_task("networks", total=len(names), completed=len(names) - len(missing))
        for name in missing:
            progress.update(task, description=name)
            file = Path(folder) / "network.tflite"
            model = open_model(name)
            with Exporter(model) as exporter:
                file.write_bytes(exporter.convert())
            vouch_for(file)
            runner = TFLiteModel(file)
            latency = min(runner.invoke_ms() for _ in range(_RUNS))
            known[name] = {"latency_ms": latency, "size_bytes": file.stat().st_size}
            if name.startswith(PREFIX):
                # The catalog has the cost of our networks.
                cost = complexity(model)
                known[name] |= {"madds": cost.madds, "params": cost.params}
            write_json(path, known)
            progress.advance(task)
    return known
