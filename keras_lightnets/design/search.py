"""ReXNet's search for the channels of a network (Han et al., CVPR 2021, section 3.3, https://arxiv.org/abs/2007.00992)."""

import math
import os
from typing import Any

import numpy as np
from rich.console import Console

from keras_lightnets.design.piecewise import Limits, Space
from keras_lightnets.design.search_report import report
from keras_lightnets.design.trials import Trials
from keras_lightnets.design.worker import Training
from keras_lightnets.errors import UserError

METHODS = ("random", "evolution")
# Evolution's parents are the best of all networks so far.
_PARENTS = 0.25


def channel_search(
    output: str | os.PathLike,
    data: str,
    max_params: int,
    max_madds: int,
    blocks: int = 5,
    candidates: int = 40,
    method: str = "random",
    population: int = 10,
    training: Training = Training(),
    spend: float = 0.9,
    workers: int | None = None,
    console: Console | None = None,
    **network: Any,
) -> dict:
    """Searches for the channels of a `BottleneckNet` under limits of cost.

    Channels are a piecewise-linear function of the block. Each candidate is as wide as the limits allow, and is
    trained from several seeds. The mean accuracy on held-out training images ranks it. A search that was killed
    continues when it is started again, and ends with the same ranking. With more `candidates`, it trains the additional
    ones. Processes are started afresh: call this below `if __name__ == "__main__":`.

    Args:
        output: str or Path of the folder to write: `search.json`, `candidates.csv`, `groups.md`, `channels.png`, and
            what a resumed search needs.
        data: "tfds:NAME", "tfrecord:GLOB" or a folder of images, as in `training.open_data`.
        max_params: int, most trainable parameters.
        max_madds: int, most multiply-adds.
        blocks: int, number of blocks. Defaults to 5.
        candidates: int, number of networks to train. Defaults to 40.
        method: "random", or "evolution": from the second `population` on, networks are variations of the best quarter
            so far. Defaults to "random".
        population: int, networks of a generation. Defaults to 10.
        training: `Training`. Defaults to 30 epochs on all images, three seeds.
        spend: float in [0, 1], share of both limits that a network has to use at least. Defaults to 0.9.
        workers: int, number of processes. Defaults to None: one a processor core.
        console: `rich.console.Console` to show the progress on. Defaults to None: silence.
        **network: arguments of `BottleneckNet` that all networks share: `downsample`, `expansion`, `activation`,
            `stem`, `features`.

    Returns:
        The report, a dict, as in `search.json`: "settings", "candidates" with the best first, "groups" (the top, middle
        and bottom 10 %), "spread", "correlations" and "best". "correlations" are by rank, of the accuracy with the
        other numbers. "best" is the builder call of the winner. A candidate's "bend" is the root-mean-square
        distance of its channels from the nearest straight line, as a share of their mean.

    Raises:
        UserError: for limits that no network meets, settings that contradict the folder, or data that cannot be read.

    Reference:
        Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021. How its networks are drawn and
        trained is not published. Here both are arguments.

    Example:

    >>> found = channel_search("out", "tfds:cifar10", max_params=200_000, max_madds=33_000_000)
    >>> model = keras_lightnets.design.BottleneckNet(found["candidates"][0]["channels"])
    """
    if method not in METHODS:
        raise UserError(f"`method` must be one of {', '.join(METHODS)}. Received: method={method!r}")
    for name, value, least in (("blocks", blocks, 2), ("candidates", candidates, 3), ("population", population, 2)):
        if value < least:
            raise UserError(f"`{name}` must be at least {least}. Received: {name}={value}")
    settings = {"max_params": max_params, "max_madds": max_madds, "spend": spend, "blocks": blocks, "method": method}
    settings |= {"population": population, **network}
    trials = Trials(output, data, training, settings)
    space = Space(blocks, Limits(max_params, max_madds, spend), **network, **trials.image)
    shapes: dict[tuple, object] = {}
    results: dict[tuple, dict] = {}
    while len(shapes) < candidates:
        count = candidates if method == "random" else min(population, candidates - len(shapes))
        random = np.random.default_rng([training.seed, len(shapes)])
        shapes |= space.sample(count, random, _parents(shapes, results), shapes)
        networks = {_name(channels): {"channels": channels, **network} for channels in shapes}
        trained = trials.run(networks, workers, console)
        results = {channels: trained[_name(channels)] for channels in shapes}
    costs = {channels: space.cost(channels) for channels in shapes}
    settings = {"data": data, "candidates": candidates, **training._asdict(), **settings}
    return report(output, settings, results, costs, network)


def _name(channels):
    return "-".join(map(str, channels))


def _parents(shapes, results):
    """Returns the shapes of the best networks."""
    best = sorted(results, key=lambda channels: -np.mean(results[channels]["accuracy"]))
    return [shapes[channels] for channels in best[: math.ceil(_PARENTS * len(best))]]
