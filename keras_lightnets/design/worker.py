"""One process of `Trials`: trains a network from several seeds."""

import multiprocessing
import os
import threading
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.design.bottleneck_net import BottleneckNet
from keras_lightnets.files import read_json, reading, write_json
from keras_lightnets.preprocessing import SYMMETRIC
from keras_lightnets.quiet import quiet

# Images per step where nothing is trained.
BATCH = 250


class Training(NamedTuple):
    """How each network is trained and measured.

    Attributes:
        size: int, side of the images in pixels. Defaults to 32.
        images: int, number of training images, or 0 for all. Defaults to 0.
        epochs: int. Defaults to 30.
        batch_size: int. Defaults to 64.
        learning_rate: float, peak rate of SGD with Nesterov momentum 0.9. It falls to zero along a cosine. Defaults to
            0.05.
        seeds: int, how often a network is trained. Defaults to 3.
        seed: int, seed of the choice of images. Defaults to 0.
    """

    size: int = 32
    images: int = 0
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.05
    seeds: int = 3
    seed: int = 0


def read(path):
    """Returns the results that a training has written so far."""
    if not path.exists():
        return {"accuracy": [], "nuclear_norm": []}
    results = read_json(path, "Remove it to train that network again.")
    with reading(path, "Remove it to train that network again."):
        if len(results["accuracy"]) != len(results["nuclear_norm"]):
            raise ValueError("lists of unequal length")
    return results


def prepare_process(threads):
    """Makes TensorFlow compute the same in every run, on so many threads."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    with quiet():
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        # A training that is repeated has to come to the same accuracy.
        tf.config.experimental.enable_op_determinism()
        tf.constant(0)


def _follow_parent():
    """Ends the process with its parent, which a kill does not do."""
    multiprocessing.parent_process().join()
    os._exit(1)


def train(network, training, images, path):
    """Trains a network from every seed that is left, and writes its results after each.

    Args:
        network: dict of the arguments of `BottleneckNet`.
        training: `Training`.
        images: Path of the .npz file with the images of a `Trials`.
        path: Path of the JSON file with the results.
    """
    with np.load(images) as file:
        arrays = dict(file)
    results = {"network": network, **read(path)}
    model = taps = None
    for seed in range(len(results["accuracy"]), training.seeds):
        keras.utils.set_random_seed(seed)
        fresh = BottleneckNet(**network, classifier_activation=None)
        if model is None:
            model = fresh
            taps = keras.Model(model.input, [model.output, model.get_layer("avg_pool").output])
            steps = len(arrays["train_labels"]) // training.batch_size
            rate = keras.optimizers.schedules.CosineDecay(training.learning_rate, training.epochs * steps)
            model.compile(
                keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            )
            model.optimizer.build(model.trainable_variables)
        # Tracing a training step takes longer than some trainings: every seed uses the same one.
        model.set_weights(fresh.get_weights())
        for variable in model.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        _fit(model, training, arrays, np.random.default_rng(seed))
        accuracy, nuclear_norm = _measure(taps, arrays)
        results["accuracy"].append(accuracy)
        results["nuclear_norm"].append(nuclear_norm)
        write_json(path, results)
    keras.backend.clear_session()


def _fit(model, training, arrays, random):
    pixels, labels = arrays["train_pixels"], arrays["train_labels"]
    for _ in range(training.epochs):
        chosen = random.permutation(len(labels))[: len(labels) // training.batch_size * training.batch_size]
        model.fit(
            SYMMETRIC(_augmented(pixels[chosen], random)),
            labels[chosen],
            batch_size=training.batch_size,
            shuffle=False,
            verbose=0,
        )


def _augmented(pixels, random):
    """Shifts images by up to an eighth of their side and mirrors half of them."""
    count, side = pixels.shape[:2]
    margin = side // 8
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    rows, columns = random.integers(2 * margin + 1, size=(2, count, 1)) + np.arange(side)
    mirrored = random.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _measure(taps, arrays):
    """Returns the accuracy on the held-out images and the nuclear norm of their last features, `(images, features)`."""
    logits, features = taps.predict(SYMMETRIC(arrays["validation_pixels"]), batch_size=BATCH, verbose=0)
    accuracy = float((logits.argmax(axis=-1) == arrays["validation_labels"]).mean())
    return accuracy, float(np.linalg.norm(features.astype("float64"), "nuc"))
