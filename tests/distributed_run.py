"""Trains a tiny network for 20 steps by a strategy: python -m tests.distributed_run STRATEGY OUTPUT [NAME=VALUE ...]

LOGICAL_CPUS in the environment splits the CPU. Every worker writes its weights to OUTPUT.worker<N>.npz.
"""

import contextlib
import os
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.data.source import Data, arrays
from keras_lightnets.training import models
from keras_lightnets.training.checkpoint import Checkpoint
from keras_lightnets.training.classification import Classification
from keras_lightnets.training.config import make_config
from keras_lightnets.training.distribution import WorkerLostError, distribute
from keras_lightnets.training.loop import run_phases
from keras_lightnets.training.progress import Progress
from keras_lightnets.training.run import Phase, Run

SETTINGS = {
    **{"model": "MobileNet-alpha=0.25", "size": 16, "batch_size": 32, "base_batch": 32, "epochs": 20},
    **{"learning_rate": 0.1, "weight_decay": 1e-3, "crop_area": 1.0, "eval_crop": 1.0, "flip": False},
    **{"sync_batch_norm": True, "holdout": 0.1, "clip_norm": 0.5, "ema": 0.5},
}


def data(images=32):
    """Returns noise of four classes, each of its own brightness."""
    random = np.random.default_rng(0)
    labels = np.arange(images) % 4
    pixels = random.integers(0, 100, (images, 16, 16, 3)) + 40 * labels[:, None, None, None]
    source = arrays(pixels.astype("uint8"), labels)
    return Data(tuple("abcd"), {"train": source, "validation": source, "test": source._replace()}, ["noise"])


def network():
    """Returns three layers with all that a strategy has to care for."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(image, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))


def run(strategy, output, **settings):
    """Trains, or goes on, and returns the network and the checkpoint."""
    config = make_config({**SETTINGS, **settings, "output": output, "strategy": strategy})
    distribution = distribute(config.strategy, config.worker_timeout)
    distribution.check_batch(config.batch_size)
    keras.utils.set_random_seed(0)
    with distribution.strategy.scope(), models.precision(config):
        model = network()
    models.set_batch_norm(model, config)
    checkpoint = Checkpoint(output, {}, distribution.chief)
    images = data(config.batch_size * config.steps_per_execution)
    task, phases = Classification(config, images, models.build), [Phase("train", config.epochs, config.peak_rate)]
    with contextlib.closing(checkpoint):
        checkpoint.open(images.identity)
        run_phases(Run(config, task, model, phases, distribution, checkpoint, Progress()))
    np.savez(f"{output}.worker{distribution.worker}.npz", *[np.asarray(variable) for variable in model.weights])
    return model, checkpoint


if __name__ == "__main__":
    if "LOGICAL_CPUS" in os.environ:
        parts = [tf.config.LogicalDeviceConfiguration()] * int(os.environ["LOGICAL_CPUS"])
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    try:
        run(*sys.argv[1:3], **dict(setting.split("=") for setting in sys.argv[3:]))
    except WorkerLostError:
        os.execv(sys.executable, sys.orig_argv)
