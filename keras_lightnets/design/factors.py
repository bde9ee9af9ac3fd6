"""ReXNet's analysis of what widens the features of a network (Han et al., CVPR 2021, Table 2)."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from keras_lightnets.design.bottleneck_net import bottleneck_net_cost
from keras_lightnets.design.trials import Trials
from keras_lightnets.design.worker import Training
from keras_lightnets.errors import UserError
from keras_lightnets.files import replacing, write_json


class Factors(NamedTuple):
    """Row of Table 2: expansion of the first convolution of a block, input over output channels of a block, and the
    nonlinearity after its first convolution. The published top-1 on CIFAR-100 and nuclear norm stand beside."""

    name: str
    expansion: int
    ratio: float
    activation: str
    published_top1: float
    published_nuclear_norm: float


_ROWS = (
    Factors("baseline", 20, 0.22, "relu6", 48.0, 5997.5),
    Factors("expansion", 6, 0.22, "relu6", 52.1, 6655.9),
    Factors("ratio", 6, 0.8, "relu6", 53.8, 6703.2),
    Factors("nonlinearity", 6, 0.8, "silu", 54.6, 6895.9),
)


def factor_analysis(
    output: str | os.PathLike,
    data: str,
    max_madds: int,
    training: Training = Training(),
    features: int = 1024,
    workers: int | None = None,
    console: Console | None = None,
) -> dict:
    """Trains networks of two inverted bottlenecks that differ in one factor from one to the next.

    Each network is as wide as the multiply-adds allow. The paper does not say how wide its networks are. So expect the
    order of the rows to be reproduced, and not their values. Goes on where it was killed. Processes are started afresh:
    call this below `if __name__ == "__main__":`.

    Args:
        output: str or Path of the folder to write: `factors.json`, `factors.md`, and what a resumed run needs.
        data: data set, as in `training.open_data`.
        max_madds: int, most multiply-adds of each network.
        training: `Training`. Defaults to 30 epochs on all images, three seeds.
        features: int, filters of the last convolution, whose output gives the nuclear norm. Defaults to 1024.
        workers: int, number of processes. Defaults to None: one a processor core.
        console: `rich.console.Console` to show the progress on. Defaults to None: silence.

    Returns:
        A dict, as in `factors.json`: "settings", and "rows" with the fields of `Factors`, "stem", "channels", "params",
        "madds", "accuracy" and "nuclear_norm", mean over seeds, and "accuracy_std" and "nuclear_norm_std".

    Raises:
        UserError: if the narrowest network has too many multiply-adds, or settings contradict the folder.

    Example:

    >>> factor_analysis("out", "tfds:cifar100", max_madds=100_000_000)["rows"][0]["accuracy"]
    """
    settings = {"max_madds": max_madds, "features": features}
    trials = Trials(output, data, training, settings)
    networks = {row.name: _network(row, max_madds, {"features": features, **trials.image}) for row in _ROWS}
    results = trials.run(networks, workers, console)
    content = {
        "settings": {"data": data, **training._asdict(), **settings},
        "rows": [_measured(row, networks[row.name], results[row.name]) for row in _ROWS],
    }
    write_json(Path(output) / "factors.json", content)
    with replacing(Path(output) / "factors.md") as temporary:
        temporary.write_text(_markdown(content["rows"]))
    return content


def _network(row, max_madds, common):
    """Returns the arguments of the widest `BottleneckNet` of a row within the limit."""
    widest = None
    for stem in range(2, 1 << 10):
        channels = [round(stem / row.ratio), round(stem / row.ratio**2)]
        network = {"channels": channels, "downsample": [1, 2], "expansion": row.expansion, "stem": stem}
        network |= {"activation": row.activation, **common}
        cost = bottleneck_net_cost(**network)
        if cost.madds > max_madds:
            break
        widest = network
    if widest is None:
        raise UserError(
            f"The network {row.name!r} has {cost.madds:,} multiply-adds with a stem of 2 channels already. Raise the "
            "limit, or take smaller images or fewer features."
        )
    return widest


def _measured(row, network, result):
    cost = bottleneck_net_cost(**network)
    numbers = {}
    for name in ("accuracy", "nuclear_norm"):
        values = result[name]
        numbers |= {name: float(np.mean(values)), f"{name}_std": float(np.std(values, ddof=min(1, len(values) - 1)))}
    shape = {"stem": network["stem"], "channels": network["channels"], "params": cost.params, "madds": cost.madds}
    return {**row._asdict(), **shape, **numbers}


def _markdown(rows):
    lines = [
        "| network | expansion | ratio | nonlinearity | channels | MAdds, millions | accuracy, % | nuclear norm | "
        "published top-1, % | published nuclear norm |",
        "|---|---:|---:|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['expansion']} | {row['ratio']} | {row['activation']} | "
            f"{'-'.join(map(str, [row['stem'], *row['channels']]))} | {row['madds'] / 1e6:.2f} | "
            f"{100 * row['accuracy']:.1f} ± {100 * row['accuracy_std']:.1f} | "
            f"{row['nuclear_norm']:.0f} ± {row['nuclear_norm_std']:.0f} | {row['published_top1']} | "
            f"{row['published_nuclear_norm']} |"
        )
    return "\n".join(lines) + "\n"
