"""The tables of the MobileNet paper: multiply-adds at every size, and the networks that only the paper has."""

import re
from typing import NamedTuple

import pytest

import keras_lightnets as kl
from keras_lightnets.applications import mobilenet
from tools.seeded import run, seeded_images


class Resolution(NamedTuple):
    """Millions of multiply-adds of a network at one size, measured on keras.applications."""

    builder: callable
    alpha: float
    size: int
    madds: float


# TF-slim's pages of released models print the same, but for MobileNet 0.75 (2.5 % less) and 0.25 at 192 (34 for 30.2).
RESOLUTIONS = (
    *(
        Resolution(kl.MobileNet, alpha, size, madds)
        for alpha, row in (
            (1.0, (568.7, 418.1, 290.7, 186.4)),
            (0.75, (325.4, 239.3, 166.4, 106.8)),
            (0.5, (149.5, 110.0, 76.5, 49.2)),
            (0.25, (41.0, 30.2, 21.1, 13.6)),
        )
        for size, madds in zip((224, 192, 160, 128), row, strict=True)
    ),
    *(
        Resolution(kl.MobileNetV2, alpha, size, madds)
        for alpha, row in (
            (1.0, (221.3, 154.1, 99.1, 56.3)),
            (0.75, (153.9, 107.3, 69.1, 39.4)),
            (0.5, (71.7, 50.2, 32.6, 18.9)),
            (0.35, (43.9, 30.9, 20.2, 11.9)),
        )
        for size, madds in zip((192, 160, 128, 96), row, strict=True)
    ),
)


# All of them slow but the diagonal of MobileNet's grid: each alpha once, each size once.
FAST = {(kl.MobileNet, *pair) for pair in ((1.0, 128), (0.75, 160), (0.5, 192), (0.25, 224))}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            marks=() if row[:3] in FAST else pytest.mark.slow,
            id=f"{row.builder.__name__}-{row.alpha}-{row.size}",
        )
        for row in RESOLUTIONS
    ],
)
def test_resolutions(row):
    cost = kl.complexity(row.builder(alpha=row.alpha, weights=None, input_shape=(row.size, row.size, 3)))
    assert cost.madds / 1e6 == pytest.approx(row.madds, abs=0.06)


class Ablation(NamedTuple):
    """A network that the paper compares MobileNet with: as counted, and as the paper prints it, in millions."""

    builder: callable
    params: int
    total: int
    madds: int
    printed_params: float
    printed_madds: float


# 1704.04861, Tables 4 and 5; the paper's 4866 leaves out the million of the classifier.
ABLATIONS = (
    Ablation(mobilenet.ConvMobileNet, 29_294_088, 29_306_056, 4_867_293_184, 29.3, 4866),
    Ablation(mobilenet.ShallowMobileNet, 2_887_976, 2_899_624, 307_323_392, 2.9, 307),
)


@pytest.mark.parametrize("row", ABLATIONS, ids=lambda row: row.builder.__name__)
def test_ablations(row):
    cost = kl.complexity(row.builder())
    assert cost.params == row.params == pytest.approx(row.printed_params * 1e6, rel=0.01)
    assert cost.params + cost.non_trainable_params == row.total
    assert cost.madds == row.madds == pytest.approx(row.printed_madds * 1e6, rel=0.002)
    features = row.builder(alpha=0.25, include_top=False, input_shape=(123, 123, 3), pooling="avg")
    assert features.name.endswith("_mobilenet_0.25_123")
    assert run(features, seeded_images((2, 123, 123, 3))).shape == (2, 256)
    with pytest.raises(ValueError, match="none are released"):
        row.builder(weights="imagenet")


def test_shallow_mobilenet_has_the_layers_of_mobilenet():
    """All but those of blocks 7 to 11, so that weights can be carried over by name."""
    left_out = re.compile(r"conv_(dw|pw)_([7-9]|1[01])(_bn|_relu)?")
    full = kl.MobileNet(alpha=0.25, include_top=False, weights=None).layers[1:]
    shallow = mobilenet.ShallowMobileNet(alpha=0.25, include_top=False).layers[1:]
    assert [layer.name for layer in shallow] == [layer.name for layer in full if not left_out.fullmatch(layer.name)]
