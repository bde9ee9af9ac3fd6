"""ReXNet's study of the rank of a single layer (Han et al., CVPR 2021, Figure 1, https://arxiv.org/abs/2007.00992)."""

import csv
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rich.console
import rich.progress
from rich.console import Console

from keras_lightnets.design.correlation import rank_correlation
from keras_lightnets.design.random_layers import LAYERS, NONLINEARITIES, RandomLayer, RankChoices
from keras_lightnets.design.ranks import numerical_rank
from keras_lightnets.errors import UserError
from keras_lightnets.files import replacing, write_csv, write_json

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Read off the paper's figure, to 0.01 for the single convolutions and 0.02 for the bottlenecks. Two curves that the
# figure does not tell apart have the same values.
_PUBLISHED = Path(__file__).with_name("rank_curves.csv")


def rank_study(
    output: str | os.PathLike,
    layers: Sequence[str] = LAYERS,
    nonlinearities: Sequence[str] = tuple(NONLINEARITIES),
    ratios: Sequence[float] = RATIOS,
    networks: int = 100,
    choices: RankChoices = RankChoices(),
    seed: int = 0,
    console: Console | None = None,
) -> dict:
    """Measures the rank of the output of random layers against the ratio of their input and output channels.

    For each layer and ratio, `networks` layers of random width, weights and input are drawn. The same ones meet each
    nonlinearity. The paper has 1,000 a point and leaves the choices of `RankChoices` open.

    Args:
        output: str or Path of the folder to write: `ranks.csv`, `ranks.json` and `ranks.png`.
        layers: list of "conv1x1", "conv3x3", "bottleneck_conv" and "bottleneck_depthwise". Defaults to all.
        nonlinearities: list of "Linear", "ReLU", "ReLU6", "LeakyReLU", "ELU", "SoftPlus", "Hard-swish" and "SiLU".
            Defaults to all.
        ratios: list of floats in (0, 1], input channels over output channels. Defaults to 0.1, 0.2, ... 1.0.
        networks: int, layers a point. Defaults to 100.
        choices: `RankChoices`.
        seed: int. Defaults to 0.
        console: `rich.console.Console` to show the progress on. Defaults to None: silence.

    Returns:
        A dict, as in `ranks.json`:

        * "settings".
        * "curves", a list of dicts with "layer", "nonlinearity", "ratio", "rank", "std" and "published". "rank" is the
          mean over networks of the rank over the output channels, and "std" its spread over networks. "published" is
          None if the paper's figure was not read.
        * "agreement", a dict for each layer. "deviation" is the mean distance from the published values. "order" is the
          mean rank correlation between the nonlinearities here and there, over ratios below 1.

    Raises:
        UserError: for a layer, nonlinearity or ratio that does not exist, or choices that contradict each other.

    Example:

    >>> study = keras_lightnets.design.rank_study("out", layers=["conv1x1"], networks=5)
    >>> [round(row["rank"], 1) for row in study["curves"] if row["nonlinearity"] == "Linear"][:3]
    [0.1, 0.2, 0.3]
    """
    for name, given, known in (("layers", layers, LAYERS), ("nonlinearities", nonlinearities, NONLINEARITIES)):
        if wrong := [value for value in given if value not in known]:
            raise UserError(f"`{name}` must be among {', '.join(known)}. Received: {wrong[0]!r}")
    if outside := [ratio for ratio in ratios if not 0 < ratio <= 1]:
        raise UserError(f"`ratios` must be in (0, 1]. Received: {outside[0]}")
    if networks < 1:
        raise UserError(f"`networks` must be at least 1. Received: networks={networks}")
    output, published = Path(output), _published()
    output.mkdir(parents=True, exist_ok=True)
    console = console or rich.console.Console(quiet=True)
    curves = []
    with rich.progress.Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        for layer in bar.track(layers, description="layers"):
            for ratio in bar.track(ratios, description=layer):
                random = np.random.default_rng([seed, LAYERS.index(layer), round(1000 * ratio)])
                ranks = np.array([_ranks(layer, ratio, nonlinearities, choices, random) for _ in range(networks)])
                for name, column in zip(nonlinearities, ranks.T, strict=True):
                    point = {"layer": layer, "nonlinearity": name, "ratio": ratio}
                    measured = {"rank": float(column.mean()), "std": float(column.std())}
                    curves.append({**point, **measured, "published": published.get((layer, name, ratio))})
    content = {
        "settings": {"networks": networks, "seed": seed, **dataclasses.asdict(choices)},
        "curves": curves,
        "agreement": {layer: _agreement([row for row in curves if row["layer"] == layer]) for layer in layers},
    }
    write_json(output / "ranks.json", content)
    write_csv(output / "ranks.csv", curves)
    _draw(content, output / "ranks.png")
    return content


def _ranks(kind, ratio, nonlinearities, choices, random):
    """Returns rank / output channels of one random layer with each nonlinearity."""
    d_out = int(random.integers(choices.channels[0], choices.channels[1] + 1))
    layer = RandomLayer(kind, max(1, round(ratio * d_out)), d_out, choices, random)
    ranks = []
    for name in nonlinearities:
        features = layer(name)
        values = np.linalg.svd(features, compute_uv=False)
        ranks.append(numerical_rank(values, features.shape, choices.dtype, choices.tolerance) / d_out)
    return ranks


def _published():
    with _PUBLISHED.open(newline="") as file:
        return {
            (row["layer"], row["nonlinearity"], float(row["ratio"])): float(row["rank"]) for row in csv.DictReader(file)
        }


def _agreement(curves):
    pairs = [row for row in curves if row["published"] is not None and row["nonlinearity"] != "Linear"]
    if not pairs:
        return None
    orders = []
    for ratio in {row["ratio"] for row in pairs} - {1.0}:
        ours, theirs = np.array([(row["rank"], row["published"]) for row in pairs if row["ratio"] == ratio]).T
        orders.append(rank_correlation(ours, theirs))
    deviation = float(np.mean([abs(row["rank"] - row["published"]) for row in pairs]))
    return {"deviation": deviation, "order": float(np.mean(orders))}


def _draw(content, path):
    from matplotlib.figure import Figure

    curves = content["curves"]
    layers = list(dict.fromkeys(row["layer"] for row in curves))
    names = list(dict.fromkeys(row["nonlinearity"] for row in curves))
    figure = Figure(figsize=(3.2 * len(layers) + 1.2, 3.4), layout="constrained")
    panels = figure.subplots(1, len(layers), sharey=True, squeeze=False)[0]
    for axes, layer in zip(panels, layers, strict=True):
        for number, name in enumerate(names):
            rows = [row for row in curves if (row["layer"], row["nonlinearity"]) == (layer, name)]
            axes.plot([r["ratio"] for r in rows], [r["rank"] for r in rows], color=f"C{number}", lw=1.2, label=name)
            read = [row for row in rows if row["published"] is not None]
            axes.plot([r["ratio"] for r in read], [r["published"] for r in read], "x", color=f"C{number}", ms=4)
        axes.set(title=layer.replace("_", ", "), xlabel="input / output channels")
    panels[0].set_ylabel("rank / output channels")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", title="lines: measured\ncrosses: published", fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=90)
