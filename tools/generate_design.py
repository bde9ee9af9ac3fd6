"""Writes docs/design.md from the folders of finished runs: python -m tools.generate_design RUNS.

RUNS holds `search` (channel-search), `factors` (factor-analysis) and any number of rank studies, `ranks` with the
default choices and `ranks_NAME` with others.
"""

import csv
import json
import math
import shutil
import sys
from pathlib import Path

from keras_lightnets.design import bottleneck_net_cost
from tools import DOCS

PAGE = DOCS / "design.md"
FILES = DOCS / "design"
TEMPLATE = """# Finding a shape: the studies of the ReXNet paper, re-run

Han, Yun, Heo and Yoo, Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021
(<https://arxiv.org/abs/2007.00992>). The paper leaves much open: how random layers are drawn, how channels are
searched, how candidates are trained. The commands have an argument for each open choice. Tables show the published
values beside the measured ones. `python -m tools.generate_design RUNS` writes this page from the files of the runs.

## Rank of a layer's output against its ratio of channels (Figure 1)

<!-- not run: takes minutes -->
```bash
{rank_command}
```

![Rank against ratio of channels](design/ranks.png)

Published values were read off the figure ([rank_curves.csv](../keras_lightnets/design/rank_curves.csv)), to 0.01 for
the single convolutions and 0.02 for the bottlenecks. All points are in [ranks.csv](design/ranks.csv). In the table,
"distance" is the mean distance between measured and published points, without the linear ones. "Order" is the rank
correlation of the nonlinearities here with the paper's. It is 1 where smooth ones beat ReLU as in the paper.

{rank_table}

{rank_text}

<!-- not run: the docstring of feature_rank runs it -->
```python
for features in keras_lightnets.design.feature_rank(model, images):  # of any model, layer by layer
    print(features.layer, features.rank, features.channels, features.nuclear_norm, features.singular_values[0])
```

## Searched networks: parameters and multiply-adds (Table 3)

The counts come from the cost model, `keras_lightnets.design.bottleneck_net_cost`. The networks are the best and the
worst of each space. The paper gives the mean cost of the top and bottom tenth of the space, and does not say which
blocks halve the image. Here they are blocks 2 and 4 of 5, 4 and 8 of 9, and 5 and 9 of 13. The last convolution has
1024 filters, and there are 10 classes. These settings reproduce the published numbers.

{table3}

## Channel search

<!-- not run: takes minutes -->
```bash
{search_command}
```

{search_text}

{groups}

![Channels of the groups; accuracy against the distance from a straight line](design/channels.png)

{outcome}

All candidates are in [candidates.csv](design/candidates.csv).

```
model = {best}
```

## What widens the features (Table 2)

<!-- not run: takes minutes -->
```bash
{factor_command}
```

{factors}

{factor_text}
"""


def main(runs):
    """Writes the page, and copies the pictures and curves that it shows."""
    search, factors = (_json(runs / name / f"{name}.json") for name in ("search", "factors"))
    ranks = {path.parent.name: _json(path) for path in sorted(runs.glob("ranks*/ranks.json"))}
    for name in ("ranks/ranks.png", "ranks/ranks.csv", "search/channels.png", "search/candidates.csv"):
        shutil.copy(runs / name, FILES / Path(name).name)
    PAGE.write_text(
        TEMPLATE.format(
            rank_command=_command("rank-study", "ranks", ranks["ranks"]["settings"]),
            rank_table=_rank_table(ranks),
            rank_text=_rank_text(ranks["ranks"]),
            table3=_table3(),
            search_command=_command("channel-search", "search", search["settings"]),
            search_text=_search_text(search),
            groups=(runs / "search" / "groups.md").read_text().strip(),
            outcome=_outcome(search),
            best=search["best"],
            factor_command=_command("factor-analysis", "factors", factors["settings"]),
            factors=(runs / "factors" / "factors.md").read_text().strip(),
            factor_text=_factor_text(factors["rows"]),
        )
    )


def _json(path):
    return json.loads(path.read_text())


def _command(name, folder, settings):
    words = [f"keras-lightnets {name} --output runs/{folder}"]
    for key, value in settings.items():
        if value is not None:
            words.append(f"--{key.replace('_', '-')} {' '.join(map(str, value)) if isinstance(value, list) else value}")
    return " ".join(words)


