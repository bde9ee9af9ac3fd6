"""YOLO's text files: one for each image, with a line for each object.

A line has the number of the class, x and y of the centre, width and height, relative to the image. The folders are
`images` and `labels`, or `train/images` and `train/labels`, or `images/train` and `labels/train`, and so on for
`val` and `test`. The names of the classes stand in `classes.txt`, one a line, or in `data.yaml`.
"""

from collections import Counter

from keras_lightnets.data.annotations.names import checked_names, read_names, read_text
from keras_lightnets.data.annotations.pairs import file_pairs, folder_pairs
from keras_lightnets.data.annotations.record import Box, annotate, with_boxes
from keras_lightnets.errors import UserError
from keras_lightnets.files import reading

NAME = "YOLO txt (images/ and labels/)"
_NAMES = ("classes.txt", "obj.names", "data.yaml", "data.yml", "dataset.yaml")
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
    parts, left_out, bad = {}, Counter(), []
    for part, folders in found.items():
        files, others = file_pairs(*folders, ".txt", _NAMES)
        left_out += others

        def about(path, size, files=files):
            return with_boxes(path, size, _objects(files[path], classes) if files[path] else [])

        parts[part], messages = annotate(list(files), about, skip)
        bad += messages
    return classes, parts, left_out, bad


def _classes(root, found):
    folders = [root, *(labels for _, labels in found.values()), *(labels.parent for _, labels in found.values())]
    for folder in folders:
        for name in _NAMES:
            path = folder / name
            if path.is_file():
                return _from_yaml(path) if path.suffix in (".yaml", ".yml") else read_names(path)
    raise UserError(f"{root} names no classes: write classes.txt there, with one name a line, number 0 first.")


def _from_yaml(path):
    try:
        import yaml
    except ImportError as error:
        raise UserError(f"{path} needs PyYAML: pip install 'keras_lightnets[yolo]', or write classes.txt.") from error
    text = read_text(path, _LARGEST)
    with reading(path, "Write classes.txt, one name a line, in its place."):
        content = yaml.safe_load(text)
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise UserError(f"{path} has no list `names` of the classes. Write it, or classes.txt.")
    # A class may be 1, but YAML's `no` is no name.
    return checked_names([str(name) if type(name) is int else name for name in names], path)


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
