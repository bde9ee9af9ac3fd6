"""The images on which a network errs most, to look at."""

import tensorflow as tf

from keras_lightnets.data.windows import show_whole

# How many images are shown.
MOST = 8
_SIDE = 320


def shown(source, numbers):
    """Returns images of a `Source` as users see them.

    Args:
        source: `Source` of annotated images.
        numbers: list of int, places in the stored order.

    Returns:
        A list of tuples, in the order of `numbers`: the number, uint8 pixels `(320, 320, 3)`, and the target.
    """
    if not numbers:
        return []
    records = source.ordered(None).enumerate().filter(lambda number, _: tf.reduce_any(number == numbers))
    images = records.map(
        lambda number, record: (number, show_whole(source.read(record[0]), _SIDE), source.target(record[1]))
    )
    found = {number: (pixels.astype("uint8"), target) for number, pixels, target in images.as_numpy_iterator()}
    return [(number, *found[number]) for number in numbers]
