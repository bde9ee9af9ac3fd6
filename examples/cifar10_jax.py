"""Trains a network on CIFAR-10 with JAX alone: each epoch, augmentation included, is one compiled program.

    KERAS_BACKEND=jax python examples/cifar10_jax.py --model MicroNetM0 --output runs/m0

The settings are those of the recipe cifar10_gpu. The same command goes on after the last epoch that was saved. The
folder gets `model.weights.h5`, which the builder takes as `weights=`. TensorFlow is never imported. `train` with the
same settings takes the folder for its own run, and measures, exports and releases it:

    keras-lightnets train --recipe cifar10_gpu --data tfds:cifar10 --model MicroNetM0 --output runs/m0
"""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from keras_lightnets.errors import UserError
from keras_lightnets.training.checkpoint import Checkpoint
from keras_lightnets.training.config import load_recipe
from keras_lightnets.training.models import set_batch_norm

CLASSES = 10


def augmented(key, image, config):
    """A random crop, mirrored half of the time and enlarged to the size of the input."""
    area_key, ratio_key, place_key, flip_key = jax.random.split(key, 4)
    side, limit = image.shape[0], np.log(config.crop_ratio)
    area = jax.random.uniform(area_key, minval=config.crop_area, maxval=1.0)
    ratio = jnp.exp(jax.random.uniform(ratio_key, minval=-limit, maxval=limit))
    crop = jnp.minimum(side * jnp.sqrt(area * jnp.stack([ratio, 1 / ratio])), side)
    start = jax.random.uniform(place_key, (2,)) * (side - crop)
    image = jnp.where(jax.random.bernoulli(flip_key), image[:, ::-1], image).astype("float32")
    shape, scale = (config.size, config.size, 3), config.size / crop
    return jax.image.scale_and_translate(image, shape, (0, 1), scale, -start * scale, "linear", antialias=False)


def epoch_function(model, optimizer, config):
    """Returns a compiled function from a state, a key, images and labels to the next state, loss and accuracy."""
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)

    def loss(trainable, fixed, images, labels):
        images = config.record.preprocessing(images)
        logits, fixed = model.stateless_call(trainable, fixed, images, training=True)
        return loss_of(jax.nn.one_hot(labels, CLASSES), logits), (fixed, (logits.argmax(-1) == labels).mean())

    @jax.jit
    def epoch(state, key, images, labels):
        def step(state, batch):
            trainable, fixed, moments = state
            indices, keys = batch
            pixels = jax.vmap(lambda key, image: augmented(key, image, config))(keys, images[indices])
            gradient = jax.value_and_grad(loss, has_aux=True)
            (value, (fixed, right)), gradients = gradient(trainable, fixed, pixels, labels[indices])
            trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
            return (trainable, fixed, moments), (value, right)

        steps = len(images) // config.batch_size
        order = jax.random.permutation(key, len(images))[: steps * config.batch_size].reshape(steps, -1)
        keys = jax.random.split(jax.random.fold_in(key, 1), order.shape)
        state, (losses, right) = lax.scan(step, state, (order, keys))
        return state, losses.mean(), right.mean()

    return epoch


def test_function(model, config):
    """Returns a compiled function from a state, images and labels to the loss and the accuracy."""

    @jax.jit
    def test(state, images, labels):
        def one(pair):
            shape, image = (1, config.size, config.size, 3), pair[0][None].astype("float32")
            pixels = config.record.preprocessing(jax.image.resize(image, shape, "linear", antialias=False))
            logits, _ = model.stateless_call(*state[:2], pixels, training=False)
            return -jax.nn.log_softmax(logits)[0, pair[1]], logits.argmax() == pair[1]

        return [figures.mean() for figures in lax.map(one, (images, labels), batch_size=config.batch_size)]

    return test


def main(arguments=None):
    """Trains, or goes on with a training, and prints loss and accuracy after every epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="MicroNetM0", help="a name from `keras-lightnets list`")
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--images", help="file .npz of x_train, y_train, x_test and y_test (default: Keras' download)")
    for name in ("size", "epochs", "batch_size", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help="instead of the recipe's")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    file, config = given.pop("images", None), load_recipe("cifar10_gpu", **given)
    keras.utils.set_random_seed(config.seed)
    shape = {"input_shape": (config.size, config.size, 3), "classes": CLASSES}
    model = config.record.builder(**config.record.kwargs, **shape, weights=None, classifier_activation=None)
    set_batch_norm(model, config)
    names = ("x_train", "y_train", "x_test", "y_test")
    parts = [np.load(file)[name] for name in names] if file else sum(keras.datasets.cifar10.load_data(), ())
    x_train, y_train, x_test, y_test = (jnp.asarray(array if array.ndim == 4 else array.ravel()) for array in parts)
    steps = len(x_train) // config.batch_size
    if not steps:
        raise UserError(f"{len(x_train)} images fill no batch of {config.batch_size}: pass a smaller --batch-size.")
    warm_up = round(config.warmup_epochs * steps)
    left, peak = max(config.epochs * steps - warm_up, 1), config.peak_rate
    rate = keras.optimizers.schedules.CosineDecay(peak / 10, left, 0.0, "rate", peak, warm_up)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if len(v.shape) < 2])
    optimizer.build(model.trainable_variables)
    model.compile(optimizer)
    checkpoint = Checkpoint(config.output, config.settings)
    checkpoint.check(resume=checkpoint.begun)
    train, test = epoch_function(model, optimizer, config), test_function(model, config)
    with contextlib.closing(checkpoint):
        checkpoint.open(None)
        checkpoint.restore(model, "train")
        groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        state = tuple([jnp.array(variable.value) for variable in group] for group in groups)
        for epoch in range(len(checkpoint.history), config.epochs):
            start = time.monotonic()
            key = jax.random.fold_in(jax.random.key(config.seed), epoch)
            state, *figures = train(state, key, x_train, y_train)
            names = ("loss", "accuracy", "val_loss", "val_accuracy")
            row = dict(zip(names, map(float, (*figures, *test(state, x_test, y_test))), strict=True))
            row["seconds"] = time.monotonic() - start
            checkpoint.history.append({"epoch": epoch + 1, "phase": "train", **row})
            for variables, values in zip(groups, state, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
            checkpoint.keep(model)
            checkpoint.save(model, (epoch + 1) * steps, "train")
            print(f"epoch {epoch + 1}/{config.epochs}:", *(f"{name} {row[name]:.4f}" for name in row), flush=True)
        model.save_weights(Path(config.output) / "model.weights.h5")


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError, KeyError, ValueError, FloatingPointError) as error:
        sys.exit(f"Error: {error}")
