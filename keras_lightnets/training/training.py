"""Training by a recipe, on one device or many, from the data to verified exports."""

import contextlib
import importlib
import os

from rich.console import Console

from keras_lightnets.errors import UserError
from keras_lightnets.training import models
from keras_lightnets.training.checkpoint import Checkpoint
from keras_lightnets.training.config import Config
from keras_lightnets.training.distribution import distribute
from keras_lightnets.training.progress import Progress
from keras_lightnets.training.report import check_same_data, finished_report, read_report
from keras_lightnets.training.run import Phase, Run, complete
from keras_lightnets.training.tasks import TASKS


def train(
    config: Config,
    console: Console | None = None,
    release: str | os.PathLike | None = None,
    optimized: str | os.PathLike | None = None,
) -> dict | None:
    """Trains a network, exports it, and verifies every exported file on the test images.

    A run that was interrupted continues when it is started again with the same configuration. On one CPU worker, it
    ends with the same weights, bit for bit, as without the interruption. On several workers, every process calls this
    with the same configuration and an output folder that all of them see. Worker 0 alone writes to it.

    Args:
        config: `Config`, such as `load_recipe("cifar10", data="photos", output="out")`.
        console: `rich.console.Console` to show the progress on. Defaults to None: silence.
        release: str or Path of a folder of released models to add the finished one to. Defaults to None.
        optimized: str or Path of a folder of `optimize --method qat`, whose int8 file is released in place of the
            run's own. Defaults to None.

    Returns:
        The report, a dict, as written to `report.json` in the output folder. None on workers other than the chief.

    Raises:
        UserError: for bad settings or data, before anything is written. For a loss that is not finite, a worker that
            does not come up or is lost, and a file that cannot be written.

    Example:

    >>> from keras_lightnets.training import load_recipe, train
    >>> report = train(load_recipe("cifar10", data="tfds:cifar10", output="out"))
    >>> report["test"]["top1"]
    """
    if not config.data or not config.output:
        raise UserError(
            f"`{'output' if config.data else 'data'}` is missing: where to read the images, where to write."
        )
    if optimized is not None and release is None:
        raise UserError("`optimized` is for `release`: name the folder of released models too.")
    if release is not None:
        # Its home is a floor above, and it trains by this function.
        releasing = importlib.import_module("keras_lightnets.release.releasing")
        return releasing.train_and_release(config, release, console, optimized)
    if finished_report(config.output, config.settings):
        report = read_report(config.output)
        check_same_data(report, TASKS[config.task].open(config).identity, config.output)
        Progress(console).result(report, config.output)
        return report
    distribution = distribute(config.strategy, config.worker_timeout)
    distribution.check_batch(config.batch_size)
    progress = Progress(console if distribution.chief else None)
    checkpoint = Checkpoint(config.output, config.settings, distribution.chief)
    if distribution.chief or checkpoint.begun:
        checkpoint.check(resume=checkpoint.begun)
    kind = TASKS[config.task]
    data = kind.open(config)
    task = kind.task(config, data, kind.build)
    model = models.start(config, kind.build, len(data.classes), distribution)
    phases = [Phase("train", config.epochs, config.peak_rate)]
    run = Run(config, task, model, phases, distribution, checkpoint, progress)
    about = {
        "strategy": {"name": distribution.name, "workers": distribution.workers, "replicas": distribution.replicas},
        "bad_images": [],
    }
    with contextlib.closing(checkpoint):
        checkpoint.open(data.identity)
        progress.plan(run, data)
        return complete(run, about)
