"""Runs that are killed, begun twice, or find their own files damaged."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from keras_lightnets.errors import UserError, interruptions
from keras_lightnets.files import locked, write_json
from keras_lightnets.quiet import quiet
from keras_lightnets.release.releasing import check_name
from keras_lightnets.training import load_recipe
from keras_lightnets.training.checkpoint import Checkpoint
from keras_lightnets.training.compare import read_runs
from keras_lightnets.training.report import finished_report, read_report

SETTINGS = {"model": "MicroNetM0", "seed": 3}
REPORT = {
    **dict.fromkeys(("keras_lightnets", "model", "history", "best_epoch", "classes", "images", "parameters", "test")),
    **{"options": SETTINGS, "compared_accuracy": 1.0, "exports": []},
}


class _Variable:
    """What a checkpoint needs of a variable of Keras."""

    def __init__(self, value):
        self.value = np.full(200, value)

    def assign(self, value):
        self.value = np.array(value)

    def __array__(self, dtype=None, copy=None):
        return self.value


def _model():
    groups = [[_Variable(float(i))] for i in range(3)]
    model = SimpleNamespace(variables=groups[0], metrics_variables=groups[2], weights=groups[0])
    model.optimizer = SimpleNamespace(variables=groups[1])
    model.set_weights = lambda values: [v.assign(value) for v, value in zip(model.weights, values, strict=True)]
    return model


def _train(output):
    """A run without TensorFlow, whose state decides its result; returns it."""
    if report := finished_report(output, SETTINGS):
        return report["result"]
    checkpoint, model = Checkpoint(output, SETTINGS), _model()
    checkpoint.check(resume=checkpoint.begun)
    with contextlib.closing(checkpoint):
        checkpoint.open(["a.png", "caf\udce9.png"])
        checkpoint.restore(model, "fine")
        for step in range(checkpoint.step, 4):
            for variable in (*model.variables, *model.optimizer.variables):
                variable.assign(1.5 * variable.value + step)
            if step % 2:
                checkpoint.history.append(step)
                checkpoint.keep(model)
            checkpoint.save(model, step + 1, "fine")
        checkpoint.load_kept(model)
        result = [checkpoint.history, float(model.weights[0].value[0])]
        write_json(output / "report.json", {**REPORT, "result": result})
        checkpoint.remove()
    return result


def _fork(function):
    """Runs a function in a child and returns the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            function()
            status = 0
        os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status)


