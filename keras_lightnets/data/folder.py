"""A folder of images, one folder a class, as arrays for training, validation and test."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lightnets.data.images import SUFFIXES, BadImageError, load_square
from keras_lightnets.errors import UserError

_TEST_NAMES = ("test", "val", "valid", "validation")
_SHARE = 0.1
# Training images are kept larger than the network takes them, so that random crops stay sharp.
MARGIN = 8 / 7


class Split(NamedTuple):
    """Files of one part of the data: paths and the number of the class of each."""

    paths: tuple
    labels: np.ndarray


class Folder(NamedTuple):
    """A folder of images: names of the classes, and the three parts by name."""

    classes: tuple[str, ...]
    splits: dict[str, Split]

    @property
    def identity(self):
        """What tells these images apart from others: part, class and file name of each."""
        return [
            f"{part} {label} {path.name}"
            for part, split in self.splits.items()
            for path, label in zip(*split, strict=True)
        ]


def read_folder(data, seed, holdout=_SHARE):
    """Lists the images below `data` and splits them.

    `data` holds one folder per class, or `train/` and `test/` with one folder per class in each. Without `test/` a
    tenth of every class is held out for the test.

    Args:
        data: str or Path of the folder.
        seed: int, the split is the same for the same files and seed.
        holdout: float, share of the training images of every class, at least one, that is held out for validation; 0
            for none. Defaults to 0.1.

    Returns:
        A `Folder`.

    Raises:
        UserError: if the folder is missing or empty, has one class, a class has too few images, or `test/` has a class
            that `train/` lacks.
    """
    data = Path(data)
    if not data.is_dir():
        raise UserError(f"{data} is not a folder. Give a folder with one folder of images per class.")
    train = data / "train"
    held_out = next((data / name for name in _TEST_NAMES if (data / name).is_dir()), None) if train.is_dir() else None
    files = _class_files(train if train.is_dir() else data)
    classes = tuple(files)
    test_files = _class_files(held_out) if held_out else {}
    if unknown := sorted(set(test_files) - set(classes)):
        raise UserError(f"{held_out / unknown[0]} is a class that {train} lacks. Rename it or add training images.")
    parts = {"train": [], "validation": [], "test": []}
    random = np.random.default_rng(seed)
    for number, (name, paths) in enumerate(files.items()):
        paths = [paths[i] for i in random.permutation(len(paths))]
        counts = {
            part: max(1, round(share * len(paths))) if share else 0
            for part, share in (("test", 0 if held_out else _SHARE), ("validation", holdout))
        }
        if len(paths) <= sum(counts.values()):
            raise UserError(
                f"{paths[0].parent} has {len(paths)} images; class {name!r} needs at least {sum(counts.values()) + 1}."
            )
        for part, count in counts.items():
            parts[part] += [(path, number) for path in paths[:count]]
            paths = paths[count:]
        parts["train"] += [(path, number) for path in paths]
        parts["test"] += [(path, number) for path in test_files.get(name, ())]
    splits = {
        part: Split(tuple(path for path, _ in rows), np.array([label for _, label in rows], "int64"))
        for part, rows in parts.items()
    }
    return Folder(classes, splits)


def _class_files(folder):
    files = {}
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.name.startswith("."):
            files[child.name] = sorted(
                p for p in child.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
            )
    if not any(files.values()):
        raise UserError(f"{folder} holds no folders of images ({', '.join(SUFFIXES)}). Put one folder per class there.")
    if empty := [name for name, paths in files.items() if not paths]:
        raise UserError(f"{folder / empty[0]} holds no images. Put some there, or remove the folder.")
    if len(files) == 1:
        raise UserError(f"{folder} holds one class only, {next(iter(files))!r}. A classifier needs at least two.")
    return files


class Images(NamedTuple):
    """Decoded images of one split: uint8 pixels `(n, side, side, 3)` and class numbers `(n,)`."""

    pixels: np.ndarray
    labels: np.ndarray


def decode(folder, size, cache, skip_bad_images, advance):
    """Decodes every image of a folder once, into memory-mapped arrays.

    Args:
        folder: a `Folder`.
        size: int, side of the network's input. Training images are kept `MARGIN` times larger.
        cache: Path of an existing folder for the arrays.
        skip_bad_images: bool, whether to leave out images that cannot be read instead of raising.
        advance: callable, called after each image.

    Returns:
        A dict from split name to `Images`, and the list of the messages about images left out.

    Raises:
        BadImageError: names the first image that cannot be read.
        UserError: if no image is left of a class that has to be learned.
    """
    decoded, bad = {}, []
    for part, split in folder.splits.items():
        side = round(MARGIN * size) if part == "train" else size

        def attempt(path, side=side):
            try:
                return load_square(path, side)[0]
            except BadImageError as error:
                if not skip_bad_images:
                    raise BadImageError(f"{error} Mend or remove it, or pass --skip-bad-images.") from error
                return error

        shape = (len(split.paths), side, side, 3)
        pixels = np.lib.format.open_memmap(cache / f"{part}.npy", mode="w+", dtype="uint8", shape=shape)
        good = []
        with ThreadPoolExecutor() as pool:
            for index, image in enumerate(pool.map(attempt, split.paths)):
                if isinstance(image, BadImageError):
                    bad.append(str(image))
                else:
                    pixels[len(good)] = image
                    good.append(index)
                advance()
        decoded[part] = Images(pixels[: len(good)], split.labels[good])
    for number, name in enumerate(folder.classes):
        if number not in decoded["train"].labels:
            raise UserError(f"No readable training image is left of class {name!r}.")
    for part, images in decoded.items():
        if not len(images.labels):
            raise UserError(f"No readable image is left for {part}.")
    return decoded, bad
