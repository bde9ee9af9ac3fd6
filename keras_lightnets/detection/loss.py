"""SSD's loss: every anchor is told its object or the background, and most of the background does not count."""

import keras
import numpy as np
from keras import ops

from keras_lightnets.detection.boxes import encode, shares_inside

# The label of crowds and difficult objects.
UNCLEAR = -2
# An anchor that overlaps a box this much stands for its object.
_THRESHOLD = 0.5
_NEGATIVES = 3


def match(boxes, labels, anchors, image_shape):
    """Tells every anchor its object.

    An anchor takes the box that it overlaps most, if the intersection over union is at least 0.5. Each box also gets
    the anchor that overlaps it most, whatever that is.

    Args:
        boxes: float tensor `(batch, objects, 4)`, "rel_yxyx".
        labels: int tensor `(batch, objects)`, negative for what is no object to learn.
        anchors: float array `(anchors, 4)`, as `Anchors.anchors`.
        image_shape: tuple `(height, width, channels)`.

    Returns:
        The box of each anchor, `(batch, anchors, 4)`, and its class, an int tensor `(batch, anchors)`: 0 for the
        background and `label + 1` for an object.
    """
    # Object 0 is the background, so that there always is an object to choose.
    labels = ops.pad(ops.cast(labels, "int32") + 1, ((0, 0), (1, 0)))
    boxes = ops.pad(boxes, ((0, 0), (1, 0), (0, 0)))
    real = labels[:, None] > 0
    corners = keras.utils.bounding_boxes.convert_format(anchors, source="center_yxhw", target="yxyx")
    overlap = keras.utils.bounding_boxes.compute_iou(corners, boxes, "rel_yxyx", image_shape=image_shape)
    overlap = ops.where(real, overlap, -1.0)
    chosen = ops.where(ops.max(overlap, axis=2) >= _THRESHOLD, ops.argmax(overlap, axis=2), 0)
    best = ops.one_hot(ops.argmax(overlap, axis=1), len(anchors), axis=1, dtype="bool")
    # Where one anchor is the best of several boxes, it takes the last of them.
    order = ops.arange(ops.shape(boxes)[1], dtype="int32")
    forced = ops.max(ops.where(ops.logical_and(best, real), order, 0), axis=2)
    chosen = ops.where(forced > 0, forced, ops.cast(chosen, "int32"))
    return (
        ops.take_along_axis(boxes, chosen[..., None], axis=1),
        ops.take_along_axis(labels, chosen, axis=1),
    )


class DetectionLoss(keras.losses.Loss):
    """Softmax cross-entropy with hard negatives, and smooth L1 of the box codes.

    Both are summed over the anchors that count and divided by the number of anchors with objects in the batch. The
    classes count for the anchors with objects and, image by image, for three times as many of the background: those
    that the detector finds hardest. An image without objects adds nothing. Anchors that lie by half inside a crowd or a
    difficult object are no background: they count as objects or not at all.

    Args:
        anchors: float array `(anchors, 4)`, as `Anchors.anchors`.
        image_shape: tuple `(height, width, channels)`.
        **kwargs: arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: dict of `"boxes"`, a float tensor `(batch, objects, 4)`, "rel_yxyx", and `"labels"`, an int tensor
            `(batch, objects)`, -1 for padding.
        y_pred: dict of the outputs of a `Detector`.

    Reference:
        Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016, section 2.2 (https://arxiv.org/abs/1512.02325).
    """

    def __init__(self, anchors: np.ndarray, image_shape: tuple, name: str = "detection_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.anchors = anchors
        self.image_shape = image_shape

    def call(self, y_true: dict, y_pred: dict):
        """Returns the loss of each image, `(batch,)`, scaled so that the mean is the loss of the batch."""
        boxes, classes = match(y_true["boxes"], y_true["labels"], self.anchors, self.image_shape)
        positive = classes > 0
        background = ops.logical_not(ops.logical_or(positive, _unclear(y_true, self.anchors)))
        # Huber's loss is a mean over the four codes.
        box = 4 * keras.losses.huber(encode(boxes, self.anchors), y_pred["boxes"])
        box = ops.sum(ops.where(positive, box, 0.0), axis=1)
        cross_entropy = ops.sparse_categorical_crossentropy(classes, y_pred["classes"], from_logits=True)
        most = _NEGATIVES * ops.sum(ops.cast(positive, "int32"), axis=1, keepdims=True)
        counts = ops.logical_or(positive, _hard(ops.stop_gradient(cross_entropy), background, most))
        cross_entropy = ops.sum(ops.where(counts, cross_entropy, 0.0), axis=1)
        positives = ops.mean(ops.sum(ops.cast(positive, box.dtype), axis=1))
        # Without any object in the batch both sums are zero.
        return (box + cross_entropy) / ops.where(positives > 0, positives, 1.0)


def _unclear(y_true, anchors):
    """Tells which anchors lie by half or more inside a crowd or a difficult object."""
    ignored = ops.cast(y_true["labels"], "int32")[:, None] == UNCLEAR
    return ops.any(ops.logical_and(ignored, shares_inside(anchors, y_true["boxes"]) >= _THRESHOLD), axis=2)


def _hard(losses, background, most):
    """Tells which anchors of the background count: those with the largest losses, at most so many in each image."""
    rank = ops.argsort(ops.argsort(-ops.where(background, losses, -1.0), axis=1), axis=1)
    return ops.logical_and(background, ops.cast(rank, "int32") < most)
