"""Images to calibrate on and to compare on, in the forms that people have them in."""

import itertools
import os

import keras
import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.graph import calls, operations

_SCALING = (keras.layers.Rescaling, keras.layers.Normalization)
# Ratio of spreads beyond which other data cannot be the reason.
_RATIO = 8.0
# Fewer images say nothing about a spread.
_LEAST_IMAGES = 8
# Ranges of activations settle within a few hundred images.
CALIBRATION_IMAGES = 256
# Pixels from one random value to the next in random images.
_SMOOTH = 8


def check_data(model, data):
    """Returns the first images of representative data as an array, or says what is wrong with them.

    Args:
        model: functional `keras.Model` with one image input.
        data: images as a float array `(n, height, width, channels)`, or an iterable of such batches or of single
            images. Examples are a list, a generator and a `tf.data.Dataset`. A function without arguments may return
            any of these. Each batch or image may be in a tuple with labels. It may also be in a list by itself, as in
            TFLite's own representative data sets, or in a dict under the name of the model's input or "image".

    Returns:
        float32 array of up to 256 images.

    Raises:
        UserError: if there are no images, their shape does not fit, a number is not finite, or their range is not the
            range of the training. The last happens if preprocessing was forgotten or done twice.
    """
    if isinstance(data, str | os.PathLike):
        raise UserError(
            f"The representative data are the name {str(data)!r}. Give images as {model.name} takes them: "
            "keras.utils.image_dataset_from_directory reads a folder, and `preprocess_input` of the network scales."
        )
    images = itertools.chain.from_iterable(_images_in(item, model) for item in _items(data))
    images = list(itertools.islice(images, CALIBRATION_IMAGES))
    if not images:
        raise UserError("The representative data hold no images.")
    for image in images:
        _check_shape(image, model, "The representative images are")
    images = np.stack(images).astype("float32")
    if not np.isfinite(images).all():
        raise UserError("The representative images hold numbers that are not finite.")
    _check_range(model, images)
    return images


def _items(data):
    """Returns an iterator over the batches or images of representative data."""
    if callable(data) and not hasattr(data, "__iter__"):
        data = data()
    if hasattr(data, "shape") or isinstance(data, tuple | dict):
        # An array, by itself or with its labels.
        data = [data]
    if isinstance(data, keras.utils.PyDataset):
        # Python would ask it for batches without end.
        data = map(data.__getitem__, range(data.num_batches))
    try:
        return iter(data)
    except TypeError:
        kind = type(data).__name__
        raise UserError(f"The representative data are a {kind}: give an array or a data set of images.") from None


def _images_in(item, model):
    """Yields the images of an item of a data set."""
    if isinstance(item, dict):
        names = [name for name in (model.inputs[0].name, "image", "images") if name in item]
        if not names and len(item) > 1:
            raise UserError(
                f"The representative data are dicts of {', '.join(map(str, item))}: name the images 'image'."
            )
        item = item[names[0] if names else next(iter(item))]
    if isinstance(item, list) and all(np.shape(part) == model.inputs[0].shape[1:] for part in item):
        yield from map(np.asarray, item)
        return
    if isinstance(item, tuple | list) and len(item) and not np.isscalar(item[0]):
        yield from _images_in(item[0], model)
        return
    try:
        array = np.asarray(item)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise UserError(f"The representative data hold a {type(item).__name__} where images should be.")
    yield from array if array.ndim == len(model.inputs[0].shape) else [array]


def check_samples(model, samples):
    """Returns images to compare on as a float32 array, or says what is wrong with them.

    Args:
        model: functional `keras.Model` with one image input.
        samples: float array `(n, height, width, channels)`.

    Raises:
        UserError: if there are none, they do not fit the model, or hold numbers that are not finite.
    """
    try:
        samples = np.asarray(samples)
    except (TypeError, ValueError):
        samples = np.asarray(None)
    if samples.dtype.kind not in "biuf" or not samples.ndim or not len(samples):
        raise UserError(f"`samples` must be an array of images as {model.name} takes them.")
    _check_shape(samples[0], model, "The samples are")
    # As Keras hands them to the model.
    samples = samples.astype(model.inputs[0].dtype).astype("float32")
    if not np.isfinite(samples).all():
        raise UserError("The samples hold numbers that are not finite.")
    return samples


