"""Derives what detectors must say from torchvision 0.29 (pip install torch torchvision).

    KERAS_BACKEND=torch python -m tools.goldens.derive_dense

writes `tests/goldens/torchvision/detection.npz`: for the seeded outputs of `tools/scenes.py` the anchors, losses and
detections of `ssdlite320_mobilenet_v3_large`.
"""

import numpy as np
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from tools.goldens.derive import FOLDER
from tools.scenes import CLASSES, GRIDS, OBJECTS, SIZE, seeded_outputs

FILE = FOLDER / "torchvision" / "detection.npz"
# torchvision's x, y, width and height, or left, top, right and bottom.
_SWAPPED = [1, 0, 3, 2]


def heads():
    """Returns the anchors, losses and detections of torchvision's detector for seeded outputs."""
    network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES + 1).eval()
    sizes = [(SIZE, SIZE)] * 2
    maps = [torch.zeros(2, 1, *grid) for grid in GRIDS]
    anchors = network.anchor_generator(ImageList(torch.zeros(2, 3, SIZE, SIZE), sizes), maps)
    ours = seeded_outputs(len(anchors[0]))
    outputs = {
        "bbox_regression": torch.tensor(ours["boxes"][..., _SWAPPED]),
        "cls_logits": torch.tensor(ours["classes"]),
    }
    targets = [
        {"boxes": torch.tensor(boxes[labels >= 0][:, _SWAPPED] * SIZE), "labels": torch.tensor(labels[labels >= 0] + 1)}
        for boxes, labels in zip(OBJECTS["boxes"], OBJECTS["labels"], strict=True)
    ]
    matched = [network.proposal_matcher(box_iou(target["boxes"], anchors[0])) for target in targets]
    losses = network.compute_loss(targets, outputs, anchors, matched)
    found = network.postprocess_detections(outputs, anchors, sizes)
    return {
        "anchors": anchors[0].numpy()[:, _SWAPPED] / SIZE,
        "losses": [losses["bbox_regression"].item(), losses["classification"].item()],
        "matched": np.stack([match.numpy() for match in matched]).astype("int8"),
        "boxes": np.stack([image["boxes"].numpy()[:, _SWAPPED] / SIZE for image in found]),
        "labels": np.stack([image["labels"].numpy() - 1 for image in found]).astype("int8"),
        "scores": np.stack([image["scores"].numpy() for image in found]),
    }


if __name__ == "__main__":
    np.savez_compressed(FILE, **heads())
