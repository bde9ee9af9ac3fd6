"""One run: its parts, and its way from the first step to the finished output folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lightnets.training.checkpoint import Checkpoint
from keras_lightnets.training.config import Config
from keras_lightnets.training.distribution import Distribution
from keras_lightnets.training.logs import write_logs
from keras_lightnets.training.loop import run_phases
from keras_lightnets.training.progress import Progress
from keras_lightnets.training.task import Task


class Phase(NamedTuple):
    """Some epochs under one schedule: name, number of epochs, peak learning rate, and what marks the trained layers."""

    name: str
    epochs: int
    rate: float
    prepare: Callable = lambda model: None


@dataclass(frozen=True)
class Run:
    """The parts of a run.

    Attributes:
        config: `Config`.
        task: what is learned. It gives the batches, the loss and the figures.
        model: the network, built in the scope of the strategy. Its outputs are what the loss of the task takes.
        phases: list of `Phase`.
        distribution: `Distribution`.
        checkpoint: `Checkpoint`.
        progress: `Progress`.
    """

    config: Config
    task: Task
    model: keras.Model
    phases: list
    distribution: Distribution
    checkpoint: Checkpoint
    progress: Progress

    @property
    def best(self):
        """The epoch of the history that ranks highest, the first among equals."""
        return max(self.checkpoint.history, key=self.task.rank)

    @property
    def kept(self):
        """The epoch whose weights are kept: the best, or the last if no images are held out to choose by."""
        return self.best if self.task.held_out else self.checkpoint.history[-1]

    @property
    def out_of_patience(self):
        """Whether the last `patience` epochs brought nothing better."""
        history, patience = self.checkpoint.history, self.config.patience
        return bool(patience and history) and len(history) - self.best["epoch"] >= patience


def complete(run, about):
    """Trains what is left of a run, and writes its output folder.

    Args:
        run: a `Run`, its checkpoint opened.
        about: dict of JSON values that join the report.

    Returns:
        The report, a dict. None on workers other than the chief.

    Raises:
        UserError: as in `run_phases`, or if an export says something else than the network.
    """
    run_phases(run)
    if not run.distribution.chief:
        return None
    # A run that was killed after its last epoch has not done that.
    write_logs(run.checkpoint.history, Path(run.config.output))
    model = run.task.finished_model()
    run.checkpoint.load_kept(model)
    history = run.checkpoint.history
    about = {
        "options": run.checkpoint.settings,
        "fingerprint": run.checkpoint.fingerprint,
        **about,
        "history": history,
        "best_epoch": run.kept["epoch"],
    }
    report = run.task.deliver(model, about, run.progress.step)
    run.checkpoint.remove()
    run.progress.result(report, run.config.output)
    return report
