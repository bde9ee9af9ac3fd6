"""Writes docs/study.md from a folder of finished runs of one recipe, a folder each.

Usage: python -m tools.generate_study RUNS.
The latency of all files is measured again, in turns. Runs of one network that differ in the seed are one row.
"""

import itertools
import math
import statistics
import sys
from pathlib import Path

from keras_lightnets.applications.catalog import find_model
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.drawing import draw_costs, on_front
from keras_lightnets.evaluation.measures import standard_error
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.files import write_csv
from keras_lightnets.training.compare import read_runs
from tools import DOCS
from tools.timing import BURST, machine, shortest

PAGE = DOCS / "study.md"
FILES = DOCS / "study"
ROUNDS = 30
COSTS = {"madds": "multiply-adds", "latency_ms": "float latency", "int8_ms": "int8 latency"}
# The order is shown after these epochs, and after the last.
SHOWN = (10, 20, 30)
# Costs that differ by less are about equal.
EQUAL = 1.25
MICRONETS = ("MicroNetM0", "MicroNetM1", "MicroNetM2", "MicroNetM3")
# The papers' claims: question, builders of one side and of the other.
CLAIMS = (
    ("Is MicroNet above MobileNetV3 and MobileNetV2?", MICRONETS, ("MobileNetV3Small", "MobileNetV2")),
    ("Is ShuffleNet above MobileNet at the smallest size?", ("ShuffleNet",), ("MobileNet",)),
    ("Is ReXNet-lite above MobileNetV2?", ("ReXNetLite",), ("MobileNetV2",)),
)
TEMPLATE = """# The papers' headline, on small images

The budget of this page is {epochs} epochs on {train} images at {size}x{size} pixels.
Of {pairs} pairs, so many changed their order between epochs: {moved}.
See [the order on the way](#the-order-on-the-way).

The papers claim that their networks are better than others of equal cost, on ImageNet at 224x224. This page tests the
claims on {classes} classes of small images, under one recipe and one budget. Its figures hold for this scale only:

```
{command}
python -m tools.generate_study runs
```

DATA is tfds:cifar10, or a folder of its images. All networks were trained on a GPU before, into the same folders, by
[examples/cifar10_jax.py](../examples/cifar10_jax.py). The command above then measures and exports them.
The last epoch counts, so that the test images chose nothing.
Each network is tested on {test} images. Top-1 is the mean over seeds, with the range where there are several.
"int8 top-1" is the change in points that int8 causes, on up to 2000 of the test images.
Multiply-adds are for one image. Latency is for one image on one thread, on
{machine}. All files run in turns, and the shortest of {rounds} turns of {burst} runs counts.
A cost is **bold** if no other network is as cheap and better.

{table}

![Top-1 against multiply-adds and latency](study/study.png)

A difference in top-1 counts only if it exceeds 1.96 standard errors. The error covers the choice of test images and,
where there are several, the seeds. Costs that differ by less than {equal:.0%} are called equal. Each rival is compared
with the best network that costs no more. If all cost more, it is compared with the nearest in cost.

{answers}
## The order on the way

Top-1 on the test images in percent, after so many epochs of one run. Its learning rate falls to zero at the end.
The place among these networks is in brackets.

{course}

All figures are in [study.csv](study/study.csv). The networks halve {size} pixels five times, where the papers start
from 224. The order may change with more classes. [What the study shows](explanation/study.md) says
more.
"""


