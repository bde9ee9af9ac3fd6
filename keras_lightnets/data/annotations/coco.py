"""COCO's JSON files: one for each part of the data, with all images, their boxes and the names of the classes.

They stand in `annotations/`, with their part in their names (`instances_train2017.json`), in the folder of the data, or
in the folder of the part (`train/_annotations.coco.json`). The images stand beside them, in a folder of the part
(`train2017`, `images/train`), or in `images`. Boxes are x, y, width and height in pixels of the upright image.
"""

import json
import os
import re
from collections import Counter, defaultdict
from typing import NamedTuple

from keras_lightnets.data.annotations.names import checked_names, read_text
from keras_lightnets.data.annotations.pairs import part_of
from keras_lightnets.data.annotations.record import Box, annotate, check_size, with_boxes
from keras_lightnets.data.listing import subfolders
from keras_lightnets.errors import UserError
from keras_lightnets.files import reading

NAME = "COCO json (annotations/instances_train.json)"
# The file for COCO's 118,287 training images has 450 MB.
_LARGEST = 2_000_000_000


class _Content(NamedTuple):
    """A file: names of the classes by id, file name and size of the images by id, annotations of each image."""

    classes: dict
    images: dict
    objects: dict


def find(root):
    """Returns the file of each part, an empty dict where there are none.

    Raises:
        UserError: if two files are of the same part.
    """
    files = {path: _part(path.stem) for folder in (root, root / "annotations") for path in _files(folder)}
    # Among them are captions and key points of the same images.
    files = {path: part for path, part in files.items() if path.name.startswith("instances")} or files
    for folder in subfolders(root):
        if part := _part(folder.name):
            files |= dict.fromkeys(_files(folder), part)
    found = {}
    for path, part in files.items():
        part = part or "train"
        if part in found:
            raise UserError(f"{found[part]} and {path} are both for {part}. Join them, or remove one.")
        found[part] = path
    return found


def _files(folder):
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.glob("*.json")) if not path.name.startswith(".") and _is_coco(path)]


def _is_coco(path):
    if path.name.startswith("instances") or "coco" in path.name:
        return True
    with reading(path, "Mend or remove it."):
        content = path.read_bytes()
    return b'"images"' in content and b'"annotations"' in content


def _part(name):
    parts = [part_of(word) for word in re.split("[-_. ]", name)]
    return next(filter(None, parts), None)


def read(root, found, skip):
    """Reads the annotations: arguments, results and errors are as in `yolo.read`."""
    contents = {part: _content(path) for part, path in found.items()}
    first = "train" if "train" in found else next(iter(found))
    names = contents[first].classes
    numbers = {name: number for number, name in enumerate(names.values())}
    parts, bad = {}, []
    for part, content in contents.items():
        path = found[part]
        for name in content.classes.values():
            if name not in numbers:
                raise UserError(f"{path} has a class {name!r} that {found[first]} lacks. Rename it or add images.")
        labels = {number: numbers[name] for number, name in content.classes.items()}
        images = _images(path, content.images, _folders(root, path, part))

        def about(image, size, path=path, content=content, labels=labels, images=images):
            number = images[image]
            width, height = content.images[number][1:]
            check_size(path, image, size, (height, width))
            return with_boxes(image, size, _boxes(path, image, size, content.objects[number], labels))

        parts[part], messages = annotate(list(images), about, skip)
        bad += messages
    return tuple(names.values()), parts, Counter(), bad


def _content(path):
    """Returns the `_Content` of a file. A UserError names what is wrong with it."""
    text = read_text(path, _LARGEST)
    with reading(path, "Mend or remove it."):
        content = json.loads(text, parse_constant=_refuse)
    lists = [_entries(path, content, name) for name in ("categories", "images", "annotations")]
    categories, images, annotations = lists
    names = [
        (_field(path, "category", one, "id", int), _field(path, "category", one, "name", str)) for one in categories
    ]
    classes = dict(names)
    if len(classes) < len(names):
        raise UserError(f"{path} has two categories of the same id. Number them again.")
    # Roboflow lists what is only above the classes among them.
    above = [one.get("supercategory") for one in categories if one.get("supercategory") != one["name"]]
    used = {one["category_id"] for one in annotations if isinstance(one.get("category_id"), int)}
    classes = {number: name for number, name in sorted(names) if number in used or name not in above}
    checked_names(list(classes.values()), path)
    known = {}
    for image in images:
        number, name = _field(path, "image", image, "id", (int, str)), _field(path, "image", image, "file_name", str)
        if number in known:
            raise UserError(
                f"{path} has two images of id {number!r:.40}: {known[number][0]:.80}, {name:.80}. Number them again."
            )
        known[number] = (name, image.get("width"), image.get("height"))
    objects = defaultdict(list)
    for one in annotations:
        number = _field(path, "annotation", one, "image_id", (int, str))
        if number not in known:
            raise UserError(
                f"{path}: annotation {one.get('id')!r:.40} has no image: there is none of id {number!r:.40}."
            )
        objects[number].append(one)
    return _Content(classes, known, objects)


def _refuse(constant):
    raise ValueError(f"it holds {constant}")


def _entries(path, content, name):
    entries = content.get(name) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{path} has no list {name!r}: it is no COCO file. Mend or remove it.")
    return entries


def _field(path, kind, entry, name, types):
    value = entry.get(name)
    if not isinstance(value, types) or isinstance(value, bool):
        raise UserError(f"{path}: {kind} {entry.get('id')!r:.40} has no {name!r} that can be read: {value!r:.40}")
    return value


def _folders(root, path, part):
    """Returns the folders that may have the images of a file, the likeliest first."""
    own = [path.parent, path.parent / "images"]
    ofs = [folder for above in (root, root / "images") if above.is_dir() for folder in subfolders(above)]
    return [*own, *(folder for folder in ofs if _part(folder.name) == part), root / "images", root]


def _images(path, images, folders):
    """Returns the ids of the images by their Paths."""
    found = {}
    for number, (name, _, _) in images.items():
        image = next((folder / name for folder in folders if os.path.isfile(folder / name)), None)
        if image is None:
            places = ", ".join(sorted({str(folder) for folder in folders if folder.is_dir()}))
            raise UserError(f"{path} has annotations of {name:.80}, but there is no such image in {places}.")
        if image in found:
            raise UserError(f"{path} has two entries of the image {name}. Join them.")
        found[image] = number
    return found


def _boxes(path, image, size, objects, labels):
    boxes = []
    for one in objects:
        origin = f"{path}, object {one.get('id')!r:.40} of {image.name}"
        category, area = _field(path, "annotation", one, "category_id", int), one.get("area")
        if category not in labels:
            raise UserError(f"{origin} has category {category!s:.40}, which nobody named.")
        try:
            x, y, width, height = map(float, one["bbox"])
            area = None if area is None else float(area)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{origin} has no bbox of four numbers: {one.get('bbox')!r:.60}") from error
        # COCO itself has objects without pixels, and says so.
        if area == 0 and 0 in (width, height):
            continue
        corners = (y / size[0], x / size[1], (y + height) / size[0], (x + width) / size[1])
        boxes.append(Box(origin, labels[category], corners, one.get("iscrowd") == 1, area))
    return boxes
