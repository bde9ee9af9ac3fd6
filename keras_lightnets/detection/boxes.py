"""Boxes as a detector codes them, and how much two of them overlap.

All boxes are `keras.utils.bounding_boxes`' format "rel_yxyx": top, left, bottom and right, relative to the image.
"""

import keras
import numpy as np
from keras import ops

# By these the codes of y, x, height and width are divided: 10, 10, 5 and 5 in TensorFlow's and torchvision's words.
VARIANCES = (0.1, 0.1, 0.2, 0.2)


def encode(boxes, anchors):
    """Returns the codes `(batch, anchors, 4)` of boxes, one for each anchor.

    Args:
        boxes: float tensor `(batch, anchors, 4)`, "rel_yxyx".
        anchors: float array `(anchors, 4)`, as `Anchors.anchors`.
    """
    # Relative units on both sides need no size of the image.
    return keras.utils.bounding_boxes.encode_box_to_deltas(
        anchors, boxes, anchor_format="center_yxhw", box_format="yxyx", variance=VARIANCES
    )


def decode(codes, anchors):
    """Returns the boxes `(batch, anchors, 4)`, "rel_yxyx", that codes stand for. They may reach outside the image."""
    codes = ops.convert_to_tensor(codes, "float32")
    return keras.utils.bounding_boxes.decode_deltas_to_boxes(
        anchors,
        codes,
        anchor_format="center_yxhw",
        box_format="yxyx",
        variance=VARIANCES,
    )


def shares_inside(anchors, boxes):
    """Returns which share of each anchor lies inside each box.

    Args:
        anchors: float array `(anchors, 4)`, as `Anchors.anchors`.
        boxes: float tensor `(batch, objects, 4)`, "rel_yxyx".

    Returns:
        Float tensor `(batch, anchors, objects)`.
    """
    corners = keras.utils.bounding_boxes.convert_format(anchors, source="center_yxhw", target="yxyx")
    corners, boxes = corners[None, :, None], ops.cast(boxes, "float32")[:, None]
    sides = ops.minimum(corners[..., 2:], boxes[..., 2:]) - ops.maximum(corners[..., :2], boxes[..., :2])
    return ops.prod(ops.relu(sides), axis=-1) / anchors[:, 2:].prod(axis=1)[:, None]


def overlaps(boxes: np.ndarray, others: np.ndarray, crowd: np.ndarray | bool = False) -> np.ndarray:
    """Returns the intersection over union of every box with every other one.

    Args:
        boxes: float array `(n, 4)`, "rel_yxyx".
        others: float array `(m, 4)`, "rel_yxyx".
        crowd: bool array `(m,)`: which of the others are crowds, as COCO has them. A box inside a crowd overlaps it
            fully: the intersection is divided by the area of the box alone. Defaults to False: none.

    Returns:
        Float array `(n, m)`.
    """
    boxes, others = boxes[:, None].astype("float64"), others[None].astype("float64")
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    areas, other_areas = ((box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (boxes, others))
    union = np.where(crowd, areas, areas + other_areas - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