def _train_until(output, count):
    """Trains, and is killed before the file operation of that number."""
    left = iter(range(count))

    def hook(event, arguments):
        ours = event == "open" and str(output) in str(arguments[0])
        if (ours or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir")) and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    _train(output)


@pytest.mark.slow
@pytest.mark.chosen
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_killed_before_any_file_operation_the_same_command_goes_on(tmp_path):
    expected = _train(tmp_path / "whole")
    killed = 0
    while _fork(functools.partial(_train_until, tmp_path / str(killed), killed)) == signal.SIGKILL:
        output = tmp_path / str(killed)
        # A second kill soon after the first.
        _fork(functools.partial(_train_until, output, 3))
        assert _train(output) == expected
        assert [path.name for path in output.iterdir()] == ["report.json"]
        killed += 1
    assert killed > 30


def test_a_folder_is_written_by_one_process(tmp_path):
    first, second = Checkpoint(tmp_path / "out", SETTINGS), Checkpoint(tmp_path / "out", {**SETTINGS, "seed": 4})
    for checkpoint in (first, second):
        checkpoint.check(checkpoint.begun)
    first.open(["a.png"])
    with pytest.raises(UserError, match=r"^Another process is writing to .*out/checkpoint. Wait for it to end, or"):
        second.open(["a.png"])
    first.close()
    with pytest.raises(UserError, match="out was begun with seed=3, not 4"):
        second.open(["a.png"])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_a_kill_releases_the_lock(tmp_path):
    def hold():
        with locked(tmp_path / "lock", "Wait."):
            os.kill(os.getpid(), signal.SIGKILL)

    assert _fork(hold) == signal.SIGKILL and (tmp_path / "lock").exists()
    with locked(tmp_path / "lock", "Wait."):
        pass
    assert not (tmp_path / "lock").exists()


def _flip(path):
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def _cut(path):
    path.write_bytes(path.read_bytes()[:900])


DAMAGE = {
    "empty run.json": ("run.json", lambda path: path.write_text("")),
    "binary run.json": ("run.json", lambda path: path.write_bytes(b"\xff\xfe\xff")),
    "a list": ("run.json", lambda path: path.write_text("[]")),
    "no settings": ("run.json", lambda path: path.write_text("{}")),
    "settings that are no dict": ("run.json", lambda path: path.write_text('{"settings": 3, "fingerprint": ""}')),
    "deep run.json": ("run.json", lambda path: path.write_text("[" * 100_000)),
    "empty last.npz": ("last.npz", lambda path: path.write_bytes(b"")),
    "a flipped bit of last.npz": ("last.npz", _flip),
    "last.npz cut": ("last.npz", _cut),
    "another last.npz": ("last.npz", lambda path: np.savez(path, a=np.ones(3))),
    "empty kept.npz": ("kept.npz", lambda path: path.write_bytes(b"")),
    "a flipped bit of kept.npz": ("kept.npz", _flip),
    "kept.npz cut": ("kept.npz", _cut),
    "missing kept.npz": ("kept.npz", lambda path: path.unlink()),
    "another kept.npz": ("kept.npz", lambda path: np.savez(path, **{"weights/1": np.ones(3)})),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_is_one_line(name, tmp_path):
    file, spoil = DAMAGE[name]
    checkpoint, model = Checkpoint(tmp_path, SETTINGS), _model()
    checkpoint.open(["a.png"])
    checkpoint.keep(model)
    checkpoint.save(model, 1, "fine")
    checkpoint.close()
    spoil(tmp_path / "checkpoint" / file)
    with pytest.raises(
        UserError, match=rf"^.*/{file} is damaged or cannot be read .*\. Remove .*checkpoint to"
    ) as caught:
        checkpoint = Checkpoint(tmp_path, SETTINGS)
        checkpoint.check(resume=True)
        with contextlib.closing(checkpoint):
            checkpoint.open(["a.png"])
            checkpoint.load_kept(model)
    assert "\n" not in str(caught.value)


TEXTS = {
    "cut": '{"options": ',
    "a list": "[]",
    "empty": "",
    "other keys": json.dumps({"options": SETTINGS, "model": 3}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_damaged_reports_and_manifests_are_one_line(name, tmp_path):
    for file in ("report.json", "manifest.json"):
        (tmp_path / file).write_text(TEXTS[name])
    config = load_recipe("cifar10", data="tfds:cifar10", output=str(tmp_path / "new"))
    for file, read in (
        ("report", lambda: finished_report(tmp_path, SETTINGS) and read_report(tmp_path)),
        ("report", lambda: read_runs([tmp_path, tmp_path])),
        ("manifest", lambda: check_name(config, tmp_path)),
    ):
        with pytest.raises(UserError, match=rf"^.*/{file}.json is damaged or cannot be read \(.*\)\. \w+") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_an_interrupted_command_does_not_wait_for_its_batches():
    code = """
import time
import tensorflow as tf
from keras_lightnets.cli import main as command

def slow(number):
    time.sleep(0.2)
    return number

def app(arguments, standalone_mode):
    numbers = tf.data.Dataset.range(10**6).map(lambda x: tf.numpy_function(slow, [x], tf.int64), 4).batch(4).prefetch(4)
    # It lives until the process ends.
    command.batches = iter(numbers)
    next(command.batches)
    raise KeyboardInterrupt

command.app = app
command.main()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 1 and result.stderr.endswith("error: interrupted\n")


@pytest.mark.parametrize("scope", [interruptions, quiet])
def test_an_interruption_that_a_library_took_for_an_error_is_one(scope):
    """As pybind11 says it, and as Python does where an interruption comes between."""
    with pytest.raises(KeyboardInterrupt), scope():
        raise RuntimeError("ORIGINAL InvalidArgumentError REPLACED BY KeyboardInterrupt: <EMPTY MESSAGE>")
    with pytest.raises(KeyboardInterrupt), scope():
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()


def test_an_interruption_waits_for_the_end_of_c_code():
    # Another handler may be there, where the tests run side by side.
    before, done = signal.signal(signal.SIGINT, signal.default_int_handler), []
    try:
        with pytest.raises(KeyboardInterrupt), quiet(), quiet():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("first")
        assert done == ["first"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with pytest.raises(KeyboardInterrupt), quiet():
            for count in range(5):
                os.kill(os.getpid(), signal.SIGINT)
                done.append(count)
        assert done == ["first", 0]
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_is_said_of_an_interruption_stays():
    with pytest.raises(UserError, match="start again"), interruptions():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise UserError("Interrupted: start again.") from None
