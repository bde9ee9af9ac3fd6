"""Ranks of features and of random layers."""

import csv
import json

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_lightnets import design
from keras_lightnets.cli.main import app
from keras_lightnets.design.correlation import rank_correlation
from keras_lightnets.design.random_layers import LAYERS, NONLINEARITIES, RandomLayer
from keras_lightnets.errors import UserError


@pytest.fixture(scope="module")
def model():
    """A 1x1 convolution of rank 2 from 3 to 5 channels, a ReLU and the mean."""
    random = np.random.default_rng(0)
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(5, 1, use_bias=False, name="narrow")(inputs)
    x = keras.layers.ReLU(name="relu")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="mean")(x))
    model.get_layer("narrow").set_weights([random.normal(size=(1, 1, 3, 2)) @ random.normal(size=(2, 5))])
    return model


def test_feature_rank_is_that_of_the_matrix_of_features(model):
    images = np.random.default_rng(1).normal(size=(21, 4, 4, 3)).astype("float32")
    ranks = design.feature_rank(model, images)
    assert [rank.layer for rank in ranks] == ["narrow", "relu", "mean"]
    kernel = model.get_layer("narrow").get_weights()[0][0, 0]
    narrow = images.reshape(-1, 3) @ kernel
    relu = np.maximum(narrow, 0)
    for rank, matrix, wanted in zip(ranks, (narrow, relu, relu.reshape(21, 16, 5).mean(1)), (2, 5, 5), strict=True):
        values = np.linalg.svd(matrix.astype("float64"), compute_uv=False)
        assert (rank.rank, rank.channels, rank.positions) == (wanted, 5, len(matrix))
        np.testing.assert_allclose(rank.singular_values, values, rtol=1e-4, atol=1e-5 * values[0])
        np.testing.assert_allclose(rank.nuclear_norm, np.linalg.norm(matrix, "nuc"), rtol=1e-4)
    assert design.feature_rank(model, images, ["narrow"], tolerance=0.999)[0].rank == 1


def test_feature_rank_refuses(model):
    with pytest.raises(UserError, match="has no layer 'wide' with an output of two or four axes"):
        design.feature_rank(model, np.zeros((1, 4, 4, 3)), ["wide"])
    with pytest.raises(UserError, match="The output of layer 'narrow' is not finite"):
        design.feature_rank(model, np.full((1, 4, 4, 3), np.nan, "float32"))


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_nonlinearities_are_those_of_keras(name):
    kinds = {"LeakyReLU": lambda x: keras.activations.leaky_relu(x, 0.01), "Hard-swish": keras.activations.hard_silu}
    x = np.linspace(-9, 9, 101)
    theirs = kinds.get(name) or getattr(keras.activations, name.lower())
    np.testing.assert_allclose(NONLINEARITIES[name](x), theirs(x), atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_random_layers_are_those_of_keras(kind):
    choices = design.RankChoices(channels=(4, 8), samples=3, side=4, dtype="float64", weights="uniform")
    layer = RandomLayer(kind, 3, 5, choices, np.random.default_rng(0))
    x = layer._inputs
    if kind.startswith("conv"):
        wanted = np.maximum(keras.ops.conv(x, layer._kernels[0], padding="same"), 0)
    else:
        expand, middle, project = layer._kernels
        wanted = np.maximum(keras.ops.conv(x, expand), 0)
        if kind == "bottleneck_depthwise":
            wanted = keras.ops.depthwise_conv(wanted, middle.swapaxes(2, 3), padding="same")
        else:
            wanted = keras.ops.conv(wanted, middle, padding="same")
        wanted = np.array(keras.ops.conv(np.maximum(wanted, 0), project))
        wanted[..., :3] += x
    np.testing.assert_allclose(layer("ReLU"), wanted.reshape(-1, 5).T, atol=1e-6)


def test_batch_statistics_normalise():
    choices = design.RankChoices(channels=(4, 8), inputs="normal", norm="batch")
    features = RandomLayer("conv1x1", 3, 5, choices, np.random.default_rng(0))("Linear")
    np.testing.assert_allclose(features.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(features.std(1), 1, atol=1e-3)


def test_the_study_draws_the_curves_beside_the_published_ones(tmp_path):
    command = ["rank-study", "--output", str(tmp_path), "--layer", "conv1x1", "--networks", "2"]
    command += ["--channels", "20", "40", "--samples", "64"]
    result = CliRunner().invoke(app, [*command, "--json"])
    study = json.loads(result.stdout)
    assert study == json.loads((tmp_path / "ranks.json").read_text())
    curves = {(row["nonlinearity"], row["ratio"]): row for row in study["curves"]}
    assert len(curves) == len(NONLINEARITIES) * 10
    for (name, ratio), row in curves.items():
        if name == "Linear":
            # d_in is rounded to whole channels.
            assert row["rank"] == pytest.approx(ratio, abs=0.5 / 20)
        elif ratio < 0.7:
            assert row["rank"] > curves["Linear", ratio]["rank"]
    assert curves["SiLU", 0.1]["published"] == 0.948 and curves["SiLU", 0.6]["published"] is None
    with (tmp_path / "ranks.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(curves)
    assert (tmp_path / "ranks.png").read_bytes().startswith(b"\x89PNG")
    again = design.rank_study(
        tmp_path, ["conv1x1"], networks=2, choices=design.RankChoices(channels=(20, 40), samples=64)
    )
    assert again["curves"] == study["curves"]


REFUSALS = {
    "layer": (["--layer", "conv5x5"], "`layers` must be among conv1x1"),
    "nonlinearity": (["--nonlinearity", "GELU"], "`nonlinearities` must be among Linear"),
    "inputs": (["--inputs", "ones"], "`inputs` must be one of uniform, normal"),
    "channels": (["--channels", "20", "10"], "`channels` must be two numbers, the smaller one first"),
    "samples": (["--samples", "99"], "at least as many input vectors as channels, 100"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_the_study_refuses(name, tmp_path):
    arguments, message = REFUSALS[name]
    result = CliRunner().invoke(app, ["rank-study", "--output", str(tmp_path), *arguments])
    assert isinstance(result.exception, UserError) and message in str(result.exception)


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    first, second = random.integers(5, size=(2, 30))
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0
