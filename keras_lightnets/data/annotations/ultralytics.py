"""The file `data.yaml` of YOLO data, as Ultralytics and Roboflow write it: names of classes, and images of each part.

A part is a folder of images, a text file with the path of an image a line, or a list of those. Paths are relative to
`path`, or to the file itself.
"""

import os
from collections import Counter
from functools import cache

from keras_lightnets.data.annotations.names import checked_names, read_text
from keras_lightnets.data.annotations.pairs import part_of
from keras_lightnets.errors import UserError
from keras_lightnets.files import reading

NAMES = ("data.yaml", "data.yml", "dataset.yaml")
# Names of a million images.
_LARGEST = 50_000_000
_PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


def read_yaml(path):
    """Returns the content of a file, a dict. A UserError names it if it is damaged or holds something else."""
    try:
        import yaml
    except ImportError as error:
        raise UserError(
            f"{path} needs PyYAML: pip install 'keras_lightnets[yolo]', or write classes.txt in its place."
        ) from error
    text = read_text(path, _LARGEST)
    with reading(path, "Write classes.txt, one name a line, in its place."):
        content = yaml.safe_load(text)
    return content if isinstance(content, dict) else {}


def class_names(path):
    """Returns the names of the classes in a file, a tuple. A UserError names it if it has none."""
    names = read_yaml(path).get("names")
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise UserError(f"{path} has no list `names` of the classes. Write it, or classes.txt.")
    # A class may be 1, but YAML's `no` is no name.
    return checked_names([str(name) if type(name) is int else name for name in names], path)


def named_files(path, root, parts, by_name):
    """Returns the images that a file names for each part.

    Args:
        path: Path of the file.
        root: Path of the data.
        parts: dict from part to dicts of `file_pairs`.
        by_name: bool, whether the folders are called after their parts. Else all images are in one.

    Returns:
        A dict as `parts`, and a `Counter` of the images that no part has. Folders of parts that the file does not name
        keep theirs, without the images that it names for others.

    Raises:
        UserError: if what it names is not there, or has no images.
    """
    content = read_yaml(path)
    entries = {part: content[key] for key, part in _PARTS.items() if content.get(key)}
    if not entries:
        return parts, Counter()
    own = content.get("path")
    # What paths may be relative to, the likeliest first.
    bases = [*([path.parent / own] if isinstance(own, str) else []), path.parent, root]
    place = _places()
    known = {place(image): image for files in parts.values() for image in files}
    chosen = {}
    for part, entry in entries.items():
        chosen[part] = set()
        for one in entry if isinstance(entry, list) else [entry]:
            if not isinstance(one, str):
                raise UserError(f"{path}: {part} is {one!r:.60}, no folder or list of images. Mend or remove it.")
            images = _images(one, bases, known, place)
            if not images:
                # The folder of another machine, or one that was not exported: the folders here say the same.
                if not by_name or part not in map(part_of, one.replace("\\", "/").split("/")):
                    raise UserError(
                        f"{path}: {one:.80} for {part} has no images beside labels below {root}. Mend or remove it."
                    )
                images = parts.get(part, ())
            chosen[part].update(images)
    taken = set().union(*chosen.values())
    if by_name:
        chosen |= {part: files.keys() - taken for part, files in parts.items() if part not in chosen}
    files = {image: label for pairs in parts.values() for image, label in pairs.items()}
    left = len(files) - len(set().union(*chosen.values()))
    # In the order of the files.
    found = {part: {image: files[image] for image in files if image in images} for part, images in chosen.items()}
    return {part: pairs for part, pairs in found.items() if pairs}, Counter({f"images not in {path.name}": left})


def _places():
    """Returns a function from the path of an image to what is the same for every path to it."""
    real = cache(os.path.realpath)
    return lambda path: (real(os.path.dirname(path)), os.path.basename(path))


def _images(entry, bases, known, place):
    """Returns the images that a folder or a list has, or None if there are none."""
    # Roboflow writes one folder too high, and Ultralytics reads it so.
    for name in (entry, entry.removeprefix("../")):
        for base in bases:
            if os.path.isfile(base / name):
                return _listed(base / name, bases, known, place)
            folder = os.path.realpath(base / name) if os.path.isdir(base / name) else None
            if found := {image for (above, _), image in known.items() if folder and _is_below(above, folder)}:
                return found
    return None


def _is_below(folder, above):
    return folder == above or folder.startswith(os.path.join(above, ""))


def _listed(path, bases, known, place):
    images = set()
    for line in filter(None, map(str.strip, read_text(path, _LARGEST).splitlines())):
        with reading(path, "Mend or remove it."):
            places = [place(base / line) for base in (path.parent, *bases)]
        image = next((known[one] for one in places if one in known), None)
        if image is None:
            raise UserError(f"{path} lists {line:.80}, but no such image is beside labels. Add it, or remove the line.")
        images.add(image)
    return images
