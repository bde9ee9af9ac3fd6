"""Annotations of boxes and masks: how they are made and opened, and what must hold if they are not refused."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np

from tests.annotated import CLASSES, scenes, write_coco, write_masks, write_voc, write_yolo
from tests.fuzz.samples import png_is_whole
from tests.fuzz.target import Target, expect

# The damaged files of each format; the images stay whole.
_DAMAGED = {
    "coco": ("annotations/instances_train2017.json", "annotations/instances_val2017.json"),
    "voc": ("Annotations/train001.xml", "Annotations/val000.xml", "ImageSets/Main/train.txt"),
    "yolo": ("labels/train/001.txt", "labels/val/000.txt", "classes.txt"),
    "yaml": ("data.yaml",),
    "masks": ("masks/train/001.png", "masks/val/000.png", "labels.txt"),
}


def _annotations(folder):
    parts = {"train": scenes(8), "val": scenes(2, 100)}
    for name, write in {"coco": write_coco, "voc": write_voc, "yolo": write_yolo, "masks": write_masks}.items():
        write(folder / name, parts)
    write_yolo(folder / "yaml", parts)
    (folder / "yaml" / "classes.txt").unlink()
    (folder / "yaml" / "data.yaml").write_text(f"path: yaml\nnc: 3\nnames: [{', '.join(CLASSES)}]\n")
    names = [f"{name}/{file}" for name, files in _DAMAGED.items() for file in files]
    return {name: (folder / name).read_bytes() for name in names}


def _check_annotations(path):
    from keras_lightnets.data.annotations import open_annotated, targets

    root = next(folder for folder in path.parents if folder.name in _DAMAGED)
    task = "segment" if root.name == "masks" else "detect"
    data = open_annotated(root, task, seed=0, holdout=0.0)
    found = [target for part in ("train", "test") for target in targets(data.splits[part])]
    if task == "segment":
        values = {int(value) for mask in found for value in np.unique(mask)}
        expect(values <= {*range(len(data.classes)), 255}, f"classes {values}")
        expect(path.suffix != ".png" or png_is_whole(path.read_bytes()), "a PNG with a wrong checksum was read")
        return
    boxes, labels, areas = (np.concatenate([image[name] for image in found]) for name in ("boxes", "labels", "areas"))
    expect(boxes.size and boxes.min() >= 0 and boxes.max() <= 1, "a box is outside its image")
    expect((boxes[:, 2:] > boxes[:, :2]).all(), "a box is empty")
    expect(set(labels) <= set(range(len(data.classes))), f"labels {set(labels)}")
    expect(np.isfinite(areas).all() and areas.min() >= 0, f"areas {areas}")
    if path.name != "train.txt":
        expect(len(boxes) == sum(map(_objects, sorted(root.rglob("*")))), "objects are missing")


def _objects(path):
    """Returns the number of objects that a file names."""
    if path.suffix == ".xml":
        return len(ElementTree.fromstring(path.read_text("utf-8-sig")).findall("object"))
    if path.suffix == ".json":
        return len(json.loads(path.read_text("utf-8-sig"))["annotations"])
    if path.suffix == ".txt" and "labels" in path.parts:
        return sum(bool(line.strip()) for line in path.read_text("utf-8-sig").splitlines())
    return 0


TARGETS = {"annotations": Target(_annotations, _check_annotations, quick=100)}
