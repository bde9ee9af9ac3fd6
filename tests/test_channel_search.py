"""The channel search: its networks, their costs, the space, the ranking, and kills."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import keras_lightnets
from keras_lightnets import design
from keras_lightnets.cli.main import app
from keras_lightnets.design import trials, worker
from keras_lightnets.design.piecewise import Limits, Shape, Space
from keras_lightnets.design.search_report import report
from keras_lightnets.errors import UserError

ROOT = Path(__file__).parents[1]
with (ROOT / "docs" / "design" / "table3.csv").open(newline="") as file:
    TABLE3 = list(csv.DictReader(file))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of different brightness, 40 images each."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number, name in enumerate(("dark", "light")):
        for part, count in (("train", 40), ("test", 1)):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 120, (8, 8, 3)) + 100 * number
                Image.fromarray(pixels.astype("uint8")).save(folder / part / name / f"{i:02d}.png")
    return folder


# Networks and costs


def test_a_network_counted_by_hand():
    cost = design.bottleneck_net_cost([4, 6], [2], expansion=2, stem=4, features=10, input_shape=(8, 8, 3), classes=3)
    madds = 64 * (27 * 4) + 64 * (4 * 8 + 9 * 8 + 8 * 4) + 64 * 4 * 8 + 16 * (9 * 8 + 8 * 6) + 16 * 6 * 10 + 30
    weights = 27 * 4 + (4 * 8 + 9 * 8 + 8 * 4) + (4 * 8 + 9 * 8 + 8 * 6) + 6 * 10 + 33
    norms = 2 * (4 + 8 + 8 + 4 + 8 + 8 + 6 + 10)
    assert cost == (madds, weights + norms)


@pytest.mark.parametrize(
    "arguments",
    [
        {"channels": [34, 34, 45]},
        {"channels": [9, 8, 20], "expansion": 3, "stem": 8, "features": 40, "input_shape": (15, 15, 3), "classes": 4},
    ],
    ids=("like the paper's", "odd sizes"),
)
def test_the_cost_is_that_of_the_model(arguments):
    arguments["downsample"] = [1, 3]
    cost, counted = (
        design.bottleneck_net_cost(**arguments),
        keras_lightnets.complexity(design.BottleneckNet(**arguments)),
    )
    assert (cost.params, cost.madds) == (counted.params, counted.madds)


def test_equal_channels_have_a_shortcut_and_the_first_nonlinearity_is_free():
    model = design.BottleneckNet([16, 16, 20], [3], activation="silu", input_shape=(8, 8, 3))
    kinds = {layer.name: layer for layer in model.layers}
    assert {name for name in kinds if name.endswith("_add")} == {"block1_add", "block2_add"}
    silu = {name for name, layer in kinds.items() if getattr(layer, "activation", None) is keras.activations.silu}
    assert silu == {"block1_expand_act", "block2_expand_act", "block3_expand_act"}
    assert kinds["block3_depthwise_bn"].output.shape == (None, 4, 4, 96)


@pytest.mark.parametrize("row", TABLE3, ids=lambda row: f"{row['space']}, {row['group']}")
def test_the_cost_model_gives_table_3(row):
    cost = design.bottleneck_net_cost([int(width) for width in row["channels"].split("-")])
    assert round(cost.params / 1e6, 1) == float(row["params_millions"])
    # The table has the mean of a group, and the blocks that stride are not published.
    assert cost.madds / 1e6 == pytest.approx(float(row["madds_millions"]), rel=0.08)


NET_REFUSALS = {
    "no channels": ({"channels": []}, "`channels` must be positive integers"),
    "fraction": ({"channels": [8, 8.5]}, "`channels` must be positive integers"),
    "downsample": ({"channels": [8, 8]}, "Say which of the 2 blocks halve the image"),
    "block": ({"channels": [8, 8], "downsample": [3]}, "`downsample` names block 3; the blocks are numbered 1 to 2"),
    "activation": ({"channels": [8] * 5, "activation": "swoosh"}, "`activation` must be one of Keras"),
}


@pytest.mark.parametrize("name", NET_REFUSALS)
def test_networks_refuse(name):
    arguments, message = NET_REFUSALS[name]
    for function in (design.BottleneckNet, design.bottleneck_net_cost):
        with pytest.raises(UserError, match=message):
            function(**arguments)


# The space


@pytest.mark.parametrize(
    ("rises", "heights"),
    [
        ((None, None, None, 1.0), [0, 0.25, 0.5, 0.75, 1]),
        ((0.0, None, 1.0, 0.0), [0, 0, 0.5, 1, 1]),
        ((1.0, 0.0, 0.0, 3.0), [0, 0.25, 0.25, 0.25, 1]),
        ((0.0, 0.0, 0.0, 0.0), [0, 0, 0, 0, 0]),
    ],
    ids=("line", "steps", "late jump", "flat"),
)
def test_shapes_are_piecewise_linear(rises, heights):
    np.testing.assert_allclose(Shape(rises, 8).heights(), heights)


def test_candidates_are_as_wide_as_the_limits_allow():
    limits = Limits(200_000, 33_000_000)
    space = Space(5, limits)
    found = space.sample(60, np.random.default_rng(0))
    assert len(found) == 60
    for channels, shape in found.items():
        cost = space.cost(channels)
        assert all(
            0.9 * limit <= value <= limit for limit, value in zip(limits, (cost.params, cost.madds), strict=False)
        )
        assert list(channels) == sorted(channels)
        wider = space.cost([width + 1 for width in channels])
        assert wider.params > limits.params or wider.madds > limits.madds
        assert space.channels(shape) == channels
    flat = [channels for channels in found if len(set(channels[:4])) == 1]
    lines = [channels for channels in found if np.ptp(np.diff(channels)) <= 2]
    assert flat and lines
    assert list(space.sample(20, np.random.default_rng(0))) == list(found)[:20]
    varied = space.sample(10, np.random.default_rng(1), list(found.values())[:1], found)
    assert not set(varied) & set(found)


SPACE_REFUSALS = {
    "parameters": (Limits(10_000, 1e9), "meets the limit of 10,000 parameters: with 8 channels throughout it has 30,1"),
    "multiply-adds": (Limits(1e6, 100_000), "meets the limit of 100,000 multiply-adds"),
    "limits apart": (Limits(200_000, 3e8), "Only 0 of 3 networks of 5 blocks .* Straight lines within .* have 19"),
}


@pytest.mark.parametrize("name", SPACE_REFUSALS)
def test_limits_that_no_network_meets_are_named(name):
    limits, message = SPACE_REFUSALS[name]
    with pytest.raises(UserError, match=message):
        Space(5, limits).sample(3, np.random.default_rng(0))


# The ranking


def test_the_report_ranks_and_groups(tmp_path):
    straight = [(10 + i, 20 + i, 30 + i) for i in range(15)]
    bent = [(10 + i, 10 + i, 40 + i) for i in range(15)]
    results = {
        channels: {"accuracy": [0.5 + 0.001 * i + 0.1 * (channels in straight), 0.5], "nuclear_norm": [i, i]}
        for i, channels in enumerate(straight + bent)
    }
    costs = {channels: design.bottleneck_net_cost(channels, [2]) for channels in results}
    found = report(tmp_path, {"size": 16}, results, costs, {"downsample": [2]})
    assert found["candidates"][0]["channels"] == straight[-1]
    assert [row["accuracy"] for row in found["candidates"]] == sorted(
        (row["accuracy"] for row in found["candidates"]), reverse=True
    )
    assert {name: group["networks"] for name, group in found["groups"].items()} == dict.fromkeys(
        ("top", "middle", "bottom"), 3
    )
    assert found["groups"]["top"]["bend"] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found["groups"]["bottom"]["channels"], [11, 11, 41])
    assert found["correlations"]["bend"] < -0.8
    best = eval(found["best"], {"keras_lightnets": keras_lightnets})
    assert best.input_shape == (None, 16, 16, 3) and "block3_project" in {layer.name for layer in best.layers}
    assert (tmp_path / "groups.md").read_text().count("\n") == 5
    assert len((tmp_path / "candidates.csv").read_text().splitlines()) == 31
    assert (tmp_path / "channels.png").read_bytes().startswith(b"\x89PNG")


# Training


def test_a_training_repeats_itself_seed_by_seed(photos, tmp_path):
    training = design.Training(size=8, images=64, epochs=2, batch_size=32, seeds=2)
    images = tmp_path / "images.npz"
    np.savez(images, **trials._load(str(photos), training))
    network = {"channels": [8], "downsample": [1], "features": 16, "input_shape": (8, 8, 3), "classes": 2}
    worker.train(network, training, images, tmp_path / "at once.json")
    worker.train(network, training._replace(seeds=1), images, tmp_path / "in parts.json")
    worker.train(network, training, images, tmp_path / "in parts.json")
    at_once, in_parts = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("at once", "in parts"))
    assert len(at_once["accuracy"]) == 2 and at_once["nuclear_norm"][0] != at_once["nuclear_norm"][1]
    np.testing.assert_allclose(in_parts["accuracy"], at_once["accuracy"])
    np.testing.assert_allclose(in_parts["nuclear_norm"], at_once["nuclear_norm"], rtol=1e-4)


def test_augmented_images_are_shifted_and_mirrored():
    pixels = np.random.default_rng(0).integers(1, 256, (50, 16, 16, 1)).astype("uint8")
    augmented = worker._augmented(pixels, np.random.default_rng(1))
    padded = np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0)))
    seen = set()
    for image, canvas in zip(augmented, padded, strict=True):
        places = [
            (top, left, flip)
            for top in range(5)
            for left in range(5)
            for flip in (1, -1)
            if (canvas[top : top + 16, left : left + 16][:, ::flip] == image).all()
        ]
        assert len(places) == 1
        seen |= set(places)
    assert len(seen) > 20


def search_command(photos, output, *more):
    command = ["channel-search", "--data", str(photos), "--output", str(output), "--blocks", "2", "--downsample", "1"]
    command += ["--max-params", "9000", "--max-madds", "200000", "--features", "32", "--size", "8", "--images", "64"]
    command += ["--stem", "8", "--spend", "0.6", "--batch-size", "32", "--workers", "2"]
    return [*command, *more]


SEARCH_REFUSALS = {
    "method": (["--method", "grid"], "`method` must be one of random, evolution"),
    "limits": (["--max-params", "100"], "No network of 2 blocks meets the limit of 100 parameters"),
    "images": (["--images", "100"], "has 72 training images; 100 are needed"),
    "rate": (["--learning-rate", "0"], "`learning_rate` must be positive"),
}


@pytest.mark.parametrize("name", SEARCH_REFUSALS)
def test_the_search_refuses_and_writes_nothing(name, photos, tmp_path):
    arguments, message = SEARCH_REFUSALS[name]
    result = CliRunner().invoke(app, search_command(photos, tmp_path / "out", *arguments))
    assert isinstance(result.exception, UserError) and message in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_killed_search_ends_with_the_same_ranking(photos, tmp_path):
    def command(output):
        more = ("--method", "evolution", "--candidates", "6", "--population", "3", "--epochs", "2", "--seeds", "2")
        return [sys.executable, "-m", "keras_lightnets.cli.main", *search_command(photos, output, *more)]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(output, *more):
        return subprocess.run(
            [*command(output), *more], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    assert run(tmp_path / "whole").stderr == ""
    killed = subprocess.Popen(command(tmp_path / "killed"), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "killed").glob("trials/*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert children and not (tmp_path / "killed" / "search.json").exists()
    # Its processes end with it.
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert "holds results with seeds=2, not 1: continue" in run(tmp_path / "killed", "--seeds", "1").stderr
    assert run(tmp_path / "killed").stderr == ""
    whole, resumed = (json.loads((tmp_path / name / "search.json").read_text()) for name in ("whole", "killed"))
    assert len(whole["candidates"]) == 6 and resumed == whole


@pytest.mark.slow
def test_the_factor_analysis_trains_its_four_networks(photos, tmp_path):
    training = design.Training(size=8, images=64, epochs=1, batch_size=32, seeds=2)
    found = design.factor_analysis(tmp_path, str(photos), 300_000, training, features=32, workers=2)
    assert [row["name"] for row in found["rows"]] == ["baseline", "expansion", "ratio", "nonlinearity"]
    assert all(row["madds"] <= 300_000 and row["accuracy_std"] >= 0 for row in found["rows"])
    assert found["rows"][2]["channels"] == found["rows"][3]["channels"]
    assert (tmp_path / "factors.md").read_text().count("\n") == 6


def test_factors_refuse_a_limit_below_the_narrowest(photos, tmp_path):
    with pytest.raises(UserError, match="'baseline' has .* multiply-adds with a stem of 2 channels already"):
        design.factor_analysis(tmp_path, str(photos), 1000, design.Training(size=8, images=64, batch_size=32))
