"""One record says how a family wants its pixels: `preprocess_input`, exported files and model cards all read it."""

from typing import NamedTuple

import numpy as np


class Preprocessing(NamedTuple):
    """`(pixels - mean) / std` per channel, with RGB pixels in 0-255."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, x, data_format=None):
        """Normalises images into a new array. The argument keeps its values.

        Args:
            x: array or tensor `(batch, height, width, 3)` or `(height, width, 3)`, RGB, pixel values 0-255.
            data_format: "channels_last", "channels_first" or None for Keras' setting. Defaults to None.

        Returns:
            Float array or tensor of the shape of `x`: NumPy in, NumPy out.

        Raises:
            ValueError: for an unknown `data_format`.
        """
        # Here, so that the catalog and the commands that list it need no Keras.
        import keras

        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(
                f"Expected data_format to be 'channels_first' or 'channels_last'. Received: {data_format!r}"
            )
        shape = (3, 1, 1) if (data_format or keras.config.image_data_format()) == "channels_first" else (3,)
        namespace = np if isinstance(x, np.ndarray) else keras.ops
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            x = x.astype(keras.config.floatx()) if namespace is np else keras.ops.cast(x, keras.config.floatx())
        mean, std = (namespace.reshape(namespace.array(v, x.dtype), shape) for v in self)
        return (x - mean) / std

    def pixels(self, images):
        """Returns the RGB pixels, 0-255, of a NumPy array of normalised images `(..., 3)`."""
        mean, std = (np.asarray(values, images.dtype) for values in self)
        return images * std + mean


# Pixels as torchvision's ImageNet recipes have them, the statistics of ImageNet in units of pixels.
IMAGENET_STATISTICS = Preprocessing(
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255), std=(0.229 * 255, 0.224 * 255, 0.225 * 255)
)
# Pixels in [-1, 1], as in TensorFlow's MobileNets.
SYMMETRIC = Preprocessing(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
# Pixels as they are: the model has the scaling inside.
RAW = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
