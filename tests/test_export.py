"""The export functions, called from Python: what they write, what they refuse, and that nothing is left behind."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.schema_py_generated import TensorType
from keras import layers

from keras_lightnets.errors import UserError
from keras_lightnets.export import to_saved_model, to_tflite, verify
from keras_lightnets.export.flatbuffer import read_model
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.export.outliers import without_outliers

IMAGES = np.random.RandomState(0).standard_normal((40, 8, 8, 3)).astype("float32")


def _model(size=8, classes=5, activation="softmax", filters=4):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((size, size, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(filters, 3, name="conv")(inputs))
    return keras.Model(inputs, layers.Dense(classes, activation=activation, name="head")(x), name="tiny")


# What is refused.


def _two_inputs():
    inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    x = layers.GlobalAveragePooling2D()(layers.Add()(inputs))
    return keras.Model(inputs, layers.Dense(2)(x), name="tiny")


def _vectors():
    return keras.Sequential([keras.Input((10,)), layers.Dense(2)], name="tiny")


def _thresholded():
    model = _model()
    return keras.Model(model.input, model.output > 0.5, name="tiny")


def _quantized():
    model = _model()
    with warnings.catch_warnings():
        # About layers without weights.
        warnings.simplefilter("ignore")
        model.quantize("int8")
    return model


def _channels_first():
    return keras.Sequential([keras.Input((3, 8, 8)), layers.Conv2D(2, 1, data_format="channels_first", name="conv")])


def _broken():
    model = _model()
    model.get_layer("head").bias.assign(np.full(5, np.nan))
    return model


REFUSALS = {
    "ending": (_model, "model.bin", {}, "model.bin must end in .tflite"),
    "folder": (_model, "folder.tflite", {}, "Cannot write .*folder.tflite: it is a folder"),
    "no such folder": (_model, "missing/model.tflite", {}, "missing does not exist. Create it"),
    "quantization": (_model, "model.tflite", {"quantization": "int4"}, "must be one of .* quantization='int4'"),
    "no representative data": (_model, "model.tflite", {"quantization": "int8"}, "int8 needs `representative_data`"),
    "unknown size": (lambda: _model(None), "model.tflite", {}, "needs one image input of known size; tiny has"),
    "two inputs": (_two_inputs, "model.tflite", {}, "needs one image input; tiny has"),
    "no images": (_vectors, "model.tflite", {}, r"needs one image input; tiny has \[\(None, 10\)\]"),
    "not built": (lambda: keras.Sequential([layers.Conv2D(2, 1)]), "model.tflite", {}, "has no known input shape"),
    "no model": (lambda: "model.keras", "model.tflite", {}, "A keras.Model is needed. Received: 'model.keras'"),
    "channels first": (_channels_first, "model.tflite", {}, "The layer conv of .* is channels_first"),
    "quantised by Keras": (_quantized, "model.tflite", {}, "tiny is quantised already: its layer .* is int8"),
    "weights that are NaN": (_broken, "model.tflite", {}, "tiny gives scores that are not finite: its layer head has"),
    "no JSON": (_model, "model.tflite", {"metadata": {"labels": {1, 2}}}, "`metadata` must be a dict of JSON values"),
    "too few names": (_model, "model.tflite", {"metadata": {"labels": ["a"]}}, "1 labels, and tiny 5 outputs"),
    "no names": (_model, "model.tflite", {"metadata": {"labels": [0, 1]}}, "must be a list of names.*[0, 1]"),
    "no text": (_model, "model.tflite", {"metadata": {"labels": ["\udcff"] * 5}}, "must be a list of names"),
    "no input": (_model, "model.tflite", {"metadata": {"input": "rgb"}}, "`input` in `metadata` must be a dict.*'rgb'"),
    "labels of nothing": (_model, "model.tflite", {"labels": [0] * 8}, "`labels` need `samples`"),
    "a long name": (_model, "m" * 248 + ".tflite", {}, "Cannot write .*File name too long"),
    "a threshold": (_thresholded, "model.tflite", {}, "tiny gives bool: export the scores"),
    "blank images": (
        _model,
        "model.tflite",
        {"quantization": "int8", "representative_data": 0 * IMAGES},
        "what tiny/head.* gives is nearly the same for all",
    ),
    "another size": (_model, "model.tflite", {"metadata": {"input": {"size": 9}}}, "images of 9 pixels, and tiny"),
    "other samples": (_model, "model.tflite", {"samples": IMAGES[:, :4]}, r"samples are \(4, 8, 3\), and tiny takes"),
    "no samples": (_model, "model.tflite", {"samples": IMAGES[:0]}, "`samples` must be an array of images"),
    "infinite samples": (_model, "model.tflite", {"samples": IMAGES * np.inf}, "samples hold numbers that are not"),
    "fewer labels": (_model, "model.tflite", {"samples": IMAGES[:3], "labels": [1]}, "do not fit the 3 samples"),
    "other labels": (_model, "model.tflite", {"samples": IMAGES[:2], "labels": [1, 5]}, "whole numbers from 0 to 4"),
    "names as labels": (
        _model,
        "model.tflite",
        {"samples": IMAGES[:1], "labels": ["a"]},
        "must be numbers of classes",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_to_tflite_refuses(name, tmp_path):
    make, file, arguments, message = REFUSALS[name]
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(UserError, match=message) as caught:
        to_tflite(make(), tmp_path / file, **arguments)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.tflite"]


class _Contrast(layers.Layer):
    def call(self, inputs):
        import tensorflow as tf

        return tf.image.adjust_contrast(inputs, 2.0)


def test_a_layer_that_tflite_lacks_is_named(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), _Contrast(name="odd"), layers.GlobalAveragePooling2D()])
    with pytest.raises(UserError, match="no operator for AdjustContrastv2 in the layer odd") as caught:
        to_tflite(model, tmp_path / "model.tflite")
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


# What is written.


def test_batches_calibrate_and_a_file_is_replaced(tmp_path):
    model, path = _model(), tmp_path / "model.tflite"
    path.write_text("an older file")
    report = to_tflite(model, path, "int8", representative_data=(IMAGES[i : i + 8] for i in range(0, 40, 8)))
    assert (report.path, report.quantization, report.samples) == (str(path), "int8", 40)
    assert verify(path, model, IMAGES).max_abs_diff == report.max_abs_diff < 0.1
    with pytest.raises(UserError, match=r"outputs of shape \[\(5,\)\], and tiny of \[\(3,\)\]: another model"):
        verify(path, _model(classes=3), IMAGES)


def test_dynamic_reaches_a_head_of_logits_too(tmp_path):
    model = _model(classes=300, activation=None, filters=64)
    float32 = to_tflite(model, tmp_path / "float.tflite", samples=IMAGES)
    dynamic = to_tflite(model, tmp_path / "dynamic.tflite", "dynamic", samples=IMAGES)
    assert dynamic.size_bytes < float32.size_bytes - 2 * model.get_layer("head").kernel.numpy().size
    assert float32.max_abs_diff < 1e-5 < dynamic.max_abs_diff < 0.05
    # More than one scale is read wrongly, in silence, by TFLite up to 2.15.
    tensors = read_model((tmp_path / "dynamic.tflite").read_bytes()).subgraphs[0].tensors
    assert [len(each.quantization.scale) for each in tensors if each.type == TensorType.INT8] == [1]


def test_a_quantization_that_changes_nothing_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3)], name="tiny")
    with pytest.raises(UserError, match="tiny has nothing that dynamic would make smaller"):
        to_tflite(model, tmp_path / "model.tflite", "dynamic")
    assert not list(tmp_path.iterdir())


def test_layers_kept_float_cost_no_accuracy(tmp_path):
    model = _model(activation=None)
    errors = [
        to_tflite(model, tmp_path / "model.tflite", "int8", IMAGES, keep_float=names).max_abs_diff
        for names in ((), ("head",))
    ]
    assert TFLiteModel(tmp_path / "model.tflite").operators.count("DEQUANTIZE") == 1
    assert errors[1] < 1.5 * errors[0] < 0.05


def test_several_heads_are_compared_each_with_its_own(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3)(inputs))
    heads = {"wide": layers.Dense(4)(x), "alike": layers.Dense(4)(x), "narrow": layers.Dense(2)(x)}
    model = keras.Model(inputs, heads, name="tiny")
    report = to_tflite(model, tmp_path / "model.tflite", samples=IMAGES)
    assert report.max_abs_diff < 1e-5 and report.top1_agreement is None
    assert to_saved_model(model, tmp_path / "saved").max_abs_diff < 1e-5
    with pytest.raises(UserError, match="tiny has 3 outputs: labels are for a model with one"):
        verify(tmp_path / "model.tflite", model, IMAGES, np.zeros(40))


class _Table(layers.Layer):
    """Has a variable that Keras does not know."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.table = tf.Variable(np.arange(4, dtype="float32"))

    def call(self, inputs):
        return inputs * self.table


