"""What annotation files say about one image, whatever their format: the same small record."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lightnets.data.images import image_size, read_image
from keras_lightnets.errors import UserError


class Annotated(NamedTuple):
    """An image file and what it shows.

    Attributes:
        path: Path of the image.
        size: its height and width in pixels, upright.
        labels: int64 array `(objects,)`, the class of each box. With a mask, the classes that have pixels.
        boxes: float32 array `(objects, 4)`, "rel_yxyx". None with a mask.
        ignored: bool array `(objects,)`: crowds and difficult objects, which are neither learned nor counted. None with
            a mask.
        areas: float32 array `(objects,)`, in square pixels of the image. None with a mask.
        mask: Path of the picture of the class numbers. None with boxes.
    """

    path: Path
    size: tuple[int, int]
    labels: np.ndarray
    boxes: np.ndarray | None = None
    ignored: np.ndarray | None = None
    areas: np.ndarray | None = None
    mask: Path | None = None

    @property
    def learned(self):
        """The classes of the objects that count, an int64 array."""
        return self.labels if self.ignored is None else self.labels[~self.ignored]


class Box(NamedTuple):
    """One object: where it is written, class number, y and x of two corners relative to the image, and the rest."""

    origin: str
    label: int
    corners: tuple[float, float, float, float]
    ignored: bool = False
    area: float | None = None


def with_boxes(path, size, objects):
    """Returns the `Annotated` of an image and its `Box`es.

    Args:
        path: Path of the image.
        size: height and width.
        objects: list of `Box`.

    Raises:
        UserError: names the first object whose box is empty, inverted, not finite, or reaches outside the image by more
            than a pixel. Less than a pixel comes from rounding and is cut off.
    """
    # By way of pixels, as a wrong box is told in them.
    pixels = np.array([box.corners for box in objects], "float64").reshape(-1, 4) * (*size, *size)
    inside = np.clip(pixels, 0, (*size, *size))
    corners = (inside / (*size, *size)).astype("float32")
    # A side may be too short for 32 bits.
    empty = (corners[:, 2:] <= corners[:, :2]).any(axis=1)
    for number, (box, (top, left, bottom, right)) in enumerate(zip(objects, pixels, strict=True)):
        shown = f"{box.origin}: the box from x={left:.6g}, y={top:.6g} to x={right:.6g}, y={bottom:.6g}"
        if not np.isfinite([top, left, bottom, right]).all():
            raise UserError(f"{shown} holds numbers that are not finite. Mend or remove it.")
        if bottom <= top or right <= left:
            raise UserError(f"{shown} is empty or inverted. Mend or remove it.")
        if top < -1 or left < -1 or bottom > size[0] + 1 or right > size[1] + 1:
            raise UserError(f"{shown} is not inside {path.name}, {size[1]}x{size[0]} pixels. Mend or remove it.")
        if empty[number]:
            raise UserError(f"{shown} is empty inside {path.name}, {size[1]}x{size[0]} pixels. Mend or remove it.")
        if box.area is not None and not 0 <= box.area <= float(np.finfo("float32").max):
            raise UserError(f"{box.origin} has an area of {box.area:.6g} pixels. Mend or remove it.")
    whole = (inside[:, 2:] - inside[:, :2]).prod(axis=1)
    areas = [full if box.area is None else box.area for box, full in zip(objects, whole, strict=True)]
    return Annotated(
        path,
        size,
        np.array([box.label for box in objects], "int64"),
        corners,
        np.array([box.ignored for box in objects], bool),
        np.array(areas, "float32"),
    )


def check_size(origin, image, size, stated):
    """Raises a UserError if a file of annotations says that an image has another height and width than it has.

    Args:
        origin: Path of the file.
        image: Path of the image.
        size: height and width that it has.
        stated: height and width as the file says them, of any type. Nothing and 0 say nothing.
    """
    if not all(stated):
        return
    try:
        # Some programs write numbers as text.
        numbers = [float(number) for number in stated]
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or not np.isfinite(numbers).all():
        shown = " and ".join(f"{number!r:.20}" for number in reversed(stated))
        raise UserError(f"{origin} has no numbers as width and height of {image.name}: {shown}. Mend or remove them.")
    if all(numbers) and numbers != list(size):
        raise UserError(
            f"{origin} says that {image.name} has {stated[1]!s:.20}x{stated[0]!s:.20} pixels; upright it has "
            f"{size[1]}x{size[0]}. Mend or remove it."
        )


def annotate(paths, about, skip):
    """Reads the annotations of images.

    Args:
        paths: list of Paths of images.
        about: function from the Path of an image, and its height and width, to its `Annotated`. Called in parallel.
        skip: bool, whether to leave out images that cannot be read, and those whose annotations are wrong, instead of
            raising.

    Returns:
        A list of `Annotated`, and a list of the messages about those left out.

    Raises:
        UserError: names the first image or annotation that is wrong, unless `skip`.
    """

    def attempt(path):
        try:
            # The first bytes do not tell whether the rest of an image can be read.
            return about(path, read_image(path).shape[:2] if skip else image_size(path))
        except UserError as error:
            if not skip:
                raise
            return str(error)

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(attempt, paths))
    return [one for one in found if isinstance(one, Annotated)], [one for one in found if isinstance(one, str)]
