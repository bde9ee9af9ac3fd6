"""Derives what detectors and segmenters must say from torchvision 0.29 (pip install torch torchvision).

    KERAS_BACKEND=torch python -m tools.goldens.derive_dense

writes three files to `tests/goldens/torchvision`. `detection.npz`: anchors, losses and detections for the seeded
outputs of `tools/scenes.py`. `ssdlite.npz` and `lraspp.npz`: what `ssdlite320_mobilenet_v3_large` and
`lraspp_mobilenet_v3_large` with seeded weights say of seeded images, and the scales of these weights.
"""

import numpy as np
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList
from torchvision.models.segmentation import lraspp_mobilenet_v3_large
from torchvision.ops import box_iou

from keras_lightnets.preprocessing import IMAGENET_STATISTICS
from tools import scenes
from tools.goldens.derive import FOLDER
from tools.goldens.torch_weights import checkpoint
from tools.scenes import CLASSES, GRIDS, OBJECTS, SIZE
from tools.seeded import calibrated_scales, seed_weights

FILES = FOLDER / "torchvision"
# Every so many anchors, and pixels, are written.
STEP = 125
# torchvision's x, y, width and height, or left, top, right and bottom.
_SWAPPED = [1, 0, 3, 2]


def _detector():
    return ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES + 1).eval()


def heads():
    """Returns the anchors, losses and detections of torchvision's detector for seeded outputs."""
    network, sizes = _detector(), [(SIZE, SIZE)] * 2
    maps = [torch.zeros(2, 1, *grid) for grid in GRIDS]
    anchors = network.anchor_generator(ImageList(torch.zeros(2, 3, SIZE, SIZE), sizes), maps)
    ours = scenes.seeded_outputs(len(anchors[0]))
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
    return {
        "anchors": anchors[0].numpy()[:, _SWAPPED] / SIZE,
        "losses": [losses["bbox_regression"].item(), losses["classification"].item()],
        "matched": np.stack([match.numpy() for match in matched]).astype("int8"),
        **_found(network.postprocess_detections(outputs, anchors, sizes)),
    }


def _found(detections):
    return {
        "boxes": np.stack([image["boxes"].numpy()[:, _SWAPPED] / SIZE for image in detections]),
        "labels": np.stack([image["labels"].numpy() - 1 for image in detections]).astype("int8"),
        "scores": np.stack([image["scores"].numpy() for image in detections]),
    }


def _seeded(network, model, builder, pixels):
    """Gives torchvision's network seeded weights; returns the scales of each batch normalisation."""
    scales = calibrated_scales(model, pixels)
    state = checkpoint(model, seed_weights(model, scales), builder, f"torchvision's {builder.lower()}")
    missing, unexpected = network.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise SystemExit(f"not matched: missing {missing}, unexpected {unexpected}")
    return {"scale_names": list(scales), "scales": list(scales.values())}


@torch.no_grad()
def ssdlite():
    """Returns the outputs and detections of torchvision's detector for seeded images."""
    network, pixels = _detector(), scenes.seeded_pixels((2, SIZE, SIZE, 3))
    scales = _seeded(network, scenes.detector(), "SSDLite", pixels)
    images = torch.tensor(pixels.transpose(0, 3, 1, 2))
    outputs = network.head(list(network.backbone(images / 127.5 - 1).values()))
    return {
        **scales,
        "codes": outputs["bbox_regression"].numpy()[:, ::STEP, _SWAPPED],
        "logits": outputs["cls_logits"].numpy()[:, ::STEP],
        # From pixels to boxes by torchvision alone.
        **_found(network([image / 255 for image in images])),
    }


@torch.no_grad()
def lraspp():
    """Returns the logits of torchvision's segmenter for seeded images."""
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=scenes.SEGMENT_CLASSES).eval()
    pixels = scenes.seeded_pixels(scenes.SEGMENT)
    scales = _seeded(network, scenes.segmenter(), "LRASPP", pixels)
    images = np.ascontiguousarray(IMAGENET_STATISTICS(pixels).transpose(0, 3, 1, 2))
    logits = network(torch.tensor(images))["out"].numpy().transpose(0, 2, 3, 1)
    return {**scales, "logits": logits.reshape(2, -1, scenes.SEGMENT_CLASSES)[:, ::STEP]}


if __name__ == "__main__":
    for name, derived in (("detection", heads()), ("ssdlite", ssdlite()), ("lraspp", lraspp())):
        np.savez_compressed(FILES / f"{name}.npz", **derived)
