"""Where images come from: a folder, TFRecord files, a data set of TensorFlow Datasets, or arrays."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_lightnets.data.folder import read_folder
from keras_lightnets.errors import UserError

# What TensorFlow decodes.
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


class Source(NamedTuple):
    """The images of one split.

    Attributes:
        count: int, number of images.
        ordered: function from a seed, an int64 tensor `(2,)`, or None for the stored order, to a `tf.data.Dataset` of
            pairs of a key and a class number. The same seed gives the same order.
        read: function from a key to the encoded image, a scalar string, or its uint8 pixels
            `(height, width, 3)`; called in parallel.
        check: function that raises a `UserError` naming the first record that cannot be read.
    """

    count: int
    ordered: Callable
    read: Callable
    check: Callable


class Data(NamedTuple):
    """Names of the classes, a `Source` for "train", "validation" and "test", and text that tells the data apart."""

    classes: tuple[str, ...]
    splits: dict[str, Source]
    identity: list[str]


def open_data(name, seed, holdout, shuffle_buffer=16384):
    """Opens a data set by its name.

    Args:
        name: "tfds:NAME" for TensorFlow Datasets; "tfrecord:GLOB" for TFRecord files with `train`, and `test` or `val`,
            in their names; else a folder, with one folder per class or `train/` and `test/` of them.
        seed: int, seed of the split.
        holdout: float, share of the training images that becomes the validation; with 0 validation is the test.
        shuffle_buffer: int, how many records a source that is read in sequence shuffles among. Defaults to 16384.

    Returns:
        A `Data`.

    Raises:
        UserError: if the data cannot be opened, or are no data to train on.
    """
    kind, _, rest = name.partition(":")
    if kind == "tfds":
        from keras_lightnets.data.tfds import open_tfds

        return open_tfds(rest, holdout, shuffle_buffer)
    if kind == "tfrecord":
        from keras_lightnets.data.tfrecords import open_tfrecords

        return open_tfrecords(rest, holdout, shuffle_buffer)
    return _folder(name, seed, holdout)


def make_data(classes, splits, identity=None):
    """Returns a `Data` whose validation is the test where `splits` has none."""
    splits = {**splits, "validation": splits.get("validation", splits["test"])}
    return Data(tuple(classes), splits, identity or [f"{part} {split.count}" for part, split in splits.items()])


def _folder(name, seed, holdout):
    folder = read_folder(name, seed, holdout)
    for split in folder.splits.values():
        for path in split.paths:
            if path.suffix.lower() not in _SUFFIXES:
                raise UserError(f"{path}: training reads {', '.join(_SUFFIXES)}. Convert it.")
    splits = {part: _files(split.paths, split.labels) for part, split in folder.splits.items() if len(split.paths)}
    return make_data(folder.classes, splits, folder.identity)


def _files(paths, labels):
    names, numbers = tf.constant([str(path) for path in paths]), tf.constant(labels)

    def check():
        for path in paths:
            try:
                tf.io.decode_image(tf.io.read_file(str(path)), channels=3, expand_animations=False)
            except tf.errors.OpError as error:
                raise UserError(f"{path} cannot be read ({first_line(error)}). Mend or remove it.") from error

    return Source(
        len(paths),
        _permuted(len(paths), lambda i: (tf.gather(names, i), tf.gather(numbers, i))),
        tf.io.read_file,
        check,
    )


def arrays(pixels, labels):
    """Returns the `Source` of decoded images, uint8 `(n, side, side, 3)`, which may be memory-mapped."""
    numbers = tf.constant(labels)

    def read(i):
        image = tf.numpy_function(lambda i: np.asarray(pixels[i]), [i], tf.uint8, stateful=False)
        return tf.ensure_shape(image, pixels.shape[1:])

    return Source(len(labels), _permuted(len(labels), lambda i: (i, tf.gather(numbers, i))), read, check=lambda: None)


def _permuted(count, record):
    def ordered(seed):
        numbers = tf.range(count, dtype=tf.int64)
        if seed is not None:
            numbers = tf.random.experimental.stateless_shuffle(numbers, seed)
        return tf.data.Dataset.from_tensor_slices(numbers).map(record)

    return ordered


def sequential(records, buffer):
    """Returns the `ordered` of a `Source` whose records are read one after another and shuffled among `buffer`."""

    def ordered(seed):
        if seed is None:
            return records
        mixed = tf.random.experimental.stateless_fold_in(seed, 0)
        return records.shuffle(buffer, seed=tf.cast(mixed[0], tf.int64), reshuffle_each_iteration=False)

    return ordered


def first_line(error):
    """Returns the first line of the message of an exception."""
    return (getattr(error, "message", None) or str(error)).strip().splitlines()[0]
