"""What every fused graph promises."""

import keras
import numpy as np

from keras_lightnets import layers
from keras_lightnets.export import fuse
from tools.seeded import run, seeded_images

# Of the largest logit: the rounding of float32 sums in another order.
TOLERANCE = 2e-5


def fused_difference(model, expected):
    """Largest difference of the outputs of `model` on the seeded images from `expected`, relative to the largest."""
    outputs = run(model, seeded_images((len(expected), *model.input_shape[1:])))
    return np.abs(outputs - expected).max() / np.abs(expected).max()


def check_fused(model, expected):
    """Fuses `model`, which gives `expected` for the seeded images; returns the fused model."""
    before = [layer.name for layer in model.layers]
    fused = fuse(model)
    assert [layer.name for layer in model.layers] == before
    assert (fused.name, fused.input_shape, fused.output_shape) == (model.name, model.input_shape, model.output_shape)
    assert not any(
        isinstance(layer, keras.layers.BatchNormalization | layers.DynamicShiftMax) for layer in fused.layers
    )
    outputs = run(fused, seeded_images((len(expected), *model.input_shape[1:])))
    assert np.abs(outputs - expected).max() < TOLERANCE * np.abs(expected).max()
    np.testing.assert_array_equal(outputs.argmax(-1), expected.argmax(-1))
    return fused
