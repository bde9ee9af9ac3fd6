"""Made-up photos of coloured rectangles, with their boxes and masks in any format."""

import json

import numpy as np
from PIL import Image

CLASSES = ("red", "green", "blue")


class Scene:
    """One photo: pixels `(height, width, 3)`, and the class and box, in pixels y, x, y, x, of each rectangle."""

    def __init__(self, seed, size=(48, 64), most=3):
        random = np.random.default_rng(seed)
        self.size = size
        self.pixels = random.integers(90, 130, (*size, 3)).astype("uint8")
        self.mask = np.zeros(size, "uint8")
        self.boxes, self.labels = [], []
        # Side by side, so that every box has its colour.
        for column in range(random.integers(1, most + 1)):
            label = int(random.integers(len(CLASSES)))
            top, left = (int(n) for n in random.integers([2, 20 * column + 2], [20, 20 * column + 6]))
            height, width = (int(n) for n in random.integers(8, 14, 2))
            self.boxes.append((top, left, top + height, left + width))
            self.labels.append(label)
            self.pixels[top : top + height, left : left + width] = 255 * np.eye(3, dtype="uint8")[label]
            self.mask[top : top + height, left : left + width] = label + 1

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.pixels).save(path, quality=95, subsampling=0)


def scenes(count, first=0):
    return [Scene(first + number) for number in range(count)]


def write_yolo(folder, parts):
    """Writes a dict from part to scenes; "" is a folder without parts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for part, photos in parts.items():
        for number, scene in enumerate(photos):
            scene.save(folder / "images" / part / f"{number:03d}.jpg")
            path = folder / "labels" / part / f"{number:03d}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(map(_yolo_line, [scene.size] * 9, scene.labels, scene.boxes)))
    return folder


def _yolo_line(size, label, box):
    top, left, bottom, right = np.divide(box, (*size, *size))
    return f"{label} {(left + right) / 2:.6f} {(top + bottom) / 2:.6f} {right - left:.6f} {bottom - top:.6f}\n"


def write_masks(folder, parts):
    """Writes a dict from part to scenes; "" is a folder without parts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.txt").write_text("\n".join(("background", *CLASSES)) + "\n")
    for part, photos in parts.items():
        for number, scene in enumerate(photos):
            scene.save(folder / "images" / part / f"{number:03d}.jpg")
            path = folder / "masks" / part / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(scene.mask).save(path)
    return folder


def write_coco(folder, parts):
    """Writes a dict from part to scenes, as COCO has them; "" is a folder without parts."""
    for part, photos in parts.items():
        images, objects = [], []
        for number, scene in enumerate(photos):
            name = f"{number:03d}.jpg"
            scene.save(folder / (f"{part}2017" if part else "images") / name)
            images.append({"id": number, "file_name": name, "height": scene.size[0], "width": scene.size[1]})
            for label, (top, left, bottom, right) in zip(scene.labels, scene.boxes, strict=True):
                bbox = [left, top, right - left, bottom - top]
                # The numbers of COCO's categories have gaps.
                one = {"id": len(objects), "image_id": number, "category_id": 3 * label + 1, "bbox": bbox, "iscrowd": 0}
                objects.append(one)
        categories = [{"id": 3 * label + 1, "name": name} for label, name in enumerate(CLASSES)]
        content = {"images": images, "annotations": objects, "categories": categories}
        path = folder / "annotations" / f"instances_{part or 'train'}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def write_voc(folder, parts):
    """Writes a dict from part to scenes, as Pascal VOC has them; "" is a folder without parts."""
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    for part, photos in parts.items():
        names = [f"{part}{number:03d}" for number in range(len(photos))]
        (folder / "ImageSets" / "Main" / f"{part or 'trainval'}.txt").write_text("\n".join(names) + "\n")
        for name, scene in zip(names, photos, strict=True):
            scene.save(folder / "JPEGImages" / f"{name}.jpg")
            objects = "".join(map(_voc_object, scene.labels, scene.boxes))
            size = f"<size><width>{scene.size[1]}</width><height>{scene.size[0]}</height><depth>3</depth></size>"
            (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    return folder


def _voc_object(label, box):
    top, left, bottom, right = box
    corners = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in corners.items())
    return f"<object><name>{CLASSES[label]}</name><difficult>0</difficult><bndbox>{inside}</bndbox></object>"
