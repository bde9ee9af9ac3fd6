"""The files of a detector and a segmenter in programs of others, beside what LiteRT says of them in Python."""

from pathlib import Path

import numpy as np

import keras_lightnets as kl
from keras_lightnets.export.agreement import agreement, detections_of
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.preprocessing import SYMMETRIC
from tools.seeded import calibrated_scales, seed_weights, seeded_images
from tools.trained import LABELS, trained

# The arguments `quantization` and `detections` of `to_tflite`, by file.
DETECTORS = {
    "detector_float32.tflite": (None, False),
    "detector_float16.tflite": ("float16", False),
    "detector_int8.tflite": ("int8", False),
    "detections_float32.tflite": (None, True),
    "detections_int8.tflite": ("int8", True),
}
SEGMENTERS = {"segmenter_float32.tflite": None, "segmenter_float16.tflite": "float16", "segmenter_int8.tflite": "int8"}
# Clients are shown larger images, pixel by pixel: some give boxes in whole pixels.
LARGER = 16
_SEGMENTS = ["sky", "road", "tree", "car"]


def export_heads(folder):
    """Writes the files of both into a folder, and beside them the pixels that clients are shown.

    Returns:
        The anchors of the detector.
    """
    # After so short a training, ShuffleNetV2 has layers without a range for int8.
    detector, images, _ = trained(kl.MobileNet, 0.25)
    images = _write_pixels(folder, "detector", images)
    for name, (kind, inside) in DETECTORS.items():
        data = images if kind == "int8" else None
        about = {"labels": LABELS}
        kl.export.to_tflite(detector, folder / name, kind, data, images, metadata=about, detections=inside)
    images = np.clip(seeded_images((3, 64, 64, 3)), -1.0, 1.0)
    backbone = kl.MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=images.shape[1:])
    segmenter = kl.LRASPP(backbone, len(_SEGMENTS), filters=16)
    seed_weights(segmenter, calibrated_scales(segmenter, images))
    images = _write_pixels(folder, "segmenter", images)
    for name, kind in SEGMENTERS.items():
        data = images if kind == "int8" else None
        kl.export.to_tflite(segmenter, folder / name, kind, data, images, metadata={"labels": _SEGMENTS})
    return detector.anchors


def _write_pixels(folder, name, images):
    pixels = np.clip(np.round(SYMMETRIC.pixels(images)), 0, 255).astype("uint8")
    np.save(folder / f"{name}.npy", pixels)
    np.save(folder / f"{name}_larger.npy", np.kron(pixels, np.ones((1, LARGER, LARGER, 1), "uint8")))
    return SYMMETRIC(pixels)


def _expected(path):
    """Returns the path of the pixels for a file, without its ending, and the outputs of LiteRT for them."""
    kind = "segmenter" if path.name in SEGMENTERS else "detector"
    outputs = TFLiteModel(path).predict(np.load(path.with_name(f"{kind}.npy")))
    return path.with_name(kind), outputs


def detects(environment, path, anchors):
    """MediaPipe's ObjectDetector; returns its version, the share of equal detections, and how far scores differ."""
    pixels, outputs = _expected(path)
    larger = Path(f"{pixels}_larger.npy")
    said = environment.run("detector", path, larger)
    found = _as_decoded(said["found"], np.load(larger).shape[1])
    return said["version"], *agreement(found, detections_of(outputs, anchors))


def _as_decoded(images, side):
    """Returns what run_detector.py prints as `decode_detections` has it."""
    most = max(map(len, images))
    found = {"boxes": np.zeros((len(images), most, 4)), "labels": np.full((len(images), most), -1)}
    found |= {"scores": np.zeros((len(images), most)), "count": np.array(list(map(len, images)))}
    for number, detections in enumerate(images):
        for place, (label, score, box) in enumerate(detections):
            found["boxes"][number, place] = np.array(box) / side
            found["labels"][number, place] = LABELS.index(label)
            found["scores"][number, place] = score
    return found


def decodes(environment, path, anchors):
    """An interpreter whose outputs `decode_detections` decodes; returns what `detects` returns."""
    pixels, outputs = _expected(path)
    said = environment.run("outputs", path, f"{pixels}.npy")
    found = [np.array(said["outputs"][name], "float32") for name in sorted(said["outputs"])]
    return said["version"], *agreement(detections_of(found, anchors), detections_of(outputs, anchors))


def segments(environment, path, _):
    """MediaPipe's ImageSegmenter; returns its version and the share of the pixels that have the same class."""
    pixels, outputs = _expected(path)
    said = environment.run("segmenter", path, f"{pixels}_larger.npy")
    centres = slice(LARGER // 2, None, LARGER)
    return said["version"], _same_pixels(np.array(said["masks"])[:, centres, centres], outputs), None


def labels_pixels(environment, path, _):
    """An interpreter; returns what `segments` returns."""
    pixels, outputs = _expected(path)
    said = environment.run("outputs", path, f"{pixels}.npy")
    (scores,) = said["outputs"].values()
    return said["version"], _same_pixels(np.array(scores).argmax(-1), outputs), None


def _same_pixels(masks, outputs):
    return float((masks == outputs.argmax(-1)).mean())
