"""Folders of images beside folders of their annotations: which belong together, as a whole and file by file."""

from collections import Counter

from keras_lightnets.data.annotations.names import read_text
from keras_lightnets.data.folder import part_named
from keras_lightnets.data.images import suffixes
from keras_lightnets.data.listing import files_below, subfolders
from keras_lightnets.errors import UserError

# Names of a million images.
_LARGEST = 20_000_000


def part_of(name):
    """Returns the part of the data that a folder such as "val2017" is called after, or None."""
    return part_named(name.rstrip("0123456789"))


def folder_pairs(root, images, annotations):
    """Finds a folder of images and one of annotations for each part of the data.

    They are `images` and `annotations` below `root` or, where the data are in parts, `train/images` or `images/train`.

    Args:
        root: Path.
        images: tuple of names of folders of images.
        annotations: tuple of names of folders of annotations.

    Returns:
        A dict from "train", "validation" and "test" to pairs of Paths. It has "train" alone if the data have no parts,
        and is empty if there are no such folders.
    """
    own = _pair(root, images, annotations)
    if own is None:
        found = [(part_of(folder.name), _pair(folder, images, annotations)) for folder in subfolders(root)]
        return _parts(root, [(part, pair) for part, pair in found if part and pair])
    below = subfolders(own[0])
    if not below or not all(part_of(folder.name) for folder in below):
        return {"train": own}
    return _parts(own[0], [(part_of(folder.name), (folder, own[1] / folder.name)) for folder in below])


def _pair(folder, images, annotations):
    names = {path.name.lower(): path for path in subfolders(folder)}
    pair = [next((names[name] for name in kind if name in names), None) for kind in (images, annotations)]
    return tuple(pair) if all(pair) else None


def _parts(folder, pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UserError(f"{folder} holds two folders of the same part. Join them.")
    return found


def file_pairs(images, annotations, ending, beside=()):
    """Pairs the images below a folder with the annotations of the same names below another one.

    Args:
        images: Path of the folder of images.
        annotations: Path of the folder of annotations. It may be the same.
        ending: str, such as ".txt", of the annotations.
        beside: names of files that are no annotations. Defaults to an empty tuple.

    Returns:
        A dict from the Paths of the images to the Paths of the annotations or None, and a `Counter` of the other files.

    Raises:
        UserError: if an annotation has no image, or two images have the same name.
    """
    (pictures, left_out), (files, others) = files_below(images, suffixes()), files_below(annotations, {ending})
    if images == annotations:
        # Each listing has left out the files of the other one.
        left_out, others = left_out & others, Counter()
    by_name = {_name(path, images): path for path in pictures}
    if len(by_name) < len(pictures):
        twice = next(path for path in pictures if by_name[_name(path, images)] != path)
        raise UserError(f"{twice} and {by_name[_name(twice, images)]} have the same name. Rename one of them.")
    known = {_name(path, annotations): path for path in files if path.name not in beside}
    for name, path in known.items():
        if name not in by_name:
            raise UserError(f"{path} has no image: there is none of its name in {images}. Add it, or remove the file.")
    return {path: known.get(name) for name, path in by_name.items()}, left_out + others


def _name(path, folder):
    return path.relative_to(folder).with_suffix("")


def listed_files(root, kind, parts):
    """Returns the files that Pascal VOC's lists in `ImageSets` name, or all where there are no lists.

    Without `train.txt`, what `val.txt` does not list of `trainval.txt` is for training.

    Args:
        root: Path of the data.
        kind: str, the folder of the lists, such as "Main".
        parts: dict from part to dicts of `file_pairs`.

    Raises:
        UserError: if a list names an image that is not there.
    """
    files = {path.stem: (path, annotation) for pairs in parts.values() for path, annotation in pairs.items()}
    chosen = {}
    for part, names in {"train": ("train", "trainval"), "validation": ("val",), "test": ("test",)}.items():
        lists = [root / "ImageSets" / kind / f"{name}.txt" for name in names]
        if (path := next((path for path in lists if path.is_file()), None)) is None:
            continue
        stems = [line.split()[0] for line in read_text(path, _LARGEST).splitlines() if line.strip()]
        if missing := sorted(set(stems) - set(files)):
            raise UserError(f"{path} lists {missing[0]:.60}, but {root} has no such image. Add it, or remove the line.")
        chosen[part] = dict(files[stem] for stem in sorted(set(stems)))
    if "validation" in chosen and "train" in chosen and not (root / "ImageSets" / kind / "train.txt").is_file():
        chosen["train"] = {image: file for image, file in chosen["train"].items() if image not in chosen["validation"]}
    return chosen or parts
