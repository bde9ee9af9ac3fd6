"""Classifying image files with an exported model and the metadata inside it."""

import numpy as np

from keras_lightnets.data.windows import load_square
from keras_lightnets.evaluation.opening import ModelFile


def classify(model, images, top=3):
    """Names the likeliest classes of image files.

    Args:
        model: str or Path of a `.tflite` or `.keras` file written by `keras-lightnets finetune`.
        images: list of str or Path of image files of any kind and size.
        top: int, how many classes to name. Defaults to 3.

    Returns:
        A list with a dict per image: "image", its path, and "classes", pairs of name and score in falling order.

    Raises:
        UserError: if the model or an image cannot be read, the model carries no labels, or a score is not finite.
    """
    file = ModelFile(model)
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
