"""Pascal VOC's XML files: one for each image, of the same name.

The folders are `JPEGImages` and `Annotations`, or `images` and `annotations`, or `train/images` and so on, or one
folder for both. Where `ImageSets/Main/train.txt` and the like list images, only those are used. Boxes are the first
and the last pixel inside, counted from 1, of the upright image. The names of the classes stand in
`labels.txt`, one a line. Without it, they are the sorted names of the objects.
"""

import xml.etree.ElementTree as ElementTree
from collections import Counter

from keras_lightnets.data.annotations.names import is_name, read_names, read_text
from keras_lightnets.data.annotations.pairs import file_pairs, folder_pairs, listed_files, part_of
from keras_lightnets.data.annotations.record import Box, annotate, check_size, with_boxes
from keras_lightnets.data.listing import subfolders
from keras_lightnets.errors import UserError
from keras_lightnets.files import reading

NAME = "Pascal VOC xml (JPEGImages/ and Annotations/)"
# A thousand objects take 400 kB.
_LARGEST = 10_000_000
_NAMES = ("labels.txt", "classes.txt")


def find(root):
    """Returns the pairs of folders by part, an empty dict where there are none."""
    pairs = folder_pairs(root, ("jpegimages", "images"), ("annotations", "xmls"))
    pairs = {part: pair for part, pair in pairs.items() if next(pair[1].rglob("*.xml"), None)}
    if pairs:
        return pairs
    # Both in one folder.
    parts = {part: folder for folder in subfolders(root) if (part := part_of(folder.name))} or {"train": root}
    return {part: (folder, folder) for part, folder in parts.items() if next(folder.glob("*.xml"), None)}


def read(root, found, skip):
    """Reads the annotations: arguments, results and errors are as in `yolo.read`."""
    parts, left_out = {}, Counter()
    for part, folders in found.items():
        parts[part], others = file_pairs(*folders, ".xml")
        left_out += others
    parts = listed_files(root, "Main", parts)
    contents = {path: _content(path) for files in parts.values() for path in files.values() if path}
    classes = _classes(root, contents.values())
    images, bad = {}, []
    for part, files in parts.items():

        def about(path, size, files=files):
            return _annotated(path, size, files[path], contents.get(files[path]), classes)

        images[part], messages = annotate(list(files), about, skip)
        bad += messages
    return classes, images, left_out, bad


def _content(path):
    """Returns the size that a file states, as text, and its objects: name, box and whether it is difficult."""
    try:
        text = read_text(path, _LARGEST)
        # Entities that name each other grow without end. Annotations need none.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise UserError(f"{path} declares a document type, which annotations do not have. Remove it.")
        with reading(path, "Mend or remove it."):
            tree = ElementTree.fromstring(text)
        size = [tree.findtext(f"size/{name}") for name in ("height", "width")]
        return size, [_object(f"{path}, object {n}", one) for n, one in enumerate(tree.iterfind("object"), 1)]
    except UserError as error:
        return error


def _object(origin, tree):
    name = (tree.findtext("name") or "").strip()
    if not is_name(name):
        raise UserError(f"{origin} has no name: {name!r:.40}. Give it one, or remove it.")
    origin = f"{origin} ({name})"
    corners = [_number(origin, tree, f"bndbox/{corner}") for corner in ("ymin", "xmin", "ymax", "xmax")]
    return origin, name, corners, _number(origin, tree, "difficult", 0) == 1


def _number(origin, tree, place, default=None):
    text = tree.findtext(place)
    if text is None and default is not None:
        return default
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise UserError(f"{origin} has no number as {place}: {text!r:.40}") from error


def _classes(root, contents):
    for name in _NAMES:
        if (root / name).is_file():
            return read_names(root / name)
    return tuple(sorted({name for one in contents if isinstance(one, tuple) for _, name, _, _ in one[1]}))


def _annotated(image, size, path, content, classes):
    if path is None:
        return with_boxes(image, size, [])
    if isinstance(content, UserError):
        raise content
    stated, objects = content
    check_size(path, image, size, stated)
    boxes = []
    for origin, name, (top, left, bottom, right), difficult in objects:
        if name not in classes:
            raise UserError(f"{origin} is of a class that nobody named: there are {', '.join(classes)}.")
        corners = ((top - 1) / size[0], (left - 1) / size[1], bottom / size[0], right / size[1])
        boxes.append(Box(origin, classes.index(name), corners, difficult))
    return with_boxes(image, size, boxes)