def _rank_table(studies):
    layers = list(studies["ranks"]["agreement"])
    lines = [
        "| choices | " + " | ".join(f"{layer.replace('_', ', ')}: distance, order" for layer in layers) + " |",
        "|---|" + "---:|" * len(layers),
    ]
    default = studies["ranks"]["settings"]
    for study in studies.values():
        different = [f"{name} {value}" for name, value in study["settings"].items() if value != default[name]]
        cells = [f"{row['deviation']:.3f}, {row['order']:+.2f}" for row in study["agreement"].values()]
        lines.append(f"| {', '.join(different) or 'as in the command'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _rank_text(study):
    """Says what returns: the linear curve, the rise above it, the order, and the values."""
    points = {(row["layer"], row["nonlinearity"], row["ratio"]): row["rank"] for row in study["curves"]}
    singles = ("conv1x1", "conv3x3")
    linear = max(abs(points[layer, "Linear", ratio] - ratio) for layer in singles for ratio in (0.1, 0.5, 1.0))
    gains = {
        layer: [points[layer, "SiLU", ratio] - points[layer, "ReLU", ratio] for ratio in (0.1, 0.5)]
        for layer in study["agreement"]
    }
    text = "\n".join(f"- {layer.replace('_', ' ')}: {low:+.2f} and {high:+.2f}" for layer, (low, high) in gains.items())
    return (
        f"Linear convolutions have the rank of their input (within {linear:.3f} of the ratio). The rank of SiLU "
        f"exceeds the rank of ReLU, at ratios 0.1 and 0.5, by this much:\n\n{text}\n\n"
        "No choice that was tried reproduces all panels. So the paper must have drawn its random layers in another way."
    )


def _table3():
    lines = [
        "| space | network | channels | parameters, M: published | here | MAdds, M: published (group) | here | "
        "published top-1, % |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    with (FILES / "table3.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            cost = bottleneck_net_cost([int(width) for width in row["channels"].split("-")])
            lines.append(
                f"| {row['space']} | {row['group']} | {row['channels']} | {row['params_millions']} | "
                f"{cost.params / 1e6:.3f} | {row['madds_millions']} | {cost.madds / 1e6:.1f} | {row['top1']} |"
            )
    return "\n".join(lines)


def _search_text(search):
    settings, between = search["settings"], search["spread"]["between_seeds"]
    return (
        f"The search drew {len(search['candidates'])} networks of {settings['blocks']} blocks. Each was trained "
        f"{settings['seeds']} times for {settings['epochs']} epochs on {settings['images']} images of "
        f"{settings['size']}x{settings['size']} pixels. The paper trains for 30 epochs on 50,000 images of 32x32 "
        f"pixels, {1_500_000 / settings['epochs'] / settings['images']:.0f} times as many images, and its networks are "
        "about twice as wide. Accuracy is measured on a tenth of the training images that is held out. Its standard "
        f"deviation is {search['spread']['between_networks']:.2%} between networks, and {between:.2%} between seeds of "
        "one network. "
        f"The mean over seeds has {between / math.sqrt(settings['seeds']):.2%}."
    )


def _outcome(search):
    networks = len(search["candidates"])
    chance = 1.96 / math.sqrt(networks - 1)
    bend = search["correlations"]["bend"]
    if abs(bend) >= chance:
        verdict = f"{'straight' if bend < 0 else 'bent'} lines win here, {'as' if bend < 0 else 'unlike'} in the paper"
    else:
        verdict = f"this search of {networks} networks does not tell"
    others = ", ".join(f"{name} {value:+.2f}" for name, value in search["correlations"].items() if name != "bend")
    means = {name: f"{group['bend']:.2f}" for name, group in search["groups"].items()}
    return (
        f"Does near-linear win here too? Accuracy and the distance from a straight line have a rank correlation of "
        f"{bend:+.2f}. Chance gives up to ±{min(chance, 1):.2f} in 19 of 20 searches of this size. So {verdict}. Mean "
        f"distance of the top, middle and bottom group: {means['top']}, {means['middle']}, {means['bottom']}. "
        f"Correlations of accuracy with the rest: {others.replace('_', ' ')}. The ± of a group is the spread between "
        "its networks. For a single network, it is the spread between its seeds."
    )


def _factor_text(rows):
    lines, clear = [], []
    for before, after in zip(rows, rows[1:], strict=False):
        step = after["accuracy"] - before["accuracy"]
        error = math.hypot(before["accuracy_std"], after["accuracy_std"])
        published = (after["published_top1"] - before["published_top1"]) / 100
        lines.append(f"- {after['name']}: {step:+.1%} ± {error:.1%} (published {published:+.1%})")
        clear += [after["name"]] if abs(step) > error else []
    return (
        "Each row changes one factor and is as wide as the limit allows. The data are CIFAR-10 here and CIFAR-100 in "
        "the paper, so compare steps and not values. Steps in accuracy:\n\n" + "\n".join(lines) + "\n\n"
        f"Steps larger than their spread: {', '.join(clear) or 'none, so the table is not reproduced at this scale'}. "
        "The nuclear norm is computed from the pooled features of the held-out images. The paper does not name its "
        "images."
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
