"""A source of images and labels: what the input pipeline reads, whatever the images are kept in."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Source(NamedTuple):
    """The images of one split.

    Attributes:
        count: int, number of images.
        ordered: function from a seed to a `tf.data.Dataset` of pairs of a key and a class number, or what replaces it.
            The seed is an int64 tensor `(2,)`, or None for the stored order. The same seed gives the same order.
        read: function from a key to the encoded image, a scalar string, or its uint8 pixels
            `(height, width, 3)`. It is called in parallel.
        check: function that raises a `UserError` naming the first record that cannot be read.
        target: function from what stands beside the key to what is to be learned. It is called in parallel. Defaults
            to one that returns it.
    """

    count: int  # type: ignore[assignment]  # Not the method of tuples.
    ordered: Callable
    read: Callable
    check: Callable
    target: Callable = lambda target: target


class Contents(NamedTuple):
    """What the annotated images of one split show.

    Attributes:
        images: int, number of images.
        background: int, number of images without an object that counts.
        objects: tuple of int, for every class the number of boxes that count, or of images with a pixel of the class.
    """

    images: int
    background: int
    objects: tuple[int, ...]


class Data(NamedTuple):
    """A data set.

    Attributes:
        classes: tuple of the names of the classes.
        splits: dict with a `Source` for "train", "validation" and "test".
        identity: list of str that tells the data apart from others.
        left_out: dict of the counts of files that are not used, by reason. Defaults to None.
        contents: dict with the `Contents` of each split of annotated images in a folder. Defaults to None.
        bad: tuple of str, the messages about annotated images that were skipped. Defaults to an empty tuple.
    """

    classes: tuple[str, ...]
    splits: dict[str, Source]
    identity: list[str]
    left_out: dict[str, int] | None = None
    contents: dict[str, Contents] | None = None
    bad: tuple[str, ...] = ()


def make_data(classes, splits, identity=None, left_out=None):
    """Returns a `Data` whose validation is the test where `splits` has none."""
    splits = {**splits, "validation": splits.get("validation", splits["test"])}
    identity = identity or [f"{part} {split.count}" for part, split in splits.items()]
    return Data(tuple(classes), splits, identity, left_out)


def arrays(pixels, labels):
    """Returns the `Source` of decoded images, uint8 `(n, side, side, 3)`, which may be memory-mapped."""
    numbers = tf.constant(labels)

    def read(i):
        image = tf.numpy_function(lambda i: np.asarray(pixels[i]), [i], tf.uint8, stateful=False)
        return tf.ensure_shape(image, pixels.shape[1:])

    return Source(len(labels), permuted(len(labels), lambda i: (i, tf.gather(numbers, i))), read, check=lambda: None)


def permuted(count, record):
    """Returns the `ordered` of a `Source` whose records are made of their numbers by `record`, and shuffled at once."""

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
