"""What boxes and masks do where an image is cut, flipped and put into a batch: two classes with the same functions."""

import tensorflow as tf

from keras_lightnets.data.annotations.masks import IGNORED
from keras_lightnets.detection.loss import UNCLEAR

# The number of boxes of a batch is rounded up to a multiple.
_MULTIPLE = 16
_PADDING = tf.constant(-1, tf.int64)


class Boxes:
    """Targets are dicts of `"boxes"` and `"labels"`. In a `Source` they have `"ignored"` and `"size"` too."""

    @staticmethod
    def shape(target):
        """Returns height and width of the image in pixels, an int32 tensor `(2,)`."""
        return target["size"]

    @staticmethod
    def objects(target):
        """Returns the boxes of which a random part must show some."""
        return target["boxes"][~target["ignored"]]

    @staticmethod
    def part(target, window, size):
        """Returns the target in a window of the image. Crowds and difficult objects have the label `UNCLEAR`."""
        top, left, height, width = tf.unstack(tf.cast(window, tf.float32))
        whole = tf.cast(tf.tile(target["size"], [2]), tf.float32)
        boxes = (target["boxes"] * whole - tf.stack([top, left, top, left])) / tf.stack([height, width, height, width])
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        # Of a crowd every part counts.
        kept = target["ignored"] | tf.reduce_all((centres > 0) & (centres < 1), axis=1)
        labels = tf.where(target["ignored"], tf.constant(UNCLEAR, tf.int64), target["labels"])
        boxes = tf.clip_by_value(boxes, 0, 1)
        kept &= tf.reduce_all(boxes[:, 2:] > boxes[:, :2], axis=1)
        return {"boxes": boxes[kept], "labels": labels[kept]}

    @staticmethod
    def flipped(target, layer, flips):
        """Returns the target after a drawn flip of a `keras.layers.RandomFlip`."""
        flipped = layer.transform_bounding_boxes({name: part[None] for name, part in target.items()}, flips)
        return {**target, "boxes": flipped["boxes"][0]}

    @staticmethod
    def blank(target, is_blank):
        """Returns the target, or where `is_blank` one that shows nothing."""
        return {name: part[: tf.where(is_blank, 0, tf.shape(part)[0])] for name, part in target.items()}

    @staticmethod
    def batch(examples, batch_size):
        """Returns full batches of examples, tuples whose second value is the target."""
        padding = [tf.zeros((), spec.dtype) if i != 1 else None for i, spec in enumerate(examples.element_spec)]
        values = (padding[0], {"boxes": 0.0, "labels": _PADDING}, *padding[2:])
        return examples.padded_batch(batch_size, padding_values=values, drop_remainder=True)

    @staticmethod
    def finished(targets):
        """Returns the targets of a batch as a detector takes them."""
        count = tf.shape(targets["labels"])[1]
        more = -tf.maximum(count, 1) % _MULTIPLE + tf.cast(count == 0, tf.int32)
        return {
            "boxes": tf.pad(targets["boxes"], ((0, 0), (0, more), (0, 0))),
            "labels": tf.pad(targets["labels"], ((0, 0), (0, more)), constant_values=_PADDING),
        }


class Masks:
    """Targets are class numbers, uint8 `(height, width)`."""

    @staticmethod
    def shape(target):
        """Returns height and width of the image in pixels, an int32 tensor `(2,)`."""
        return tf.shape(target)

    @staticmethod
    def objects(target):
        """Returns the boxes of which a random part must show some: none."""
        return tf.zeros((0, 4))

    @staticmethod
    def part(target, window, size):
        """Returns the target in a window of the image, scaled as the image is."""
        top, left, height, width = tf.unstack(window)
        part = target[top : top + height, left : left + width, None]
        return tf.image.resize(part, (size, size), tf.image.ResizeMethod.NEAREST_NEIGHBOR)[..., 0]

    @staticmethod
    def flipped(target, layer, flips):
        """Returns the target after a drawn flip of a `keras.layers.RandomFlip`."""
        return layer.transform_segmentation_masks(target[None, ..., None], flips)[0, ..., 0]

    @staticmethod
    def blank(target, is_blank):
        """Returns the target, or where `is_blank` one that shows nothing."""
        return tf.where(is_blank, tf.cast(IGNORED, target.dtype), target)

    @staticmethod
    def batch(examples, batch_size):
        """Returns full batches of examples, tuples whose second value is the target."""
        return examples.batch(batch_size, drop_remainder=True)

    @staticmethod
    def finished(targets):
        """Returns the targets of a batch as a segmenter takes them."""
        return tf.cast(targets, tf.int32)
