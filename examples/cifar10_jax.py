"""Trains a network on CIFAR-10 with JAX alone: each epoch, augmentation included, is one compiled program.

    KERAS_BACKEND=jax python examples/cifar10_jax.py --model MicroNetM0 --output runs/jax-m0

The settings are those of the recipe cifar10 for a large batch. The folder gets `model.weights.h5`, which the builder
takes as `weights=`. The run saves at the end of every epoch, and the same command goes on from there. TensorFlow is
never imported. Compile few networks at a time: one takes half a minute of a processor core.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from keras_lightnets.applications.catalog import find_model

CLASSES = 10


def augmented(key, image, size):
    """A random crop of at least half of the image, mirrored half of the time and enlarged to `size` pixels."""
    area_key, ratio_key, place_key, flip_key = jax.random.split(key, 4)
    side = image.shape[0]
    area = jax.random.uniform(area_key, minval=0.5, maxval=1.0)
    ratio = jnp.exp(jax.random.uniform(ratio_key, minval=-np.log(4 / 3), maxval=np.log(4 / 3)))
    crop = jnp.minimum(side * jnp.sqrt(area * jnp.stack([ratio, 1 / ratio])), side)
    start = jax.random.uniform(place_key, (2,)) * (side - crop)
    image = jnp.where(jax.random.bernoulli(flip_key), image[:, ::-1], image)
    return resized(image, size, size / crop, -start * size / crop)


def resized(image, size, scale, translation):
    """The image, scaled and moved, as float32 `(size, size, 3)` with pixels 0-255."""
    image = jnp.asarray(image, "float32")
    return jax.image.scale_and_translate(image, (size, size, 3), (0, 1), scale, translation, "linear", antialias=False)


def epoch_function(model, optimizer, preprocess, options):
    """Returns a compiled function from a state, a key and all images and labels to the next state and the mean loss."""
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)

    def loss(trainable, fixed, images, labels):
        logits, fixed = model.stateless_call(trainable, fixed, preprocess(images), training=True)
        return loss_of(jax.nn.one_hot(labels, CLASSES), logits), fixed

    @jax.jit
    def epoch(state, key, images, labels):
        def step(state, batch):
            trainable, fixed, moments = state
            indices, keys = batch
            pixels = jax.vmap(lambda key, image: augmented(key, image, options.size))(keys, images[indices])
            gradient = jax.value_and_grad(loss, has_aux=True)
            (value, fixed), gradients = gradient(trainable, fixed, pixels, labels[indices])
            trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
            return (trainable, fixed, moments), value

        steps = len(images) // options.batch
        order = jax.random.permutation(key, len(images))[: steps * options.batch].reshape(steps, -1)
        keys = jax.random.split(jax.random.fold_in(key, 1), order.shape)
        state, losses = lax.scan(step, state, (order, keys))
        return state, losses.mean()

    return epoch


def accuracy_function(model, preprocess, options):
    """Returns a compiled function from a state, images and labels to the share of right answers."""

    @jax.jit
    def right(state, images, labels):
        scale = jnp.full(2, options.size / images.shape[1])
        pixels = jax.vmap(lambda image: resized(image, options.size, scale, jnp.zeros(2)))(images)
        logits, _ = model.stateless_call(state[0], state[1], preprocess(pixels), training=False)
        return (logits.argmax(-1) == labels).sum()

    def accuracy(state, images, labels):
        pieces = range(0, len(images), options.batch)
        return sum(right(state, *(x[i : i + options.batch] for x in (images, labels))) for i in pieces) / len(images)

    return accuracy


def save(model, state, epoch, output):
    """Writes the state to go on from, then the weights; a kill leaves the files of the epoch before."""
    leaves = {str(number): np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(state))}
    np.savez(output / "new.npz", epoch=epoch, **leaves)
    os.replace(output / "new.npz", output / "state.npz")
    for variables, values in ((model.trainable_variables, state[0]), (model.non_trainable_variables, state[1])):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    model.save_weights(output / "new.weights.h5")
    os.replace(output / "new.weights.h5", output / "model.weights.h5")


def main(arguments=None):
    """Trains, or goes on with a training, and prints the accuracy on the test images after every epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="MicroNetM0", help="a name from `keras-lightnets list`")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--data", help="file .npz of x_train, y_train, x_test and y_test (default: Keras downloads it)")
    parser.add_argument("--size", type=int, default=48, help="height and width of the images in pixels")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.006, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.data:
        with np.load(options.data) as file:
            x_train, y_train, x_test, y_test = (file[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    else:
        (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    x_train, y_train, x_test, y_test = map(jnp.asarray, (x_train, y_train.ravel(), x_test, y_test.ravel()))
    options.output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(options.seed)
    record = find_model(options.model)
    shape = {"input_shape": (options.size, options.size, 3), "classes": CLASSES}
    model = record.builder(**record.kwargs, **shape, weights=None, classifier_activation=None)
    steps = len(x_train) // options.batch
    warm_up = min(5, options.epochs - 1) * steps
    decay_steps = options.epochs * steps - warm_up
    rate = keras.optimizers.schedules.CosineDecay(options.rate / 10, decay_steps, 0.0, "rate", options.rate, warm_up)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.05)
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if len(v.shape) < 2])
    optimizer.build(model.trainable_variables)
    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state, begin = tuple([jnp.array(variable.value) for variable in group] for group in groups), 0
    if (options.output / "state.npz").exists():
        with np.load(options.output / "state.npz") as file:
            leaves = [jnp.asarray(file[str(number)]) for number in range(len(file) - 1)]
            state, begin = jax.tree.unflatten(jax.tree.structure(state), leaves), int(file["epoch"])
    train = epoch_function(model, optimizer, record.preprocessing, options)
    accuracy = accuracy_function(model, record.preprocessing, options)
    for epoch in range(begin, options.epochs):
        key = jax.random.fold_in(jax.random.key(options.seed), epoch)
        state, loss = train(state, key, x_train, y_train)
        save(model, state, epoch + 1, options.output)
        top1 = accuracy(state, x_test, y_test)
        print(f"epoch {epoch + 1}/{options.epochs}: loss {loss:.4f}, test top-1 {top1:.2%}", flush=True)


if __name__ == "__main__":
    main()
