"""What the training loop and the output folder ask about a task: classifying, detecting or segmenting."""

import abc
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_lightnets.data.pipeline import evaluation_steps, steps_per_epoch
from keras_lightnets.data.source import Data
from keras_lightnets.training.config import Config
from keras_lightnets.training.delivery import deliver


class Task(abc.ABC):
    """The batches, the loss, the figures and the files of a run.

    Args:
        config: `Config`.
        data: `Data`.
        build: function from a `Config` and a number of classes to the network.

    Attributes:
        config: as given.
        data: as given.
        steps: int, batches per epoch.
        validation_steps: int, batches that hold every validation image once.
        held_out: bool, whether the validation images are others than the test images.
    """

    def __init__(self, config: Config, data: Data, build: Callable[..., keras.Model]):
        self.config, self.data, self._build = config, data, build
        self.steps = steps_per_epoch(data.splits["train"], config)
        self.held_out = data.splits["validation"] is not data.splits["test"]
        self.validation_steps = evaluation_steps(data.splits["validation"], config.batch_size)

    @abc.abstractmethod
    def training_batches(self, first_step: int, **shard: int) -> tf.data.Dataset:
        """Returns the training batches from a step on, without end."""

    @abc.abstractmethod
    def validation_batches(self, **shard: int) -> tf.data.Dataset:
        """Returns the validation batches, again and again."""

    @abc.abstractmethod
    def objective(self) -> dict:
        """Returns the loss and the metrics, as arguments of `keras.Model.compile`."""

    @abc.abstractmethod
    def figures(self, logs: dict) -> dict:
        """Returns the figures of an epoch for its history, a dict of float, from the logs of Keras."""

    @abc.abstractmethod
    def line(self, figures: dict) -> str:
        """Returns the figures of an epoch as text for the terminal."""

    @abc.abstractmethod
    def rank(self, epoch: dict) -> tuple:
        """Returns what the best epoch of a history has most of."""

    def check(self) -> None:
        """Raises a UserError that names the first image that cannot be read."""
        for source in self.data.splits.values():
            source.check()

    @abc.abstractmethod
    def finished_model(self) -> keras.Model:
        """Returns the network as users get it, its weights not loaded yet."""

    def deliver(self, model: keras.Model, about: dict, step: Callable[[str], Any]) -> dict:
        """Writes the output folder, and returns its report."""
        return deliver(self, model, about, step)
