"""The images of a folder decoded once, as arrays on disk."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_lightnets.data.images import BadImageError
from keras_lightnets.data.windows import load_square, load_whole
from keras_lightnets.errors import UserError

# Training images are kept larger than the network takes them, so that random crops stay sharp.
MARGIN = 8 / 7


class Images(NamedTuple):
    """Decoded images of one split: uint8 pixels `(n, side, side, 3)` and class numbers `(n,)`."""

    pixels: np.ndarray
    labels: np.ndarray


def decode(folder, size, skip_bad_images, advance):
    """Decodes every image of a folder once, into memory-mapped arrays.

    Their files lie in the folder that `TMPDIR` names. They have no names, so that they are gone when the process ends,
    however it ends.

    Args:
        folder: a `Folder`.
        size: int, side of the network's input. Training images are kept `MARGIN` times larger.
        skip_bad_images: bool, whether to leave out images that cannot be read instead of raising.
        advance: callable, called after each image.

    Returns:
        A dict from split name to `Images`, and the list of the messages about images left out.

    Raises:
        BadImageError: names the first image that cannot be read.
        UserError: if no image is left of a class that has to be learned, or the disk is full.
    """
    decoded, bad = {}, []
    for part, split in folder.splits.items():
        pixels, good = _decode(split.paths, _side(part, size), load_square, skip_bad_images, bad, advance)
        if not good:
            raise UserError(f"No readable image is left for {part}.")
        decoded[part] = Images(pixels, split.labels[good])
    for number, name in enumerate(folder.classes):
        if number not in decoded["train"].labels:
            raise UserError(f"No readable training image is left of class {name!r}.")
    return decoded, bad


def decode_annotated(splits, size, advance):
    """Decodes every annotated image file once, whole and scaled to a square, and keeps it as `decode` does.

    Args:
        splits: dict from split name to the `Source` of annotated image files.
        size: int, as in `decode`.
        advance: callable, called after each image.

    Returns:
        The dict, with a `Source` of the same records that reads pixels.

    Raises:
        BadImageError: names the first image that cannot be read.
        UserError: if the disk is full.
    """
    return {part: _decoded(source, _side(part, size), advance) for part, source in splits.items()}


def _decoded(source, side, advance):
    paths = [path for path, _ in source.ordered(None).as_numpy_iterator()]
    pixels, _ = _decode([os.fsdecode(path) for path in paths], side, load_whole, False, [], advance)
    places = {path: place for place, path in enumerate(paths)}

    def read(path):
        image = tf.numpy_function(lambda path: np.asarray(pixels[places[path]]), [path], tf.uint8, stateful=False)
        return tf.ensure_shape(image, pixels.shape[1:])

    return source._replace(read=read)


def _side(part, size):
    return round(MARGIN * size) if part == "train" else size


def _decode(paths, side, load, skip_bad_images, bad, advance):
    """Returns pixels and numbers of the images that can be read. The messages about others are added to `bad`."""

    def attempt(path):
        try:
            return load(path, side)
        except BadImageError as error:
            if not skip_bad_images:
                raise BadImageError(f"{error} Mend or remove it, or pass --skip-bad-images.") from error
            return error

    good = []
    try:
        with tempfile.TemporaryFile() as file, ThreadPoolExecutor() as pool:
            for index, image in enumerate(pool.map(attempt, paths)):
                if isinstance(image, BadImageError):
                    bad.append(str(image))
                else:
                    # A full disk fails a write. Through a memory map it would end the process.
                    file.write(image)
                    good.append(index)
                advance()
            file.flush()
            shape = (len(good), side, side, 3)
            return np.memmap(file, "uint8", "r", shape=shape) if good else np.zeros(shape, "uint8"), good
    except OSError as error:
        raise UserError(
            f"Cannot keep the decoded images in {tempfile.tempdir or 'TMPDIR'}: {error.strerror}. Set TMPDIR to a "
            "folder with more space."
        ) from error
