"""Annotated images split for training, validation and test, so that every class is learned."""

from collections import Counter

import numpy as np

from keras_lightnets.data.folder import TEST_SHARE
from keras_lightnets.errors import UserError


def split(root, parts, classes, seed, holdout):
    """Splits annotated images as `read_folder` splits those in class folders.

    Args:
        root: Path of the data, for messages.
        parts: dict from "train", and perhaps "validation" and "test", to lists of `Annotated`.
        classes: tuple of the names of the classes.
        seed: int. The same images and seed give the same split.
        holdout: float, share of the training images that is held out for validation, at least one. 0 for none.

    Returns:
        A dict from "train", "validation" and "test" to lists of `Annotated`. Validation may be empty.

    Raises:
        UserError: if there are no training images, too few of them, one is in another part too, or a class has no
            object among them.
    """
    parts = dict(parts)
    if "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
    for part in ("train", "test"):
        if not parts.get(part, part == "test"):
            raise UserError(f"{root} holds no annotated images for {part}.")
    training = {image.path for image in parts["train"]}
    for part in ("validation", "test"):
        if both := next((image.path for image in parts.get(part, ()) if image.path in training), None):
            raise UserError(f"{both} is named for training and for {part}. Leave it in one of them.")
    left = Counter(int(label) for image in parts["train"] for label in set(image.learned.tolist()))
    for number, name in enumerate(classes):
        if not left[number]:
            but = " Masks: pixels of 255 do not count." if any(image.mask for image in parts["train"]) else ""
            raise UserError(
                f"{root} has no training image with an object of class {name!r}. Add one, or leave the class out.{but}"
            )
    order = np.random.default_rng(seed).permutation(len(parts["train"]))
    train, shares = [parts["train"][i] for i in order], {"test": TEST_SHARE, "validation": holdout}
    for part in [part for part in shares if part not in parts]:
        count = max(1, round(shares[part] * len(order))) if shares[part] else 0
        parts[part], train = _held_out(train, count, left)
        if len(parts[part]) < count or not train:
            raise UserError(
                f"{root} has too few training images, {len(order)}, to hold out {count} for {part}: every class must "
                "keep one. Add images."
            )
    return {"train": train, "validation": parts["validation"], "test": parts["test"]}


def _held_out(images, count, left):
    """Takes images away, but none that is the last of a class. `left` counts the images of each class."""
    held, kept = [], []
    for image in images:
        own = set(image.learned.tolist())
        if len(held) < count and all(left[label] > 1 for label in own):
            left.subtract(own)
            held.append(image)
        else:
            kept.append(image)
    return held, kept