def main(runs):
    """Writes the page, its picture and its figures."""
    folders = [path.parent for path in sorted(runs.glob("*/report.json")) if not (path.parent / "checkpoint").exists()]
    if not folders:
        raise UserError(f"{runs} holds no folders of finished runs.")
    reports = read_runs(folders)
    budgets = {(report["options"]["size"], report["options"]["epochs"]) for report in reports}
    if len(budgets) > 1:
        raise UserError(
            f"{runs} holds runs of several sizes and epochs, {sorted(budgets)}: give a folder of one budget."
        )
    groups = {}
    for folder, report in zip(folders, reports, strict=True):
        groups.setdefault(report["model"], []).append((folder, report))
    rows = [_row(name, group) for name, group in groups.items()]
    rows.sort(key=lambda row: row["madds"])
    _time(rows, groups)
    FILES.mkdir(exist_ok=True)
    write_csv(FILES / "study.csv", rows)
    draw_costs(rows, COSTS, "CIFAR-10 top-1, %", FILES / "study.png")
    first = reports[0]
    seeds = sorted({report["options"]["seed"] for report in reports})
    PAGE.write_text(
        TEMPLATE.format(
            classes=len(first["classes"]),
            command=_command(seeds),
            epochs=first["options"]["epochs"],
            **_course(rows),
            size=first["options"]["size"],
            train=first["images"]["train"],
            test=first["images"]["test"],
            rounds=ROUNDS,
            burst=BURST,
            machine=machine(),
            table=_table(rows),
            equal=EQUAL - 1,
            answers="\n".join(_answer(*claim, rows) for claim in CLAIMS),
        ),
        encoding="utf-8",
    )


def _row(name, group):
    """What is known of a network from its runs, but the latencies."""
    _, first = group[0]
    tops = [100 * report["test"]["top1"] for _, report in group]
    exports = {export["path"]: export for export in first["exports"]}
    int8 = exports.get("model_int8.tflite", {})
    error = standard_error([top / 100 for top in tops], first["images"]["test"])
    return {
        "name": name,
        "family": find_model(name).family,
        "seeds": len(group),
        "top1": statistics.mean(tops),
        "low": min(tops),
        "high": max(tops),
        "error": 100 * error,
        **{f"top1_{epoch}": statistics.mean(_at(report, epoch) for _, report in group) for epoch in _shown(first)},
        "int8_top1_change": 100 * (int8["accuracy"] - exports["model_float32.tflite"]["accuracy"]) if int8 else None,
        "madds": first["madds"],
        "parameters": first["parameters"],
        "latency_ms": None,
        "int8_ms": None,
        "float_bytes": exports["model_float32.tflite"]["size_bytes"],
        "int8_bytes": int8.get("size_bytes"),
    }


def _shown(report):
    last = len(report["history"])
    return [*(epoch for epoch in SHOWN if epoch < last), last]


def _at(report, epoch):
    return 100 * report["history"][epoch - 1]["val_accuracy"]


def _course(rows):
    """The top-1 and the place of every network after some epochs, and since when no two changed places."""
    columns = [name for name in rows[0] if name.startswith("top1_")]
    epochs = [name.removeprefix("top1_") for name in columns]
    order = {name: sorted(rows, key=lambda row: -row[name]) for name in columns}
    lines = [f"| network | {' | '.join(f'{epoch} epochs' for epoch in epochs)} |", "|---|" + "---:|" * len(epochs)]
    for row in order[columns[-1]]:
        shown = (f"{row[name]:.2f} ({order[name].index(row) + 1})" for name in columns)
        lines.append(f"| {row['name']} | {' | '.join(shown)} |")
    swaps = [
        sum(order[last].index(a) > order[last].index(b) for a, b in itertools.combinations(order[before], 2))
        for before, last in itertools.pairwise(columns)
    ]
    moved = [f"{n} from {a} to {b}" for n, (a, b) in zip(swaps, itertools.pairwise(epochs), strict=True)]
    return {"course": "\n".join(lines), "moved": ", ".join(moved), "pairs": math.comb(len(rows), 2)}


def _time(rows, groups):
    """Adds the latencies, of all files in turns."""
    kinds = {"latency_ms": "model_float32.tflite", "int8_ms": "model_int8.tflite"}
    files = {(name, kind): group[0][0] / file for name, group in groups.items() for kind, file in kinds.items()}
    models = {key: TFLiteModel(path) for key, path in files.items() if path.exists()}
    times = shortest({key: model.invoke_ms for key, model in models.items()}, ROUNDS)
    for row in rows:
        row.update({kind: times.get((row["name"], kind)) for kind in kinds})


