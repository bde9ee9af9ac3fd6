"""Settings, checkpoints and reports: how they are made and opened, and what must hold if they are not refused."""

import functools
import json
import os
import re
import tomllib

import numpy as np

from tests.fuzz.samples import checksums_hold, tiny_network
from tests.fuzz.target import Target, expect

# Settings.


def _recipes(folder):
    text = (
        'model = "MicroNetM0"\ndata = "photos"\nsize = 64\nepochs = 3\nbatch_size = 8\noptimizer = "adamw"\n'
        'learning_rate = 0.01\nschedule = "step"\nstep_epochs = 1.5\nflip = false\nema = 0.9\ncrop_area = 0.3\n'
        'holdout = 0.1\nstrategy = "none"\n\n[about]\nsource = "here"\ntop1 = 0.5\n'
    )
    return {"recipe.toml": text.encode()}


def _check_recipe(path):
    from keras_lightnets.training import load_recipe

    _check_config(load_recipe(str(path)), tomllib.loads(path.read_text("utf-8")))


def _check_config(config, values):
    config.record  # noqa: B018
    for name, value in values.items():
        found = getattr(config, name)
        if isinstance(value, str) and not isinstance(found, str):
            # Text is read as the type of the setting.
            value = tomllib.loads(f"x = {value}")["x"]
        expect(found == value, f"{name} is {found!r}, not {value!r}")
        expect(not isinstance(found, int | float) or np.isfinite(found), f"{name} is {found}")


def _set_values(folder):
    values = {"size": "64", "learning_rate": "0.01", "flip": "false", "model": "MicroNetM1", "optimizer": "sgd"}
    return {"set.json": json.dumps(values).encode()}


def _check_set(path):
    from keras_lightnets.training import load_recipe

    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        # A command line has nothing but text.
        return
    _check_config(load_recipe("cifar10", **values), values)


def _clusters(folder):
    workers = {"cluster": {"worker": ["127.0.0.1:40001", "127.0.0.1:40002"]}, "task": {"type": "worker", "index": 1}}
    slurm = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "gpu[1-2,07],rack3",
        "SLURM_STEP_TASKS_PER_NODE": "1(x4)",
        "SLURM_PROCID": "1",
        "SLURM_JOB_ID": "12345",
    }
    return {
        "TF_CONFIG.json": json.dumps({"TF_CONFIG": json.dumps(workers)}).encode(),
        "SLURM_.json": json.dumps(slurm).encode(),
    }


def _check_cluster(path):
    from keras_lightnets.training import distribution

    names = re.compile("TF_CONFIG|SLURM_")
    for name in [name for name in os.environ if names.match(name)]:
        del os.environ[name]
    try:
        values = json.loads(path.read_bytes())
        os.environ.update({name: value.replace("\x00", "") for name, value in values.items() if names.match(name)})
    except (ValueError, AttributeError, RecursionError):
        # Not what an environment can hold.
        return
    cluster = distribution._cluster()
    if cluster is not None:
        addresses, worker = cluster
        expect(0 <= worker < len(addresses), f"worker {worker} of {len(addresses)}")
        expect(all(re.fullmatch(r"[^\s:]+:\d+", address) for address in addresses), f"addresses {addresses}")


# Checkpoints.

_SETTINGS = {"model": "MicroNetM0", "seed": 3}


def _checkpoints(folder):
    from keras_lightnets.training.checkpoint import Checkpoint

    checkpoint = Checkpoint(folder / "run", _SETTINGS)
    checkpoint.open(["a.png"])
    network = _trained()
    checkpoint.history.append({"epoch": 1, "val_accuracy": 0.5, "val_loss": 1.0})
    checkpoint.save(network, 1, "fine")
    checkpoint.keep(network)
    checkpoint.close()
    names = ("run.json", "last.npz", "kept.npz")
    return {f"run/checkpoint/{name}": (folder / "run" / "checkpoint" / name).read_bytes() for name in names}


@functools.cache
def _trained():
    network = tiny_network()
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.train_on_batch(np.zeros((2, 16, 16, 3), "f4"), np.zeros(2))
    return network


def _check_checkpoint(path):
    from keras_lightnets.training.checkpoint import Checkpoint

    checkpoint = Checkpoint(path.parents[1], _SETTINGS)
    checkpoint.check(resume=True)
    try:
        checkpoint.open(["a.png"])
        for restore in (lambda network: checkpoint.restore(network, checkpoint.phase), checkpoint.load_kept):
            restore(_trained())
            expect(all(np.isfinite(array).all() for array in _trained().get_weights()), "a weight is not finite")
    finally:
        checkpoint.close()
    expect(isinstance(checkpoint.step, int) and checkpoint.step >= 0, f"step {checkpoint.step!r}")
    expect(all(isinstance(epoch, dict) for epoch in checkpoint.history), f"history {checkpoint.history!r}")
    if path.suffix == ".npz":
        expect(checksums_hold(path), "an archive with a wrong checksum was read")


def _reports(folder):
    from keras_lightnets.weights.records import shipped

    (folder / "done").mkdir()
    return {"done/report.json": (shipped.FOLDER / "MicroNetM0" / "report.json").read_bytes()}


def _check_report(path):
    from keras_lightnets.training.compare import _row, read_runs

    (report,) = read_runs([path.parent])
    row = _row(path.parent, report)
    for name in ("top1", "parameters", "madds", "latency_ms", "size_bytes"):
        expect(isinstance(row[name], int | float) and np.isfinite(row[name]), f"{name} is {row[name]!r}")


TARGETS = {
    "recipe": Target(_recipes, _check_recipe, named=False),
    "set": Target(_set_values, _check_set, named=False),
    "cluster": Target(_clusters, _check_cluster, named=False),
    "checkpoint": Target(_checkpoints, _check_checkpoint),
    "report": Target(_reports, _check_report),
}
