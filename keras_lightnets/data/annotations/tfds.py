"""Annotated images of TensorFlow Datasets: boxes of COCO, Pascal VOC and the like, and masks of Oxford-IIIT Pet."""

import tensorflow as tf

from keras_lightnets.data.annotations.masks import IGNORED, read_mask
from keras_lightnets.data.images import encoded_size
from keras_lightnets.data.source import make_data
from keras_lightnets.data.tfds import check_classes, split_names, split_source
from keras_lightnets.errors import UserError

# Their test splits have no annotations.
_BARE_TESTS = ("coco/", "voc/2012/")
# Of the masks of Oxford-IIIT Pet: 1 is the pet, 2 the background, 3 the line between them.
_PETS, _TRIMAP = ("background", "pet"), (IGNORED, 1, 0, IGNORED)


def boxes_of(builder, holdout, buffer):
    """Returns the `Data` of a builder with the feature "objects": a sequence of "bbox" and "label".

    Crowds, difficult objects and empty boxes, of which COCO has some, are neither learned nor counted.

    Args:
        builder: `tfds.core.DatasetBuilder`, prepared.
        holdout: as in `open_annotated`.
        buffer: as in `open_annotated`, `shuffle_buffer`.

    Raises:
        UserError: if it has no such feature, no annotated test split, or a class without a training object.
    """
    # The names of features stand in dicts of TensorFlow Datasets.
    objects = dict(builder.info.features).get("objects")
    objects = getattr(objects, "feature", None)
    if objects is None or not {"bbox", "label"} <= set(objects):
        raise UserError(f"{builder.name} has no boxes: it needs the feature objects with bbox and label.")

    def record(example):
        about = example["objects"]
        boxes, labels = about["bbox"], about["label"]
        ignored = tf.reduce_any(boxes[:, 2:] <= boxes[:, :2], axis=1)
        for name in ("is_crowd", "is_difficult"):
            if name in about:
                ignored |= about[name]
        known = {"boxes": boxes, "labels": labels, "ignored": ignored, "image": example["image"]}
        return example["image"], known | ({"areas": about["area"]} if "area" in about else {})

    def target(known):
        size = encoded_size(known["image"])
        boxes = known["boxes"]
        areas = known.get("areas", tf.reduce_prod((boxes[:, 2:] - boxes[:, :2]) * tf.cast(size, tf.float32), axis=1))
        known = {name: known[name] for name in ("boxes", "labels", "ignored")}
        return {**known, "areas": tf.cast(areas, tf.float32), "size": size}

    bare = builder.info.full_name.startswith(_BARE_TESTS)
    parts = split_names(builder, holdout, ("validation", "val") if bare else ("test", "validation", "val"))
    splits = {part: split_source(builder, split, record, buffer, target) for part, split in parts.items()}
    names, every = objects["label"].names, split_source(builder, "train", record, buffer)
    check_classes(builder, names, every, lambda known: known["labels"][~known["ignored"]])
    return make_data(names, splits)


def masks_of(builder, holdout, buffer):
    """Returns the `Data` of Oxford-IIIT Pet: "background" and "pet". The line between them does not count.

    Args:
        builder: `tfds.core.DatasetBuilder`, prepared.
        holdout: as in `open_annotated`.
        buffer: as in `open_annotated`, `shuffle_buffer`.

    Raises:
        UserError: for another data set, whose classes are not known.
    """
    if builder.name != "oxford_iiit_pet":
        raise UserError(f"{builder.name} has no masks that are known here: use oxford_iiit_pet, or a folder of masks.")

    def record(example):
        return example["image"], example["segmentation_mask"]

    def target(mask):
        return tf.gather(tf.constant(_TRIMAP, tf.uint8), tf.cast(read_mask(mask), tf.int32))

    splits = {
        part: split_source(builder, split, record, buffer, target)
        for part, split in split_names(builder, holdout).items()
    }
    return make_data(_PETS, splits)
