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
        input_shape: shape of a batch of images, `(batch, height, width, channels)`, or a list of such shapes.
        weights: expected number of trainable weight tensors.
        tmp_path: folder for the saved model.
    """
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert keras.saving.get_registered_name(type(layer)) == f"keras_lightnets>{type(layer).__name__}"

    shapes = input_shape if isinstance(input_shape, list) else [input_shape]
    images = _like(input_shape, [np.random.RandomState(0).standard_normal(shape).astype("float32") for shape in shapes])
    inputs = _like(input_shape, [keras.Input((None, None, shape[-1])) for shape in shapes])
    model = keras.Model(inputs, layer(inputs))
    assert len(layer.trainable_weights) == weights
    outputs = keras.tree.flatten(model.predict(images, verbose=0))
    expected = layer.compute_output_shape(input_shape)
    assert [output.shape for output in outputs] == (expected if isinstance(expected, list) else [tuple(expected)])
    assert [output.shape for output in model.outputs] == [(None, None, None, output.shape[-1]) for output in outputs]

    for weight in layer.trainable_weights:
        weight.assign(np.random.RandomState(1).standard_normal(weight.shape))

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_mean(output**2) for output in keras.tree.flatten(layer(x))])
        return tape.gradient(loss, [weight.value for weight in layer.trainable_weights])

    for weight, gradient in zip(layer.trainable_weights, gradients(images), strict=True):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, weight.path

    half = type(layer).from_config({**config, "dtype": "mixed_bfloat16"})
    assert {output.dtype.name for output in keras.tree.flatten(half(images))} == {"bfloat16"}

    outputs = keras.tree.flatten(model.predict(images, verbose=0))
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    for ours, theirs in zip(keras.tree.flatten(loaded.predict(images, verbose=0)), outputs, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _like(input_shape, values):
    return values if isinstance(input_shape, list) else values[0]
