"""Measures ReXNet beside EfficientNet, and writes docs/scaling.md: python -m tools.generate_scaling OUTPUT.

OUTPUT keeps the latencies. Started again, the command continues with the next network.
"""

import argparse
import shutil
from pathlib import Path

from keras_lightnets.evaluation.pareto import compare_costs
from keras_lightnets.evaluation.profiling import open_model
from tools import DOCS
from tools.timing import machine

PAGE = DOCS / "scaling.md"
PICTURE = DOCS / "scaling.png"
OURS = "ReXNet-*"
THEIRS = "keras:EfficientNetB[0-4]"
COSTS = {"params": "parameters", "madds": "multiply-adds", "latency_ms": "latency"}
TEMPLATE = """# ReXNet beside EfficientNet

The ReXNet paper claims that its networks beat EfficientNet at equal cost. This page puts the published
accuracies beside the costs that this package counts and measures.

{table}

Latency is for one image on one thread, for the exported float32 file with random weights. It is the shortest of 100
runs on {machine}. Other machines give other latencies.

ReXNet has its authors' accuracies, and EfficientNet has the accuracies of keras.io. They come from different
training recipes. "pixels" is the side of the image at which the accuracy was published.

![Published top-1 against multiply-adds, parameters and latency](scaling.png)

For each EfficientNet, here is the smallest ReXNet that is at least as accurate:

{text}

`python -m tools.generate_scaling OUTPUT` measures this again. Without the page,
`keras-lightnets compare --costs "{ours}" "{theirs}" --output OUTPUT` gives the figures and the picture.
"""


def main():
    """Measures what is missing, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    rows = compare_costs([OURS, THEIRS], output)
    for row in rows:
        row["size"] = open_model(row["name"]).input_shape[1]
    shutil.copy(output / "costs.png", PICTURE)
    sentences = "\n".join(f"- {sentence}" for sentence in answers(rows))
    text = TEMPLATE.format(table=_table(rows), machine=machine(), text=sentences, ours=OURS, theirs=THEIRS)
    PAGE.write_text(text, encoding="utf-8")


def _table(rows):
    lines = ["| network | pixels | top-1, % | parameters, M | MAdds, M | latency, ms |", "|---|" + "---:|" * 5]
    for row in sorted(rows, key=lambda row: row["top1"]):
        costs = f"{row['params'] / 1e6:.1f} | {row['madds'] / 1e6:.0f} | {row['latency_ms']:.1f}"
        lines.append(f"| {_short(row)} | {row['size']} | {row['top1']:.1f} | {costs} |")
    return "\n".join(lines)


def answers(rows):
    """Returns a sentence for each EfficientNet: the smallest ReXNet that is as accurate, and its share of the costs."""
    ours = sorted((row for row in rows if row["family"] == "rexnet"), key=lambda row: row["madds"])
    sentences = []
    for rival in sorted((row for row in rows if row["family"] != "rexnet"), key=lambda row: row["madds"]):
        reached = next((row for row in ours if row["top1"] >= rival["top1"]), None)
        row = reached or ours[-1]
        costs = [f"{row[cost] / rival[cost]:.2f} of the {name}" for cost, name in COSTS.items()]
        shares = f"{', '.join(costs[:-1])} and {costs[-1]}"
        if reached:
            gain = f"{row['top1'] - rival['top1']:+.1f} points"
            sentences.append(f"{_short(rival)}: {_short(row)} ({gain}) takes {shares}.")
        else:
            loss = f"{rival['top1'] - row['top1']:.1f} points below it"
            sentences.append(f"{_short(rival)}: none. {_short(row)} is {loss} and takes {shares}.")
    return sentences


def _short(row):
    return row["name"].removeprefix("keras:").replace("-alpha=", " ")


if __name__ == "__main__":
    main()
