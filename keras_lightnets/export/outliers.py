"""Images that would spoil the ranges of an int8 file."""

import keras
import numpy as np
from keras import ops

from keras_lightnets.graph import calls

# Ordinary images differ by less: the largest activations for two of them are seldom more than a few times apart.
_LARGEST_FACTOR = 8.0


def without_outliers(model, images):
    """Drops the images that some layer answers with activations far beyond those for the others.

    The range of a tensor reaches to its largest activation, in 256 steps. Where one image in 200 is answered a hundred
    times as strongly as all others, these would share two steps.

    Args:
        model: functional `keras.Model` with one image input.
        images: float array `(n, height, width, channels)`.

    Returns:
        The array of the other images, or of all images if the ordinary ones are less than half.
    """
    maps = [*model.inputs, *(tensor for call in calls(model) for tensor in call.outputs)]
    largest = [ops.max(ops.abs(x), axis=range(1, len(x.shape))) for x in maps if len(x.shape) == 4]
    answers = np.array(keras.tree.flatten(keras.Model(model.inputs, largest).predict(images, verbose=0)))
    typical = np.median(answers, axis=1, keepdims=True)
    # Of a layer that is silent for most images nothing can be said.
    ordinary = ((answers <= _LARGEST_FACTOR * typical) | (typical == 0)).all(axis=0)
    return images[ordinary] if 2 * ordinary.sum() >= len(images) else images
