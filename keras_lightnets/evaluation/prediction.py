"""What a model file says about image files, by the metadata inside it."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lightnets.data.images import read_image
from keras_lightnets.data.windows import load_square, load_whole
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.opening import NETWORKS, ModelFile
from keras_lightnets.evaluation.overlays import save, with_boxes, with_mask


def predict(model, images, top=None, output=None):
    """Says what image files show, with whatever network a model file holds.

    Args:
        model: str or Path of a `.tflite` or `.keras` file that keras-lightnets wrote.
        images: list of str or Path of image files of any kind and size.
        top: int, how many classes a classifier names. Defaults to None: 3.
        output: str or Path of the folder for the photos with what a detector or segmenter found, as PNG files with the
            names of the images. Defaults to None: "predictions".

    Returns:
        A list with a dict per image. "image" is its path. The other items depend on the model:

        * Classifiers: "classes", pairs of name and score in falling order.
        * Detectors: "objects", a list of dicts of "class", "score" and "box", in falling order of the score. A box is
          left, top, width and height in pixels of the image. "picture" is the path of the file written.
        * Segmenters: "classes", pairs of name and share of the pixels in falling order, and "picture".

    Raises:
        UserError: if a file cannot be read or written, the model has no labels, a score is not finite, or an argument
            is for another task.
    """
    file = ModelFile(model, tuple(NETWORKS))
    if file.task == "classify":
        if output is not None:
            raise UserError(f"{file.path} is an image classifier, which draws nothing: leave out --output.")
        return _classify(file, images, top or 3)
    if top is not None:
        raise UserError(f"{file.path} is a {NETWORKS[file.task]}: --top is for classifiers, leave it out.")
    find = _detect if file.task == "detect" else _segment
    found = []
    for image, path in zip(images, _pictures(images, Path(output or "predictions")), strict=True):
        about = file.metadata
        row, picture = find(file, read_image(image), about.preprocessing(load_whole(image, about.size)[None]))
        path.parent.mkdir(parents=True, exist_ok=True)
        save(picture, path)
        found.append({"image": str(image), **row, "picture": str(path)})
    return found


def classify(model, images, top=3):
    """Names the likeliest classes of image files. Arguments, results and errors are as in `predict`."""
    return _classify(ModelFile(model), images, top)


def _classify(file, images, top):
    about = file.metadata
    pixels = np.stack([load_square(image, about.size, about.crop) for image in images])
    scores = file.predict(about.preprocessing(pixels))
    return [
        {
            "image": str(image),
            "classes": [(about.labels[i], float(row[i])) for i in np.argsort(row)[::-1][:top]],
        }
        for image, row in zip(images, scores, strict=True)
    ]


def _detect(file, pixels, image):
    names = file.metadata.labels
    found = {name: part[0] for name, part in file.detect(image).items()}
    count = int(found.pop("count"))
    boxes, labels, scores = (found[name][:count] for name in ("boxes", "labels", "scores"))
    sides = boxes * np.tile(pixels.shape[:2], 2)
    objects = [
        {
            "class": names[label],
            "score": float(score),
            "box": [round(float(side), 1) for side in (left, top, right - left, bottom - top)],
        }
        for (top, left, bottom, right), label, score in zip(sides, labels, scores, strict=True)
    ]
    return {"objects": objects}, with_boxes(pixels, boxes, labels, scores, names)


def _segment(file, pixels, image):
    mask = file.segment(image)[0].astype("uint8")
    counts = np.bincount(mask.ravel())
    order = [number for number in np.argsort(-counts, kind="stable") if counts[number]]
    classes = [(file.metadata.labels[number], float(counts[number] / mask.size)) for number in order]
    scaled = Image.fromarray(mask).resize(pixels.shape[1::-1], Image.Resampling.NEAREST)
    return {"classes": classes}, with_mask(pixels, np.asarray(scaled))


def _pictures(images, folder):
    """Returns the path of the picture of each image, never of an image itself. Equal names are numbered."""
    stems, originals = [Path(image).stem for image in images], {Path(image).resolve() for image in images}
    counts = Counter(stems)
    taken = {stem for stem in stems if counts[stem] == 1}
    paths = []
    for number, (image, stem) in enumerate(zip(images, stems, strict=True), 1):
        numbered = (f"{stem}_{number}" for number in itertools.count(number))
        name = stem if counts[stem] == 1 else next(name for name in numbered if name not in taken)
        taken.add(name)
        path = folder / f"{name}.png"
        if path.resolve() in originals:
            raise UserError(f"The picture of {image} would replace {path}: choose another folder with --output.")
        paths.append(path)
    return paths