def random_samples(model, count=8, preprocessing=None):
    """Returns random images in the input shape of a functional model, 224x224 where its size is unknown.

    The pixels are uniform from 0 to 255 if the model scales them itself or its `Preprocessing` is given, which scales
    them, else standard normal. They change slowly over the image, as in photos. Networks that were trained on photos
    may react to noise so strongly that rounding alone moves their scores.
    """
    height, width, channels = (224 if side is None else side for side in model.inputs[0].shape[1:])
    coarse = (count, -(-height // _SMOOTH), -(-width // _SMOOTH), channels)
    generator = np.random.default_rng(0)

    def smooth(values):
        size = (height, width)
        return np.asarray(keras.ops.image.resize(values, size, "bilinear", data_format="channels_last"), "float32")

    if preprocessing is not None:
        return preprocessing(np.round(smooth(generator.uniform(0, 255, coarse))))
    before_weights = itertools.takewhile(lambda each: not getattr(each, "trainable_weights", ()), operations(model))
    if any(isinstance(operation, _SCALING) for operation in before_weights):
        return smooth(generator.uniform(0, 255, coarse))
    return smooth(generator.standard_normal(coarse))


def raw_pixels(images, preprocessing):
    """Returns the pixels that images were made of, to calibrate on.

    One image has the darkest and the brightest pixel, so that a step of int8 is 1 whatever the images are.
    """
    pixels = np.clip(preprocessing.pixels(images), 0, 255)
    pixels[0, 0, 0], pixels[0, -1, -1] = 0, 255
    return pixels


def _check_shape(image, model, subject):
    shape, own = tuple(model.inputs[0].shape[1:]), tuple(image.shape)
    if len(own) == len(shape) and all(side in (None, ours) for side, ours in zip(shape, own, strict=True)):
        return
    sizes = len(own) == len(shape) and own[-1] == shape[-1]
    advice = "resize them" if sizes else f"give arrays (n, {', '.join(map(str, shape))})"
    raise UserError(f"{subject} {own}, and {model.name} takes {shape}: {advice}.")


def _check_range(model, images):
    """Compares the spread that the first batch normalisation sees with the one it saw in training."""
    found = _first_norm(model, images) if len(images) >= _LEAST_IMAGES else None
    if found is None:
        return
    norm, seen = found
    learned = np.sqrt(np.mean(keras.ops.convert_to_numpy(norm.moving_variance)))
    if learned == 1.0:
        # Nothing was trained.
        return
    # From image to image: from pixel to pixel even blank images differ, at their borders.
    ratio = np.sqrt(np.mean(np.var(seen, axis=0, dtype="float64"))) / learned
    if not 1 / _RATIO < ratio < _RATIO:
        found = f"{images.min():g} to {images.max():g}, spread {ratio:.2g} times as wide as in training"
        cause = "is missing" if ratio > 1 else "was done twice"
        raise UserError(
            f"The representative images have pixels from {found}: it seems that preprocessing {cause}. Give them as "
            f"{model.name} takes them."
        )


def _first_norm(model, images):
    """Returns the first batch normalisation of a model or of the models inside, and what it sees, or None."""
    for call in calls(model):
        if not isinstance(call.operation, keras.layers.BatchNormalization) and call.model is None:
            continue
        if len(call.inputs) == 1:
            seen = keras.Model(model.inputs, call.inputs[0]).predict(images, verbose=0)
            found = (call.operation, seen) if call.model is None else _first_norm(call.model, seen)
            if found is not None:
                return found
    return None
