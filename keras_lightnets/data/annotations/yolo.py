"""YOLO's text files: one for each image, with a line for each object.

A line has the number of the class, x and y of the centre, width and height, relative to the image. The folders are
`images` and `labels`, or `train/images` and `train/labels`, or `images/train` and `labels/train`, and so on for
`val` and `test`. The names of the classes stand in `classes.txt`, one a line, or in `data.yaml`. Where `data.yaml`
names folders or lists of images for the parts, these are used.
"""

from collections import Counter

from keras_lightnets.data.annotations import ultralytics
from keras_lightnets.data.annotations.names import read_names, read_text
from keras_lightnets.data.annotations.pairs import file_pairs, folder_pairs
from keras_lightnets.data.annotations.record import Box, annotate, with_boxes
from keras_lightnets.errors import UserError

NAME = "YOLO txt (images/ and labels/)"
_NAMES = ("classes.txt", "obj.names", *ultralytics.NAMES)
# Ten thousand objects take 400 kB.
_LARGEST = 10_000_000


def find(root):
    """Returns the pairs of folders by part, an empty dict where there are none."""
    return folder_pairs(root, ("images",), ("labels",))


def read(root, found, skip):
    """Reads the annotations.

    Args:
        root: Path of the data.
        found: what `find` returned.
        skip: bool, as in `annotate`.

    Returns:
        The names of the classes, a dict from part to a list of `Annotated`, a `Counter` of what is left out, and the
        messages about images that are skipped.

    Raises:
        UserError: names the file, and the line or image, that is wrong.
    """
    classes = _classes(root, found)
    pairs, parts, left_out, bad = {}, {}, Counter(), []
    for part, folders in found.items():
        pairs[part], others = file_pairs(*folders, ".txt", _NAMES)
        left_out += others
    if description := _named(root, found, ultralytics.NAMES):
        by_name = any(images.parent != root for images, _ in found.values())
        pairs, others = ultralytics.named_files(description, root, pairs, by_name)
        left_out += others
    for part, files in pairs.items():

        def about(path, size, files=files):
            return with_boxes(path, size, _objects(files[path], classes) if files[path] else [])

        parts[part], messages = annotate(list(files), about, skip)
        bad += messages
    return classes, parts, left_out, bad


def _named(root, found, names):
    """Returns the first file with one of some names, in the folder of the data or beside labels, or None."""
    folders = [root, *(labels for _, labels in found.values()), *(labels.parent for _, labels in found.values())]
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def _classes(root, found):
    path = _named(root, found, _NAMES)
    if path is None:
        raise UserError(f"{root} names no classes: write classes.txt there, with one name a line, number 0 first.")
    return ultralytics.class_names(path) if path.name in ultralytics.NAMES else read_names(path)


def _objects(path, classes):
    """Returns the `Box`es of a file."""
    objects = []
    for number, line in enumerate(read_text(path, _LARGEST).splitlines(), 1):
        if not line.strip():
            continue
        origin, words = f"{path}, line {number}", line.split()
        if len(words) != 5:
            raise UserError(f"{origin} has {len(words)} numbers; a box has 5: class, x, y, width and height.")
        try:
            label, (x, y, width, height) = int(words[0]), map(float, words[1:])
        except ValueError as error:
            raise UserError(f"{origin} is no class and four numbers: {line.strip():.60}") from error
        if not 0 <= label < len(classes):
            raise UserError(f"{origin} has class {words[0]:.20}, which nobody named: there are {len(classes)} names.")
        objects.append(Box(origin, label, (y - height / 2, x - width / 2, y + height / 2, x + width / 2)))
    return objects
