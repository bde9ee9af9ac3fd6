"""Classifying image files with an exported model and the metadata inside it."""

from pathlib import Path

import keras
import numpy as np

from keras_lightnets.data.images import load_square
from keras_lightnets.errors import UserError
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.files import read_metadata
from keras_lightnets.preprocessing import Preprocessing


def classify(model, images, top=3):
    """Names the likeliest classes of image files.

    Args:
        model: str or Path of a `.tflite` or `.keras` file written by `keras-lightnets finetune`.
        images: list of str or Path of image files of any kind and size.
        top: int, how many classes to name. Defaults to 3.

    Returns:
        A list with a dict per image: "image", its path, and "classes", pairs of name and score in falling order.

    Raises:
        UserError: if the model or an image cannot be read, or the model carries no labels.
    """
    path = Path(model)
    if path.suffix == ".keras":
        if not path.is_file():
            raise UserError(f"{path} does not exist.")
        try:
            network = keras.saving.load_model(path)
        except (ValueError, OSError, KeyError) as error:
            raise UserError(f"{path} is not a Keras model that can be loaded: {error}") from error
    elif path.suffix == ".tflite":
        network = TFLiteModel(path)
    else:
        raise UserError(f"{path} is neither a .tflite nor a .keras file.")
    metadata = read_metadata(path)
    if metadata is None:
        raise UserError(f"{path} carries no labels and preprocessing. Use a file written by keras-lightnets finetune.")
    about = metadata["input"]
    pixels = np.stack([_shown(image, about["size"], about.get("crop", 1.0)) for image in images])
    inputs = Preprocessing(about["mean"], about["std"])(pixels)
    scores = network.predict(inputs) if path.suffix == ".tflite" else network.predict(inputs, verbose=0)
    return [
        {
            "image": str(image),
            "classes": [(metadata["labels"][i], float(row[i])) for i in np.argsort(row)[::-1][:top]],
        }
        for image, row in zip(images, scores, strict=True)
    ]


def _shown(image, size, crop):
    """Returns the part of the central square, `crop` of its side, that the network was evaluated on."""
    side = round(size / crop)
    margin = (side - size) // 2
    return load_square(image, side)[0][margin : margin + size, margin : margin + size]
