"""Cityscapes as its packages and scripts leave it: `leftImg8bit` and `gtFine`, with the 19 classes that are evaluated.

The masks are the files `*_gtFine_labelTrainIds.png`, which the authors' script `createTrainIdLabelImgs.py` makes. The
test part has no masks, and is not used.
"""

from collections import Counter

from keras_lightnets.data.annotations.masks import annotate_masks
from keras_lightnets.data.listing import files_below
from keras_lightnets.errors import UserError

NAME = "Cityscapes (leftImg8bit/ and gtFine/)"
_CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
_IMAGE, _MASK = "_leftImg8bit.png", "_gtFine_labelTrainIds.png"


def find(root):
    """Returns the pairs of folders by part, an empty dict where there are none."""
    folders = {"train": "train", "validation": "val"}
    pairs = {part: (root / "leftImg8bit" / name, root / "gtFine" / name) for part, name in folders.items()}
    return {part: pair for part, pair in pairs.items() if all(folder.is_dir() for folder in pair)}


def read(root, found, skip):
    """Reads the annotations: arguments, results and errors are as in `yolo.read`."""
    parts, bad = {}, []
    for part, (images, annotations) in found.items():
        masks = {}
        for path in files_below(images, {".png"})[0]:
            masks[path] = annotations / path.parent.relative_to(images) / path.name.replace(_IMAGE, _MASK)
            if not masks[path].is_file():
                raise UserError(f"{masks[path]} does not exist. Run createTrainIdLabelImgs.py of cityscapesScripts.")
        parts[part], messages = annotate_masks(masks, _CLASSES, skip)
        bad += messages
    return _CLASSES, parts, Counter(), bad
