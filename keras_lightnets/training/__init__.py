"""Training: from images to a classifier and its exports, on one device or many."""

import importlib
from typing import TYPE_CHECKING

from keras_lightnets.training.config import Config as Config
from keras_lightnets.training.config import load_recipe as load_recipe
from keras_lightnets.training.config import recipes as recipes
from keras_lightnets.training.options import Options as Options

if TYPE_CHECKING:
    from keras_lightnets.training.finetuning import finetune as finetune
    from keras_lightnets.training.training import train as train

# Imported at first use: these need TensorFlow, and the settings of a run do not. The last is on a floor above.
_HOMES = {
    "finetune": "keras_lightnets.training.finetuning",
    "train": "keras_lightnets.training.training",
    "release": "keras_lightnets.release.releasing",
}


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOMES])
