"""The ranges of int8 files: as wide as the values that count, and no wider."""

import keras
import numpy as np
import pytest

from keras_lightnets import optimization
from keras_lightnets.errors import UserError
from keras_lightnets.export import to_tflite
from keras_lightnets.export.interpreter import TFLiteModel
from tools.seeded import seeded_images

SIZE = 16


def _images():
    return seeded_images((64, SIZE, SIZE, 3))


def _stem():
    """The factorised stem of MicroNet, one of its channels far above what its ReLU6 lets pass."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, (3, 1), padding="same", name="vertical")(inputs)
    x = keras.layers.DepthwiseConv2D((1, 3), padding="same", depth_multiplier=2, name="horizontal")(x)
    model = keras.Model(inputs, keras.layers.ReLU(6.0, name="clamped")(x), name="stem")
    random = np.random.default_rng(0)
    kernel, multiplier = (random.uniform(-0.3, 0.3, weight.shape) for weight in model.get_weights()[::2])
    model.set_weights([kernel, random.uniform(-0.5, 0.5, 4), multiplier, np.append(30.0, np.ones(7))])
    return model


def test_what_a_relu6_cuts_off_takes_no_steps(tmp_path):
    """At the border the stem has another bias, so that its ReLU6 is no part of the convolution."""
    model, images = _stem(), _images()
    step = 7.0 / 255
    report = to_tflite(model, tmp_path / "model.tflite", "int8", images, preprocessing=None)
    assert report.max_abs_diff < 1.5 * step
    aware = optimization.quantize_aware(model, images)
    assert np.abs(aware(images) - model(images)).max() < 1.5 * step
    report = to_tflite(aware, tmp_path / "aware.tflite", "int8", samples=images, preprocessing=None)
    assert report.max_abs_diff < 1.5 * step


def test_what_a_sum_reads_has_its_own_range(tmp_path):
    """In a residual block, the sum is written over what the block adds."""
    inputs = keras.Input((SIZE, SIZE, 3))
    large = keras.layers.Conv2D(4, 1, name="large")(inputs)
    small = keras.layers.Conv2D(4, 1, name="small")(large)
    outputs = keras.layers.Conv2D(2, 1, name="last")(keras.layers.Add(name="sum")([small, large]))
    model, random = keras.Model(inputs, outputs, name="residual"), np.random.default_rng(0)
    for layer, scale in ((large, 9.0), (small, 0.01)):
        kernel = layer._keras_history.operation.kernel
        kernel.assign(random.uniform(-scale, scale, kernel.shape))
    images = _images()
    report = to_tflite(model, tmp_path / "model.tflite", "int8", images, preprocessing=None)
    tensors = TFLiteModel(report.path)._interpreter.get_tensor_details()
    (step,) = (t["quantization"][0] for t in tensors if "/small" in t["name"] and t["shape"][-2] == SIZE)
    values = keras.Model(inputs, small)(images).numpy()
    assert step == pytest.approx(np.ptp(values) / 255, rel=0.02)


def test_operators_that_only_the_converter_knows(tmp_path):
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.LeakyReLU(name="leaky")(keras.layers.Conv2D(4, 1, name="first")(inputs))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, name="last")(x), name="leaking")
    report = to_tflite(model, tmp_path / "model.tflite", "int8", _images(), preprocessing=None)
    operators = TFLiteModel(report.path).operators
    assert "LEAKY_RELU" in operators and "DEQUANTIZE" not in operators


def test_a_recurrent_layer_is_refused(tmp_path):
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.LSTM(4)(keras.layers.Reshape((SIZE, 3 * SIZE))(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(x), name="recurrent")
    with pytest.raises(UserError, match=r"cannot be quantised to int8 .* use float16"):
        to_tflite(model, tmp_path / "model.tflite", "int8", _images(), preprocessing=None)
    assert not list(tmp_path.iterdir())


def test_a_network_that_gives_nearly_nothing(tmp_path):
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(2, 1, name="scores")(inputs)
    model = keras.Model(inputs, keras.layers.Softmax()(x), name="untrained")
    model.set_weights([1e-7 * weight for weight in model.get_weights()])
    report = to_tflite(model, tmp_path / "model.tflite", "int8", _images(), preprocessing=None)
    assert report.max_abs_diff < 0.01
