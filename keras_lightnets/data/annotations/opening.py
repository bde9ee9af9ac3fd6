"""Opening annotated images by the name of their data, split for training, validation and test."""

import hashlib
from collections import Counter
from pathlib import Path

from keras_lightnets.data.annotations import cityscapes, coco, masks, voc, yolo
from keras_lightnets.data.annotations.sources import boxed_files, masked_files
from keras_lightnets.data.annotations.splitting import split
from keras_lightnets.data.annotations.tfds import boxes_of, masks_of
from keras_lightnets.data.source import Contents, make_data
from keras_lightnets.data.tfds import prepared_builder
from keras_lightnets.errors import UserError

_FORMATS = {"detect": (coco, voc, yolo), "segment": (masks, cityscapes)}
_SOURCES = {"detect": boxed_files, "segment": masked_files}
_BUILDERS = {"detect": boxes_of, "segment": masks_of}


def open_annotated(name, task, seed, holdout, shuffle_buffer=16384, skip_bad_images=False):
    """Opens annotated images.

    Args:
        name: str or Path of a folder, or "tfds:NAME" for TensorFlow Datasets: boxes of coco/2017, voc/2012 and others,
            masks of oxford_iiit_pet.
        task: "detect" for boxes, "segment" for masks.
        seed: int, seed of the split.
        holdout: float, share of the training images that becomes the validation. With 0, validation is the test.
        shuffle_buffer: int, as in `open_data`. Defaults to 16384.
        skip_bad_images: bool, whether to leave out images that cannot be read, and those whose annotations are wrong,
            instead of raising. Defaults to False.

    Returns:
        A `Data`. `bad` has the messages about the images left out. It has `contents`, unless it comes from TensorFlow
        Datasets, which would have to be read as a whole.

    Raises:
        UserError: if the data cannot be opened, or an annotation is wrong: names the file and the object.
    """
    kind, _, rest = str(name).partition(":")
    if kind == "tfds":
        if skip_bad_images:
            raise UserError(f"{name}: bad images can be skipped in folders only.")
        return _BUILDERS[task](prepared_builder(rest), holdout, shuffle_buffer)
    root = Path(name)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder. Give a folder of annotated images.")
    kinds = {kind: found for kind in _FORMATS[task] if (found := kind.find(root))}
    if len(kinds) != 1:
        names = [kind.NAME for kind in kinds or _FORMATS[task]]
        if kinds:
            raise UserError(f"{root} holds annotations of two formats, {' and '.join(names)}. Keep one of them.")
        raise UserError(f"{root} holds no annotations to {task}: it needs {' or '.join(names)}.")
    ((kind, found),) = kinds.items()
    classes, parts, left_out, bad = kind.read(root, found, skip_bad_images)
    parts = {part: images for part, images in split(root, parts, classes, seed, holdout).items() if images}
    splits = {part: _SOURCES[task](images) for part, images in parts.items()}
    identity = [f"{part} {image.path.name} {_digest(image)}" for part, images in parts.items() for image in images]
    contents = {part: _contents(images, len(classes)) for part, images in parts.items()}
    return make_data(classes, splits, identity, left_out)._replace(contents=contents, bad=tuple(bad))


def _digest(image):
    parts = (image.labels, image.boxes, image.ignored)
    content = image.mask.read_bytes() if image.mask else b"".join(part.tobytes() for part in parts)
    return hashlib.sha256(content).hexdigest()[:16]


def _contents(images, classes):
    counts = Counter(label for image in images for label in image.learned.tolist())
    background = sum(not len(image.learned) for image in images)
    return Contents(len(images), background, tuple(counts[number] for number in range(classes)))
