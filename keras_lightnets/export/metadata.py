"""What travels inside a model file beside the network: the names of the classes, and how images are shown to it."""

from typing import NamedTuple

from keras_lightnets.detection import Anchors
from keras_lightnets.errors import UserError
from keras_lightnets.files import read_metadata
from keras_lightnets.graph import operations
from keras_lightnets.preprocessing import RAW, Preprocessing
from keras_lightnets.version import __version__

_RAW_PIXELS = "0..255"
# What is shown of an image.
_SHOWN = {
    "classify": "central square, scaled bilinearly",
    "detect": "whole image, scaled bilinearly",
    "segment": "whole image, scaled bilinearly",
}
# The largest images have maps of half a million pixels.
_MOST_ANCHORS = 10_000_000


class Metadata(NamedTuple):
    """How to use a model file.

    Attributes:
        model: str or None, name of the network in `list_models()`.
        labels: list of str, names of the classes in the order of the outputs.
        size: int, height and width of the images.
        crop: float in (0, 1], side of the central square that is shown, as a share of the short side.
        preprocessing: `Preprocessing`.
        task: "classify", "detect" or "segment". Defaults to "classify".
        anchors: dict of the arguments of `Anchors`, of a detector. Defaults to None.
        seed: int, seed of the split of the images that it was trained on. Defaults to None: not known.
    """

    model: str | None
    labels: list[str]
    size: int
    crop: float
    preprocessing: Preprocessing
    task: str = "classify"
    anchors: dict | None = None
    seed: int | None = None

    def to_dict(self):
        """Returns the JSON values that a file carries."""
        return {
            "keras_lightnets": __version__,
            "model": self.model,
            "task": self.task,
            "labels": list(self.labels),
            **({} if self.anchors is None else {"anchors": self.anchors}),
            **({} if self.seed is None else {"seed": self.seed}),
            "input": {
                "size": self.size,
                "image": _SHOWN[self.task],
                "crop": self.crop,
                "channels": "RGB",
                "pixels": _RAW_PIXELS if self.preprocessing == RAW else "(0..255 - mean) / std",
                "mean": self.preprocessing.mean,
                "std": self.preprocessing.std,
            },
        }


def metadata_of(path):
    """Reads and checks the metadata inside a `.keras` or `.tflite` file.

    Args:
        path: str or Path of the file.

    Returns:
        A `Metadata`.

    Raises:
        UserError: if the file carries none, or they are damaged.
    """
    content = read_metadata(path)
    if content is None or (isinstance(content, dict) and "labels" not in content):
        raise UserError(f"{path} carries no labels and preprocessing. Use a file written by keras-lightnets.")
    about = content.get("input") if isinstance(content, dict) else None
    if not isinstance(about, dict):
        raise _damaged(path, "they name no input")
    labels, size, crop = content.get("labels"), about.get("size"), about.get("crop", 1.0)
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise _damaged(path, "`labels` is no list of names")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise _damaged(path, f"`size` is {size!r:.40}")
    if not _is_number(crop) or not 0 < crop <= 1:
        raise _damaged(path, f"`crop` is {crop!r:.40}")
    preprocessing = preprocessing_in(about, lambda reason: _damaged(path, reason))
    name = content.get("model")
    task = content.get("task", "classify")
    if not isinstance(task, str) or task not in _SHOWN:
        raise _damaged(path, f"`task` is {task!r:.40}")
    name = name if isinstance(name, str) else None
    seed = content.get("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32):
        raise _damaged(path, f"`seed` is {seed!r:.40}")
    return Metadata(name, labels, size, crop, preprocessing, task, _anchors(path, content.get("anchors")), seed)


def preprocessing_in(about, error):
    """Returns the `Preprocessing` of a dict with "mean" and "std". Raises `error(reason)` if they are damaged."""
    mean, std = about.get("mean"), about.get("std")
    for name, values in (("mean", mean), ("std", std)):
        if not isinstance(values, list | tuple) or len(values) != 3 or not all(map(_is_number, values)):
            raise error(f"`{name}` is {values!r:.40}, not three numbers")
    if min(std) <= 0:
        raise error(f"`std` is {std!r:.40}, not positive")
    return Preprocessing(tuple(mean), tuple(std))


def with_raw_pixels(metadata, inside, shape):
    """Returns the metadata of a file that takes raw pixels.

    Args:
        metadata: dict of JSON values of a file that takes normalised pixels, or None.
        inside: `Preprocessing`, what the file does with the pixels itself.
        shape: tuple `(batch, height, width, channels)` of the images.
    """
    metadata = metadata or {}
    size = {"size": shape[1]} if shape[1] == shape[2] else {}
    about = {
        "channels": "RGB",
        **size,
        **metadata.get("input", {}),
        "pixels": _RAW_PIXELS,
        "mean": RAW.mean,
        "std": RAW.std,
    }
    if inside != RAW:
        about["inside"] = inside._asdict()
    return {"keras_lightnets": __version__, **metadata, "input": about}


def pixels_of(path):
    """Returns what a file says of its pixels, a str or None, and the `Preprocessing` inside it or None.

    Raises:
        UserError: if the metadata are damaged.
    """
    content = read_metadata(path)
    about = content.get("input") if isinstance(content, dict) else None
    about = about if isinstance(about, dict) else {}
    inside = about.get("inside")
    if inside is not None:
        if not isinstance(inside, dict):
            raise _damaged(path, f"`inside` is {inside!r:.40}")
        inside = preprocessing_in(inside, lambda reason: _damaged(path, f"`inside`: {reason}"))
    pixels = about.get("pixels")
    return pixels if isinstance(pixels, str) else None, inside


def anchors_in(model):
    """Returns what the metadata of a functional model say of its `Anchors`: a dict, empty if it has none."""
    layer = next((layer for layer in operations(model) if isinstance(layer, Anchors)), None)
    return {"anchors": {"grids": layer.grids, "sizes": layer.sizes}} if layer else {}


def _anchors(path, about):
    """Checks the arguments of `Anchors`."""
    if about is None:
        return None
    grids, sizes = (about.get(name) if isinstance(about, dict) else None for name in ("grids", "sizes"))
    if not isinstance(grids, list) or not isinstance(sizes, list) or len(grids) != len(sizes) or not grids:
        raise _damaged(path, "`anchors` are no lists of grids and sizes")
    count = 0
    for grid, shapes in zip(grids, sizes, strict=True):
        pairs = [grid, *shapes] if isinstance(shapes, list) else []
        if not pairs or not all(
            isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair)) for pair in pairs
        ):
            raise _damaged(path, "`anchors` are not pairs of numbers")
        if min(map(min, pairs)) <= 0 or any(isinstance(side, float) for side in grid):
            raise _damaged(path, "`anchors` are not positive")
        count += grid[0] * grid[1] * len(shapes)
    if count > _MOST_ANCHORS:
        raise _damaged(path, f"they have {count} anchors")
    return {"grids": grids, "sizes": sizes}


def _is_number(value):
    # NaN and infinity are JSON to Python.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _damaged(path, reason):
    return UserError(f"The metadata inside {path} are damaged: {reason}. Use the file as keras-lightnets wrote it.")
