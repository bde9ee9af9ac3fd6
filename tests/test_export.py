"""The export functions, called from Python: what they refuse, and that nothing is left behind."""

import keras
import numpy as np
import pytest

from keras_lightnets.errors import UserError
from keras_lightnets.export import to_saved_model, to_tflite, verify
from keras_lightnets.export.outliers import without_outliers


def _model(size=8):
    inputs = keras.Input((size, size, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(x), name="tiny")


REFUSALS = {
    "ending": (8, "model.bin", {}, "model.bin must end in .tflite"),
    "quantization": (8, "model.tflite", {"quantization": "int4"}, "must be one of .* quantization='int4'"),
    "no representative data": (8, "model.tflite", {"quantization": "int8"}, "int8 needs `representative_data`"),
    "unknown size": (None, "model.tflite", {}, "needs one image input of known size; tiny has"),
    "no such folder": (8, "missing/model.tflite", {}, "Cannot write .*missing/model.tflite"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_to_tflite_refuses(name, tmp_path):
    size, file, arguments, message = REFUSALS[name]
    with pytest.raises(UserError, match=message) as caught:
        to_tflite(_model(size), tmp_path / file, **arguments)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_batches_calibrate_and_a_file_is_replaced(tmp_path):
    model, path = _model(), tmp_path / "model.tflite"
    path.write_text("an older file")
    images = np.random.RandomState(0).standard_normal((40, 8, 8, 3)).astype("float32")
    report = to_tflite(model, path, "int8", representative_data=(images[i : i + 8] for i in range(0, 40, 8)))
    assert (report.quantization, report.samples) == ("int8", 40)
    assert verify(path, model, images).max_abs_diff == report.max_abs_diff < 0.1


def test_to_saved_model_never_overwrites(tmp_path):
    model = _model()
    report = to_saved_model(model, tmp_path / "saved")
    assert report.max_abs_diff < 1e-6 and report.size_bytes > 0
    with pytest.raises(UserError, match="saved exists"):
        to_saved_model(model, tmp_path / "saved")


def test_one_strange_image_does_not_spoil_the_int8_file(tmp_path):
    model = _model()
    images = np.random.RandomState(0).standard_normal((40, 8, 8, 3)).astype("float32")
    # Beside the range of the last image all the others would be one and the same.
    images[-1] *= 1e4
    report = to_tflite(model, tmp_path / "model.tflite", "int8", images, samples=images[:-1])
    assert report.max_abs_diff < 0.02
    # Where half of the images differ from the others, they are as ordinary.
    images[::2] *= 1e4
    assert len(without_outliers(model, images)) == 40


def test_int8_refuses_a_layer_without_range(tmp_path):
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(4, 1, name="difference")(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 1)(x)), name="tiny")
    model.get_layer("difference").set_weights([np.tile([[1.0], [-1.0]], (1, 1, 1, 4)), np.zeros(4)])
    images = np.random.RandomState(0).standard_normal((8, 4, 4, 2)).astype("float32")
    # The two channels are nearly equal, so that their difference is much finer than their steps.
    images[..., 1] = images[..., 0] * (1.0 + 1e-6)
    with pytest.raises(UserError, match="tiny cannot be int8: what .*difference.* gives is nearly the same"):
        to_tflite(model, tmp_path / "tiny.tflite", "int8", images)
    assert not list(tmp_path.iterdir())
