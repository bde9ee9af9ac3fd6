"""What travels inside a model file beside the network: the names of the classes, and how images are shown to it."""

from typing import NamedTuple

from keras_lightnets.errors import UserError
from keras_lightnets.files import read_metadata
from keras_lightnets.preprocessing import Preprocessing
from keras_lightnets.version import __version__


class Metadata(NamedTuple):
    """How to use a model file.

    Attributes:
        model: str or None, name of the network in `list_models()`.
        labels: list of str, names of the classes in the order of the outputs.
        size: int, height and width of the images.
        crop: float in (0, 1], side of the central square that is shown, as a share of the short side.
        preprocessing: `Preprocessing`.
    """

    model: str | None
    labels: list[str]
    size: int
    crop: float
    preprocessing: Preprocessing

    def to_dict(self):
        """Returns the JSON values that a file carries."""
        return {
            "keras_lightnets": __version__,
            "model": self.model,
            "labels": list(self.labels),
            "input": {
                "size": self.size,
                "image": "central square, scaled bilinearly",
                "crop": self.crop,
                "channels": "RGB",
                "pixels": "(0..255 - mean) / std",
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
    if content is None:
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
    mean, std = about.get("mean"), about.get("std")
    for name, values in (("mean", mean), ("std", std)):
        if not isinstance(values, list) or len(values) != 3 or not all(map(_is_number, values)):
            raise _damaged(path, f"`{name}` is {values!r:.40}, not three numbers")
    if min(std) <= 0:
        raise _damaged(path, f"`std` is {std!r:.40}, not positive")
    name = content.get("model")
    return Metadata(name if isinstance(name, str) else None, labels, size, crop, Preprocessing(tuple(mean), tuple(std)))


def _is_number(value):
    # NaN and infinity are JSON to Python.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _damaged(path, reason):
    return UserError(f"The metadata inside {path} are damaged: {reason}. Use the file as keras-lightnets wrote it.")
