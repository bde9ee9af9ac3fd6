"""What every layer must do, in one check."""

import keras
import numpy as np
import tensorflow as tf


def check_layer(layer, input_shape, weights, tmp_path):
    """Asserts the conduct common to all layers.

    Checks the config round trip, the symbolic against the real output shape (unknown batch, height and width too), the
    number of trainable weights, a gradient for each of them, mixed precision, and saving and loading.

    Args:
        layer: a fresh layer.
        input_shape: shape of a batch of images, `(batch, height, width, channels)`.
        weights: expected number of trainable weight tensors.
        tmp_path: folder for the saved model.
    """
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert keras.saving.get_registered_name(type(layer)) == f"keras_lightnets>{type(layer).__name__}"

    images = np.random.RandomState(0).standard_normal(input_shape).astype("float32")
    inputs = keras.Input((None, None, input_shape[-1]))
    model = keras.Model(inputs, layer(inputs))
    assert len(layer.trainable_weights) == weights
    outputs = model.predict(images, verbose=0)
    assert outputs.shape == tuple(layer.compute_output_shape(input_shape))
    assert model.output_shape == (None, None, None, outputs.shape[-1])

    for weight in layer.trainable_weights:
        weight.assign(np.random.RandomState(1).standard_normal(weight.shape))

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(layer(x) ** 2)
        return tape.gradient(loss, [weight.value for weight in layer.trainable_weights])

    for weight, gradient in zip(layer.trainable_weights, gradients(images), strict=True):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, weight.path

    half = type(layer).from_config({**config, "dtype": "mixed_bfloat16"})
    assert half(images[:1]).dtype == "bfloat16"

    outputs = model.predict(images, verbose=0)
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), outputs)
