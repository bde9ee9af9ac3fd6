"""A folder of images, one folder a class, split for training, validation and test."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lightnets.data.listing import class_files, subfolders
from keras_lightnets.errors import UserError

# Of the images, where they have no part for the test.
TEST_SHARE = 0.1
# The usual names of the folders of parts, less "_set", "_data" and the like at their ends.
_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "holdout"), "test"),
}


class Split(NamedTuple):
    """Files of one part of the data: paths and the number of the class of each."""

    paths: tuple
    labels: np.ndarray


class Folder(NamedTuple):
    """A folder of images: names of the classes, the three parts by name, and counts of left-out files by reason."""

    classes: tuple[str, ...]
    splits: dict[str, Split]
    left_out: Counter

    @property
    def identity(self):
        """What tells these images apart from others: part, class and file name of each."""
        return [
            f"{part} {label} {path.name}"
            for part, split in self.splits.items()
            for path, label in zip(*split, strict=True)
        ]


def read_folder(data, seed, holdout=TEST_SHARE):
    """Lists the images below `data` and splits them.

    `data` holds one folder per class, or the parts `train`, `validation` and `test` with one folder per class in each.
    Other usual names of the parts, such as `Training` or `val`, are known too. Without `test` the validation part is
    the test. Without both a tenth of every class is held out for the test. Hidden files are left out.

    Args:
        data: str or Path of the folder.
        seed: int, the split is the same for the same files and seed.
        holdout: float, share of the training images of every class, at least one, that is held out for validation. 0
            holds out none. It is not used where `data` has its own validation part beside `test`. Defaults to 0.1.

    Returns:
        A `Folder`.

    Raises:
        UserError: if the folder is missing, empty or unreadable, has one class or a class with too few images, has
            classes that `train` lacks, or parts beside other folders.
    """
    data = Path(data)
    if not data.is_dir():
        raise UserError(f"{data} is not a folder. Give a folder with one folder of images per class.")
    folders = _parts(data)
    listings = {part: class_files(folder) for part, folder in folders.items()}
    files = {part: images for part, (images, _) in listings.items()}
    classes = tuple(files["train"])
    if len(classes) == 1:
        raise UserError(f"{folders['train']} holds one class only, {classes[0]!r}. A classifier needs at least two.")
    for part, folder in folders.items():
        if unknown := sorted(set(files[part]) - set(classes)):
            raise UserError(
                f"{folder / unknown[0]} is a class that {folders['train']} lacks. Rename it or add training images."
            )
    shares = {part: share for part, share in (("test", TEST_SHARE), ("validation", holdout)) if part not in files}
    rows = {"train": [], "validation": [], "test": []}
    random = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        paths = [files["train"][name][i] for i in random.permutation(len(files["train"][name]))]
        counts = {part: max(1, round(share * len(paths))) if share else 0 for part, share in shares.items()}
        if len(paths) <= sum(counts.values()):
            raise UserError(
                f"{folders['train'] / name} has {len(paths)} images; class {name!r} needs at least "
                f"{sum(counts.values()) + 1}."
            )
        for part, count in counts.items():
            rows[part] += [(path, number) for path in paths[:count]]
            paths = paths[count:]
        own = {part: images.get(name, ()) for part, images in files.items()} | {"train": paths}
        for part, images in own.items():
            rows[part] += [(path, number) for path in images]
    splits = {
        part: Split(tuple(path for path, _ in pairs), np.array([label for _, label in pairs], "int64"))
        for part, pairs in rows.items()
    }
    return Folder(classes, splits, sum((left_out for _, left_out in listings.values()), Counter()))


def _parts(data):
    """Returns the folders of the parts by name, or the training part alone if `data` itself holds the classes."""
    folders = subfolders(data)
    parts = [(part, folder) for folder in folders if (part := part_named(folder.name))]
    names, found = ", ".join(folder.name for _, folder in parts), dict(parts)
    others = [folder.name for folder in folders if not part_named(folder.name)]
    # A class may be called "train", but then it holds images as the other classes do.
    if not any(subfolders(folder) for folder in found.values()):
        if parts and not others:
            raise UserError(f"{data} holds {names} without class folders. Put one folder per class in each of them.")
        return {"train": data}
    if others:
        raise UserError(f"{data} holds parts ({names}) and other folders ({others[0]}). Keep parts or classes only.")
    if len(found) < len(parts):
        raise UserError(f"{data} holds two folders of the same part among {names}. Join them.")
    if "train" not in found:
        raise UserError(f"{data} holds {names} but no folder train.")
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    return found


def part_named(name):
    """Returns the part of the data that a folder is called after: "train", "validation", "test" or None."""
    word = re.sub(r"[-_. ]", "", name.lower())
    return _PARTS.get(re.sub("(set|data|images|split)$", "", word))