def test_a_variable_of_tensorflow_is_exported_too(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(_Table()(layers.Conv2D(4, 3)(inputs)))
    report = to_tflite(keras.Model(inputs, layers.Dense(2)(x)), tmp_path / "model.tflite", samples=IMAGES)
    assert report.max_abs_diff < 1e-6


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_a_model_of_another_precision_is_exported_in_float32(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        base = _model()
        model = keras.Sequential([keras.Input((8, 8, 3)), base, layers.Activation("linear")], name="tiny")
    finally:
        keras.config.set_dtype_policy("float32")
    expected, double = _model(), {weight.path: weight.numpy().astype("float32") for weight in base.weights}
    expected.set_weights([double[weight.path] for weight in expected.weights])
    assert to_tflite(model, tmp_path / "model.tflite", samples=IMAGES).max_abs_diff < 1e-6
    assert to_saved_model(model, tmp_path / "saved").max_abs_diff < 1e-6
    assert verify(tmp_path / "model.tflite", expected, IMAGES).max_abs_diff < 1e-6


def test_a_recurrent_layer_is_exported(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = layers.LSTM(4)(layers.Reshape((8, 24))(inputs))
    report = to_tflite(keras.Model(inputs, layers.Dense(2)(x)), tmp_path / "model.tflite", samples=IMAGES)
    assert report.max_abs_diff < 1e-6


def test_verify_names_a_file_that_is_missing():
    with pytest.raises(UserError, match="none.tflite cannot be read: No such file"):
        verify("none.tflite", _model(), IMAGES)


def test_to_saved_model_never_overwrites(tmp_path):
    model = _model()
    report = to_saved_model(model, tmp_path / "saved")
    assert report.max_abs_diff < 1e-6 and report.size_bytes > 0
    with pytest.raises(UserError, match="saved exists"):
        to_saved_model(model, tmp_path / "saved")


def test_one_strange_image_does_not_spoil_the_int8_file(tmp_path):
    model, images = _model(), IMAGES.copy()
    # Beside the range of the last image all the others would be one and the same.
    images[-1] *= 1e4
    report = to_tflite(model, tmp_path / "model.tflite", "int8", images, samples=images[:-1])
    assert report.max_abs_diff < 0.02
    # Where half of the images differ from the others, they are as ordinary.
    images[::2] *= 1e4
    assert len(without_outliers(model, images)) == 40


def test_int8_refuses_a_layer_without_range(tmp_path):
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(4, 1, name="difference")(inputs)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1)(x)), name="tiny")
    model.get_layer("difference").set_weights([np.tile([[1.0], [-1.0]], (1, 1, 1, 4)), np.zeros(4)])
    images = np.random.RandomState(0).standard_normal((8, 4, 4, 2)).astype("float32")
    # The two channels are nearly equal, so that their difference is much finer than their steps.
    images[..., 1] = images[..., 0] * (1.0 + 1e-6)
    with pytest.raises(UserError, match="tiny cannot be int8: what .*difference.* gives is nearly the same"):
        to_tflite(model, tmp_path / "tiny.tflite", "int8", images)
    assert not list(tmp_path.iterdir())
