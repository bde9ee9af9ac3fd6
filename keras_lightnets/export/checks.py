"""What cannot be exported, said before any work is done."""

import itertools
import os

import keras
import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.layers.quantized import FakeQuantize

# Ratio of spreads beyond which other data cannot be the reason.
_RATIO = 8.0
# Fewer images say nothing about a spread.
_LEAST_IMAGES = 8
# Ranges of activations settle within a few hundred images.
CALIBRATION_IMAGES = 256


def check_ranges(model):
    """Raises a `UserError` for a quantisation-aware model that has seen no data."""
    unseen = [layer for layer in model.layers if isinstance(layer, FakeQuantize) and not layer.seen]
    if unseen:
        raise UserError(
            f"{model.name} has seen no data, {unseen[0].name} has no range yet: train it, or pass representative data "
            "to quantize_aware."
        )


def check_layers(names, known, model_name):
    """Raises a `UserError` for a name that is not `known` as the name of a layer of the fused graph of a model."""
    if unknown := sorted(set(names) - set(known)):
        raise UserError(
            f"{model_name} has no layer {unknown[0]!r} in its fused graph. Names: {', '.join(known[:6])}, ...; "
            "see export.fuse(model).layers."
        )


def check_data(model, data):
    """Returns the first images of representative data as an array, or says what is wrong with them.

    Args:
        model: `keras.Model` with one image input.
        data: float array `(n, height, width, channels)` or an iterable of such batches.

    Returns:
        float32 array of up to 256 images.

    Raises:
        UserError: if there are no images, they have another shape than the model's input or numbers that are not
            finite, or lie in another range than those of the training, as if preprocessing had been forgotten or done
            twice.
    """
    if isinstance(data, str | os.PathLike):
        raise UserError(
            f"The representative data are the name {str(data)!r}. Give images as {model.name} takes them: "
            "keras.utils.image_dataset_from_directory reads a folder, and `preprocess_input` of the network scales."
        )
    batches = [data] if hasattr(data, "shape") else data
    # Batches of a data set come with labels.
    arrays = (np.asarray(batch[0] if isinstance(batch, tuple | list) else batch) for batch in batches)
    images = list(itertools.islice((image for batch in arrays for image in batch), CALIBRATION_IMAGES))
    if not images:
        raise UserError("The representative data hold no images.")
    shape = tuple(model.inputs[0].shape[1:])
    if wrong := next((image.shape for image in images if image.shape != shape), None):
        raise UserError(f"The representative images are {wrong}, and {model.name} takes {shape}: resize them.")
    images = np.stack(images).astype("float32")
    if not np.isfinite(images).all():
        raise UserError("The representative images hold numbers that are not finite.")
    _check_range(model, images)
    return images


def _check_range(model, images):
    """Compares the spread that the first batch normalisation sees with the one it saw in training."""
    norm = next((layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)), None)
    if norm is None or len(images) < _LEAST_IMAGES:
        return
    learned = np.sqrt(np.mean(keras.ops.convert_to_numpy(norm.moving_variance)))
    if learned == 1.0:
        # Nothing was trained.
        return
    seen = keras.Model(model.inputs, norm.input).predict(images, verbose=0)
    # From image to image: from pixel to pixel even blank images differ, at their borders.
    ratio = np.sqrt(np.mean(np.var(seen, axis=0))) / learned
    if not 1 / _RATIO < ratio < _RATIO:
        found = f"{images.min():g} to {images.max():g}, spread {ratio:.2g} times as wide as in training"
        cause = "is missing" if ratio > 1 else "was done twice"
        raise UserError(
            f"The representative images have pixels from {found}: it seems that preprocessing {cause}. Give them as "
            f"{model.name} takes them."
        )
