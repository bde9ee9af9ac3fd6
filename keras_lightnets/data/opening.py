"""Opening a data set by its name: a folder, TFRecord files, or a data set of TensorFlow Datasets."""

import tensorflow as tf

from keras_lightnets.data.folder import read_folder
from keras_lightnets.data.images import check_images
from keras_lightnets.data.source import Source, make_data, permuted
from keras_lightnets.data.tfds import open_tfds
from keras_lightnets.data.tfrecords import open_tfrecords


def open_data(name, seed, holdout, shuffle_buffer=16384):
    """Opens a data set by its name.

    Args:
        name: "tfds:NAME" for TensorFlow Datasets, or "tfrecord:GLOB" for TFRecord files with `train`, and `test` or
            `val`, in their names. Any other name is a folder, with one folder per class or `train/` and `test/` of
            them.
        seed: int, seed of the split.
        holdout: float, share of the training images that becomes the validation. With 0, validation is the test.
        shuffle_buffer: int, how many records a source that is read in sequence shuffles among. Defaults to 16384.

    Returns:
        A `Data`.

    Raises:
        UserError: if the data cannot be opened, or are no data to train on.
    """
    kind, _, rest = name.partition(":")
    if kind == "tfds":
        return open_tfds(rest, holdout, shuffle_buffer)
    if kind == "tfrecord":
        return open_tfrecords(rest, holdout, shuffle_buffer)
    return _folder(name, seed, holdout)


def _folder(name, seed, holdout):
    folder = read_folder(name, seed, holdout)
    splits = {part: files(split.paths, split.labels) for part, split in folder.splits.items() if len(split.paths)}
    return make_data(folder.classes, splits, folder.identity, folder.left_out)


def files(paths, labels):
    """Returns the `Source` of image files: tuple of Paths, and int64 array of the numbers of their classes."""
    names, numbers = tf.constant([str(path) for path in paths]), tf.constant(labels)
    return Source(
        len(paths),
        permuted(len(paths), lambda i: (tf.gather(names, i), tf.gather(numbers, i))),
        tf.io.read_file,
        lambda: check_images(paths),
    )
