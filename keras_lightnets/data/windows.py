"""The part of an image that a network is shown, scaled to its input: one function for every command."""

import tensorflow as tf

from keras_lightnets.data.images import cut, decode_window, read_image


def central_square(shape, share):
    """Returns top, left, height and width of the central square of `share` of the short side."""
    side = tf.cast(tf.round(share * tf.cast(tf.minimum(shape[0], shape[1]), tf.float32)), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(shape[0] - side) // 2, (shape[1] - side) // 2, side, side])


def whole(shape):
    """Returns top, left, height and width of a whole image."""
    return tf.stack([0, 0, shape[0], shape[1]])


def show(image, size, window):
    """Returns a window of an image, scaled with antialiasing.

    Args:
        image: scalar string tensor of an encoded image, or uint8 pixels `(height, width, 3)`.
        size: int, side of the result.
        window: function from the shape of the image, an int32 tensor, to top, left, height and width.

    Returns:
        A float32 tensor `(size, size, 3)`, pixel values 0-255.
    """
    part = decode_window(image, window) if image.dtype == tf.string else cut(image, window)
    scaled = tf.image.resize(part, (size, size), antialias=True)
    return tf.ensure_shape(tf.cast(scaled, tf.float32), (size, size, 3))


def show_square(image, size, share):
    """Returns `show` of the central square in whole numbers, as a camera gives them: what networks are evaluated on."""
    return tf.round(show(image, size, lambda shape: central_square(shape, share)))


def show_whole(image, size):
    """Returns `show` of the whole image in whole numbers: what detectors and segmenters are evaluated on."""
    return tf.round(show(image, size, whole))


def load_whole(path, size):
    """Reads a whole image file, scaled to a square, as detectors and segmenters are shown it.

    Args:
        path: str or Path of an image file of any kind.
        size: int, side of the result.

    Returns:
        A uint8 array `(size, size, 3)`, pixel values 0-255.

    Raises:
        BadImageError: if the file cannot be read.
    """
    return read_image(path, lambda content: _whole(tf.constant(content), size)).astype("uint8")


def load_square(path, size, share=1.0):
    """Reads the central square of an image file, the window that networks are evaluated on.

    Args:
        path: str or Path of an image file of any kind.
        size: int, side of the result.
        share: float, side of the square as a share of the short side. Defaults to 1.0.

    Returns:
        A uint8 array `(size, size, 3)`, pixel values 0-255.

    Raises:
        BadImageError: if the file cannot be read.
    """
    return read_image(path, lambda content: _square(tf.constant(content), size, share)).astype("uint8")


@tf.function
def _square(content, size, share):
    with tf.device("CPU"):
        return show_square(content, size, share)


@tf.function
def _whole(content, size):
    with tf.device("CPU"):
        return show_whole(content, size)
