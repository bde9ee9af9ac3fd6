"""The tasks that a network is trained for, by name."""

from collections.abc import Callable
from typing import NamedTuple

from keras_lightnets.data.annotations import open_annotated
from keras_lightnets.data.opening import open_data
from keras_lightnets.training import models
from keras_lightnets.training.classification import Classification
from keras_lightnets.training.detection import Detection
from keras_lightnets.training.segmentation import Segmentation


class Kind(NamedTuple):
    """What belongs to the name of a task.

    Attributes:
        task: class with the methods of `Task`, made of a `Config`, a `Data` and `build`.
        open: function from a `Config` to its `Data`.
        build: function from a `Config`, a number of classes and the weights of the backbone to the network.
    """

    task: Callable
    open: Callable
    build: Callable


def _classes(config):
    return open_data(config.data, config.seed, config.holdout, config.shuffle_buffer)


def _annotated(config):
    return open_annotated(config.data, config.task, config.seed, config.holdout, config.shuffle_buffer)


TASKS = {
    "classify": Kind(Classification, _classes, models.build),
    "detect": Kind(Detection, _annotated, models.build_detector),
    "segment": Kind(Segmentation, _annotated, models.build_segmenter),
}
