"""The verification as the judge: what scores mean, and that a file that says something else is not written."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_lightnets.errors import UserError
from keras_lightnets.export import judging, to_saved_model, to_tflite, verify
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.heads import class_numbers, head_of, logits
from keras_lightnets.export.judging import check_fused
from keras_lightnets.export.verification import Reference

IMAGES = np.random.RandomState(0).standard_normal((40, 8, 8, 3)).astype("float32")


def _with_head(*head):
    keras.utils.set_random_seed(0)
    body = [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    return keras.Sequential([*body, *head], name="tiny")


# What scores mean.

HEADS = {
    "softmax": ([layers.Dense(3, activation="softmax")], "softmax"),
    "softmax layer": ([layers.Dense(3), layers.Softmax()], "softmax"),
    "softmax activation, then dropout": (
        [layers.Dense(3), layers.Activation("softmax"), layers.Dropout(0.1)],
        "softmax",
    ),
    "sigmoid": ([layers.Dense(1, activation="sigmoid")], "sigmoid"),
    "nested": ([keras.Sequential([layers.Dense(2, activation="sigmoid"), layers.Reshape((2, 1))])], "sigmoid"),
    "logits": ([layers.Dense(3)], None),
    "relu": ([layers.Dense(3, activation="relu")], None),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_known(name):
    head, kind = HEADS[name]
    model = Reference(_with_head(*head), IMAGES[:2]).model
    assert head_of(model, model.outputs[0]) == kind


def test_saturated_probabilities_do_not_hide_a_difference():
    scores = np.array([[10.0, -8.0], [9.0, -9.0]])
    for head, function in (("sigmoid", ops.sigmoid), ("softmax", ops.softmax)):
        ours, theirs = (logits(np.asarray(function(each)), head) for each in (0.9 * scores, 0.5 * scores))
        assert np.abs(ours - theirs).max() > 2
    centred = scores - scores.mean(-1, keepdims=True)
    np.testing.assert_allclose(logits(np.asarray(ops.softmax(scores)), "softmax"), centred, rtol=1e-3)


@pytest.mark.parametrize("labels", [[2, 0], [[2], [0]], [[0, 0, 1], [1, 0, 0]], [2.0, 0.0]])
def test_labels_in_every_form(labels):
    np.testing.assert_array_equal(class_numbers(labels, np.zeros((2, 3)), "tiny"), [2, 0])


@pytest.mark.parametrize("labels", [[[0, 0, 0], [1, 0, 0]], [[1, 1, 0], [1, 0, 0]], [[1], [1, 2]]])
def test_labels_that_name_no_class_or_several(labels):
    with pytest.raises(UserError, match="`labels`.* (one class each|different lengths)"):
        class_numbers(labels, np.zeros((2, 3)), "tiny")


@pytest.mark.parametrize("labels", [[1, 0], [[1], [0]], [[0, 1], [1, 0]], [True, False]])
def test_labels_of_a_single_score_in_every_form(labels):
    np.testing.assert_array_equal(class_numbers(labels, np.zeros((2, 1)), "tiny"), [1, 0])


def _binary(head, slope):
    model = _with_head(layers.Dense(1, activation=head))
    model.set_weights([np.full((3, 3, 3, 4), 1 / 27), np.zeros(4), np.full((4, 1), slope), np.zeros(1)])
    return model


@pytest.mark.parametrize("head", ["sigmoid", None])
def test_a_single_score_is_measured_by_its_threshold(head, tmp_path):
    model, labels = _binary(head, 5.0), IMAGES.mean((1, 2, 3)) > 0
    report = to_tflite(model, tmp_path / "model.tflite", samples=IMAGES, labels=labels)
    right = np.mean((model.predict(IMAGES, verbose=0)[:, 0] > (0.5 if head else 0)) == labels)
    assert (report.accuracy, report.top1_agreement) == (right, 1.0) and right > 0.6
    assert verify(report.path, _binary(head, -5.0), IMAGES).top1_agreement == 0.0
    # Equal scores for all images are no agreement.
    assert verify(report.path, model, np.zeros((4, 8, 8, 3))).top1_agreement is None


# The judge.


class _MinusBatchMean(layers.Layer):
    """What a batch of one image cannot say."""

    def call(self, inputs):
        return inputs - ops.mean(inputs, axis=0, keepdims=True)


def _mixing_the_batch():
    return _with_head(layers.Dense(4, name="before"), _MinusBatchMean(name="culprit"), layers.Dense(3))


def test_a_file_that_differs_is_not_written(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_text("an older file")
    with pytest.raises(
        UserError, match=r"Nothing was written: .* tiny; .* differs is culprit \(_MinusBatchMean\)"
    ) as caught:
        to_tflite(_mixing_the_batch(), path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "an older file" and [each.name for each in tmp_path.iterdir()] == ["model.tflite"]


def test_a_saved_model_takes_batches(tmp_path):
    assert to_saved_model(_mixing_the_batch(), tmp_path / "saved").max_abs_diff < 1e-6


def _cancelling(likeness):
    """A model with a score that is the difference of two averages, alike to `likeness`."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(2, 3, use_bias=False, name="pair")(inputs))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Rescaling(1.0, 10.0)(x)))
    model = keras.Model(inputs, layers.Dense(1, name="difference")(x), name="tiny")
    kernel = model.get_layer("pair").get_weights()[0]
    kernel[..., 1] = kernel[..., 0] * (1 + likeness)
    model.get_layer("pair").set_weights([kernel])
    model.get_layer("difference").set_weights([np.float32([[1 / likeness], [-1 / likeness]]), np.zeros(1)])
    return model


def test_the_bound_knows_how_a_model_reacts_to_rounding(tmp_path):
    reference = Reference(_cancelling(3e-3), IMAGES)
    assert judging.BOUND < reference.rounding() < 1e-2
    outputs = [reference.expected[0] * (1 + 1.5 * reference.rounding())]
    judging.check_file(reference, outputs)
    with pytest.raises(UserError, match="the file would say something else than tiny"):
        judging.check_file(reference, [1.1 * outputs[0]])
    with pytest.raises(UserError, match=r"rounding alone moves the scores of tiny by \d+% .* Pass `samples`"):
        to_tflite(_cancelling(1e-6), tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())


def _fuse_wrongly(model):
    """An inference graph that forgets the layer "culprit"."""
    forget = {"culprit": layers.Identity}
    return fuse(
        keras.models.clone_model(
            model, clone_function=lambda layer: forget.get(layer.name, lambda: layer)(), recursive=True
        )
    )


def _flat():
    return _with_head(layers.Dense(4), layers.Rescaling(2.0, name="culprit"), layers.Dense(3, name="after"))


def _nested():
    inner = keras.Sequential([keras.Input((6, 6, 4)), layers.ReLU(), layers.Rescaling(2.0, name="culprit")])
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(inputs)
    x = layers.Add()([inner(x), x])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalMaxPooling2D()(x)), name="tiny")


@pytest.mark.parametrize("make", [_flat, _nested])
def test_the_first_layer_that_fusing_changes_is_named(make, monkeypatch):
    monkeypatch.setattr(judging, "fuse", _fuse_wrongly)
    reference = Reference(make(), IMAGES)
    check_fused(reference, fuse(reference.model))
    with pytest.raises(UserError, match=r"made by `fuse`, .* the first layer that differs is culprit \(Rescaling\)"):
        check_fused(reference, _fuse_wrongly(reference.model))
