"""From annotated image files to the `Source` that the batches read."""

import numpy as np
import tensorflow as tf

from keras_lightnets.data.annotations.masks import read_mask
from keras_lightnets.data.images import check_images
from keras_lightnets.data.source import Source, permuted


def boxed_files(images):
    """Returns the `Source` of images with boxes: list of `Annotated`.

    Beside the key stands a dict of `"boxes"`, `"labels"`, `"ignored"`, `"areas"` and `"size"`, as in `Annotated`.
    """
    paths = tf.constant([str(image.path) for image in images])
    sizes = tf.constant([image.size for image in images], tf.int32)
    ends = tf.constant(np.cumsum([0, *(len(image.labels) for image in images)]), tf.int64)
    columns = {
        name: tf.constant(np.concatenate([getattr(image, name) for image in images]))
        for name in ("boxes", "labels", "ignored", "areas")
    }

    def record(i):
        objects = {name: column[ends[i] : ends[i + 1]] for name, column in columns.items()}
        return tf.gather(paths, i), {**objects, "size": tf.gather(sizes, i)}

    return _files(images, record)


def masked_files(images):
    """Returns the `Source` of images with masks: list of `Annotated`. The target is uint8 `(height, width)`."""
    paths = tf.constant([[str(image.path), str(image.mask)] for image in images])
    return _files(
        images, lambda i: tuple(tf.unstack(tf.gather(paths, i))), lambda path: read_mask(tf.io.read_file(path))
    )


def _files(images, record, target=lambda target: target):
    paths = [image.path for image in images]
    return Source(len(images), permuted(len(images), record), tf.io.read_file, lambda: check_images(paths), target)
