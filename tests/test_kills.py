"""Whole commands, ended at random moments and begun again: they come to the same bits."""

import os
import signal

import pytest

from keras_lightnets.data.digit_scenes import write_digit_scenes
from tests.killing import assert_same, end_at_random, result
from tests.photos import TINY, save_model, small_network

pytestmark = pytest.mark.slow


def _train(photos, output, begun):
    settings = ("ema=0.9", "randaugment=5.0", "mixup=0.2", "checkpoint_steps=1", "epochs=8")
    pairs = [part for setting in settings for part in ("--set", setting)]
    return ["train", *TINY, *pairs, "--data", str(photos), "--output", str(output)]


def _finetune(photos, output, begun):
    network = ("--model", "MobileNet-alpha=0.25", "--size", "32", "--epochs", "8", "--batch-size", "16")
    return ["finetune", *network, "--data", str(photos), "--output", str(output), *["--resume"] * begun]


def _annotated(task):
    def arguments(photos, output, begun):
        scenes = output.with_name("scenes")
        if not scenes.exists():
            write_digit_scenes(scenes, {"train": 40, "test": 8})
        network = ("--task", task, "--model", "MobileNet-alpha=0.25", "--size", "32", "--head-width", "0.1")
        length = ("--epochs", "6", "--batch-size", "16")
        data = ("--data", str(scenes / "one"), "--output", str(output))
        return ["finetune", *network, *length, *data, *["--resume"] * begun]

    return arguments


def _optimize(photos, output, begun):
    model = output.with_name("model.keras")
    if not model.exists():
        save_model(small_network(), model)
    files = ("--model", str(model), "--data", str(photos), "--output", str(output))
    return ["optimize", *files, "--method", "qat", "--epochs", "2", "--steps", "4", "--batch-size", "12"]


def _channel_search(photos, output, begun):
    limits = ("--blocks", "2", "--downsample", "1", "--max-params", "9000", "--max-madds", "200000", "--spend", "0.6")
    network = ("--features", "32", "--stem", "8", "--size", "8", "--images", "48", "--batch-size", "16")
    search = ("--method", "evolution", "--candidates", "4", "--population", "2", "--epochs", "2", "--seeds", "2")
    return ["channel-search", "--data", str(photos), "--output", str(output), *limits, *network, *search]


COMMANDS = {"train": (_train, 50), "finetune": (_finetune, 50), "optimize": (_optimize, 10)}
COMMANDS["channel-search"] = (_channel_search, 10)
COMMANDS |= {task: (_annotated(task), 5) for task in ("detect", "segment")}


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_moments(name, photos, tmp_path):
    """KILLS in the environment is how often each command is killed, SEED decides when."""
    arguments, times = COMMANDS[name]
    times, seed = int(os.environ.get("KILLS", times)), int(os.environ.get("SEED", 0))
    output, expected = tmp_path / "out", None
    for _ in end_at_random(lambda begun: arguments(photos, output, begun), output, times, seed):
        found = result(output)
        assert_same(expected or found, found)
        expected = expected or found


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", COMMANDS)
def test_ended_politely_at_random_moments(name, number, photos, tmp_path):
    output, expected, arguments = tmp_path / "out", None, COMMANDS[name][0]
    for _ in end_at_random(lambda begun: arguments(photos, output, begun), output, 4, 1, number):
        found = result(output)
        assert_same(expected or found, found)
        expected = expected or found
