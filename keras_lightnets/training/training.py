"""Training by a recipe, on one device or many, from the data to verified exports."""

import dataclasses
import json
from pathlib import Path

import keras
import rich.console

from keras_lightnets.data.opening import open_data
from keras_lightnets.data.pipeline import steps_per_epoch
from keras_lightnets.errors import UserError
from keras_lightnets.release.releasing import check_name, released_path
from keras_lightnets.release.releasing import release as release_run
from keras_lightnets.training import models
from keras_lightnets.training.checkpoint import Checkpoint, best_epoch
from keras_lightnets.training.delivery import deliver
from keras_lightnets.training.distribution import distribute
from keras_lightnets.training.loop import Phase, run_phases
from keras_lightnets.training.progress import Progress

# What may differ between the parts of a run that was interrupted.
_ELSEWHERE = ("data", "output", "strategy", "worker_timeout", "checkpoint_steps", "about")


def train(config, console=None, release=None):
    """Trains a network, exports it, and verifies every exported file on the test images.

    A run that was interrupted, at any moment, goes on when it is started again with the same configuration; on one CPU
    worker it ends with the same weights, bit for bit, as one that was not. On several workers every process calls this
    with the same configuration, and the output folder is one that all of them see; worker 0 alone writes to it.

    Args:
        config: `Config`, such as `load_recipe("cifar10", data="photos", output="out")`.
        console: `rich.console.Console` to show the progress on. Defaults to None: silence.
        release: str or Path of a folder of released models to add the finished one to. Defaults to None.

    Returns:
        The report, a dict, as written to `report.json` in the output folder; None on workers other than the chief.

    Raises:
        UserError: for bad settings or data before anything is written; for a loss that is not finite; for a worker
            that does not come up or is lost; for a file that cannot be written.

    Example:

    >>> from keras_lightnets.training import load_recipe, train
    >>> report = train(load_recipe("cifar10", data="tfds:cifar10", output="out"))
    >>> report["test"]["top1"]
    """
    if not config.data or not config.output:
        raise UserError(
            f"`{'output' if config.data else 'data'}` is missing: where to read the images, where to write."
        )
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in _ELSEWHERE}
    if finished := _finished(config, settings):
        Progress(console or rich.console.Console(quiet=True)).result(finished, config.output)
        if release is not None and not released_path(config.output, release).exists():
            release_run(config.output, release, config.data)
        return finished
    if release is not None:
        check_name(config, release)
    distribution = distribute(config.strategy, config.worker_timeout)
    distribution.check_batch(config.batch_size)
    progress = Progress(console if console and distribution.chief else rich.console.Console(quiet=True))
    checkpoint = Checkpoint(config.output, settings, distribution.chief)
    if distribution.chief or checkpoint.begun:
        checkpoint.check(resume=checkpoint.begun)
    data = open_data(config.data, config.seed, config.holdout, config.shuffle_buffer)
    steps = steps_per_epoch(data.splits["train"], config)
    keras.utils.set_random_seed(config.seed)
    with distribution.strategy.scope(), models.precision(config):
        model = models.build(config, len(data.classes), None, config.weights)
    models.set_batch_norm(model, config)
    checkpoint.open(data.identity)
    progress.plan(config, data, distribution, steps, checkpoint.step)
    run_phases(
        model, [Phase("train", config.epochs, config.peak_rate)], data, config, distribution, checkpoint, progress
    )
    if not distribution.chief:
        return None
    model = models.build(config, len(data.classes))
    checkpoint.load_kept(model)
    history = checkpoint.history
    about = {
        "options": settings,
        "strategy": {"name": distribution.name, "workers": distribution.workers, "replicas": distribution.replicas},
        "bad_images": [],
        "history": history,
        "best_epoch": (best_epoch(history) if config.holdout else history[-1])["epoch"],
    }
    report = deliver(model, config, data, about, progress.step)
    checkpoint.remove()
    progress.result(report, config.output)
    if release is not None:
        release_run(config.output, release, config.data)
    return report


def _finished(config, settings):
    """Returns the report of a run of the same settings that has ended, or None."""
    path = Path(config.output) / "report.json"
    if not path.exists() or (path.parent / "checkpoint").exists():
        return None
    report = json.loads(path.read_text())
    return report if report.get("options") == json.loads(json.dumps(settings)) else None
