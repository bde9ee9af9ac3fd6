"""Does the input pipeline keep up with the training step? Images per second of each alone, in one run.

python -m benchmarks.input_pipeline RECIPE DATA [NAME=VALUE ...]
"""

import sys
import time

import keras
import tensorflow as tf

from keras_lightnets.data.opening import open_data
from keras_lightnets.data.pipeline import training_batches
from keras_lightnets.training import load_recipe, models
from keras_lightnets.training.optimizers import make_optimizer

SECONDS = 10.0


def rate(step, batch_size):
    """Images per second of a function that uses up a batch."""
    for _ in range(5):
        step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        step()
        count += 1
    return count * batch_size / (time.perf_counter() - start)


def main(recipe, data, *settings):
    config = load_recipe(recipe, **dict(setting.split("=", 1) for setting in settings), data=data)
    opened = open_data(config.data, config.seed, config.holdout, config.shuffle_buffer)
    classes = len(opened.classes)
    batches = iter(training_batches(opened.splits["train"], classes, config))
    images, labels = next(batches)
    model = models.build(config, classes)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(make_optimizer(config, model, config.peak_rate), loss)
    same = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    model.make_train_function()
    pipeline = rate(lambda: next(batches), config.batch_size)
    training = rate(lambda: model.train_function(same)["loss"].numpy(), config.batch_size)
    print(f"{config.model} {config.size}x{config.size}, batch {config.batch_size}")
    print(f"pipeline {pipeline:.0f} images/s, training step {training:.0f} images/s, ratio {pipeline / training:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