def _command(seeds):
    return "\n".join(
        f"keras-lightnets train --recipe cifar10_gpu --data DATA --model NAME --seed {seed} --output runs/NAME-{seed}"
        for seed in seeds
    )


def _table(rows):
    lines = [
        "| network | top-1, % | seeds | MAdds, M | parameters, M | float, ms | int8, ms | int8 top-1 | MB |",
        "|---|" + "---:|" * 8,
    ]
    for row in rows:
        top1 = f"{row['top1']:.2f}" + (f" ({row['low']:.2f}-{row['high']:.2f})" if row["seeds"] > 1 else "")
        shown = {"madds": f"{row['madds'] / 1e6:.2f}"}
        for cost in ("latency_ms", "int8_ms"):
            shown[cost] = "-" if row[cost] is None else f"{row[cost]:.3f}"
        for cost in COSTS:
            if row[cost] is not None and on_front(row, [other for other in rows if other[cost] is not None], cost):
                shown[cost] = f"**{shown[cost]}**"
        change = "-" if row["int8_top1_change"] is None else f"{row['int8_top1_change']:+.2f}"
        sizes = [row["float_bytes"], *([row["int8_bytes"]] if row["int8_bytes"] else [])]
        lines.append(
            f"| {row['name']} | {top1} | {row['seeds']} | {shown['madds']} | {row['parameters'] / 1e6:.2f} | "
            f"{shown['latency_ms']} | {shown['int8_ms']} | {change} | {', '.join(f'{s / 1e6:.2f}' for s in sizes)} |"
        )
    return "\n".join(lines)


def _answer(question, ours, theirs, rows):
    """Compares every network of the other side with the best of ours that costs no more, or else with the nearest."""
    builders = {row["name"]: find_model(row["name"]).builder.__name__ for row in rows}
    own = [row for row in rows if builders[row["name"]] in ours]
    rivals = [row for row in rows if builders[row["name"]] in theirs]
    missing = [name for name in (*ours, *theirs) if name not in builders.values()]
    lines = [f"## {question}\n", *([f"Not among these runs: {', '.join(missing)}.\n"] if missing else [])]
    for rival, (cost, text) in itertools.product(rivals, COSTS.items()):
        if known := [row for row in own if row[cost] and rival[cost]]:
            no_dearer = [row for row in known if row[cost] < EQUAL * rival[cost]]
            nearest = min(known, key=lambda row: abs(math.log(row[cost] / rival[cost])))
            chosen = max(no_dearer, key=lambda row: row["top1"], default=nearest)
            lines.append(f"- {text[0].upper()}{text[1:]}: {_verdict(chosen, rival, cost)}")
    return "\n".join(lines) + "\n"


def _verdict(row, rival, cost):
    gap, margin = row["top1"] - rival["top1"], 1.96 * math.hypot(row["error"], rival["error"])
    factor = rival[cost] / row[cost]
    if 1 / EQUAL < factor < EQUAL:
        price = "at about equal"
    else:
        price = f"at {1 / factor:.0%} of the" if factor > 1 else f"at {1 / factor:.1f} times the"
    cheaper, dearer = factor >= EQUAL, factor <= 1 / EQUAL
    if abs(gap) <= margin:
        word = "as good for less" if cheaper else "as good for more" if dearer else "undecided"
    elif gap > 0:
        word = "undecided, better for more" if dearer else "yes"
    else:
        word = "undecided, worse for less" if cheaper else "no"
    side = "above" if gap > 0 else "below"
    points = f"{abs(gap):.2f} ± {margin:.2f} points"
    return f"**{word}**. {row['name']} is {points} {side} {rival['name']} {price} {COSTS[cost]}."


if __name__ == "__main__":
    main(Path(sys.argv[1]))
