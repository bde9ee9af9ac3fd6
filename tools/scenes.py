"""Seeded outputs of a detector and objects for them, the same on every machine."""

import numpy as np

GRIDS = tuple((side, side) for side in (20, 10, 5, 3, 2, 1))
SIZE = 320
CLASSES = 90
# Boxes as "rel_yxyx" of two images: some that overlap, one small, one thin, one of nearly everything.
OBJECTS = {
    "boxes": np.array(
        [
            [[0.1, 0.11, 0.52, 0.6], [0.12, 0.1, 0.5, 0.63], [0.3, 0.55, 0.83, 0.92], [0.7, 0.71, 0.74, 0.77]],
            [[0.01, 0.2, 0.93, 0.9], [0.05, 0.4, 0.6, 0.47], [0, 0, 0, 0], [0, 0, 0, 0]],
        ],
        "float32",
    ),
    "labels": np.array([[2, 16, 89, 0], [43, 0, -1, -1]]),
}


def seeded_outputs(anchors):
    """Returns box codes and logits of two images."""
    random = np.random.RandomState(0)
    codes = random.standard_normal((2, anchors, 4))
    logits = 3 * random.standard_normal((2, anchors, CLASSES + 1))
    return {"boxes": codes.astype("float32"), "classes": logits.astype("float32")}
