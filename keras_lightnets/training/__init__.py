"""Training: from images to a classifier and its exports, on one device or many."""

import importlib

from keras_lightnets.training.config import Config as Config
from keras_lightnets.training.config import load_recipe as load_recipe
from keras_lightnets.training.config import recipes as recipes
from keras_lightnets.training.finetuning import finetune as finetune
from keras_lightnets.training.options import Options as Options
from keras_lightnets.training.training import train as train


def __getattr__(name):
    # Its home is above this floor; imported at first use.
    if name == "release":
        return importlib.import_module("keras_lightnets.release.releasing").release
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
