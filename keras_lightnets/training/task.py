"""What the training loop and the output folder ask about a task: classifying, detecting or segmenting."""

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf


class Task(Protocol):
    """The batches, the loss, the figures and the files of a run.

    Attributes:
        steps: batches per epoch.
        validation_steps: batches that hold every validation image once.
        held_out: whether the validation images are others than the test images.
    """

    steps: int
    validation_steps: int
    held_out: bool

    def training_batches(self, first_step: int, **shard: int) -> tf.data.Dataset:
        """Returns the training batches from a step on, without end."""

    def validation_batches(self, **shard: int) -> tf.data.Dataset:
        """Returns the validation batches, again and again."""

    def objective(self) -> dict:
        """Returns the loss and the metrics, as arguments of `keras.Model.compile`."""

    def figures(self, logs: dict) -> dict:
        """Returns the figures of an epoch for its history, a dict of float, from the logs of Keras."""

    def line(self, figures: dict) -> str:
        """Returns the figures of an epoch as text for the terminal."""

    def rank(self, epoch: dict) -> tuple:
        """Returns what the best epoch of a history has most of."""

    def check(self) -> None:
        """Raises a UserError that names the first image that cannot be read."""

    def finished_model(self) -> keras.Model:
        """Returns the network as users get it, its weights not loaded yet."""

    def deliver(self, model: keras.Model, about: dict, step: Callable[[str], Any]) -> dict:
        """Writes the output folder, and returns its report."""
