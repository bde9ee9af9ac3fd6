"""LR-ASPP on every network, and networks whose features stay large."""

import doctest

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.applications import dilation
from keras_lightnets.applications.pyramid import pyramid_levels
from keras_lightnets.evaluation.profiling import open_model
from keras_lightnets.export import fuse
from keras_lightnets.segmentation import lraspp
from tools.seeded import calibrated_scales, run, seed_weights, seeded_images
from tools.zoo import ZOO, by_cost

# The narrowest network of every builder.
BUILDERS = {case.build.__name__: case for case in sorted(ZOO, key=by_cost, reverse=True)}
QUICK = ("MobileNetV3Small", "MicroNetM0", "ShuffleNet")


def backbone(name="MicroNetM0", shape=(64, 96, 3), **arguments):
    return getattr(kl, name)(**arguments, weights=None, include_top=False, input_shape=shape)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(record, id=record.name, marks=() if record.name == "lraspp:MicroNetM0" else pytest.mark.slow)
        for record in kl.list_models("segment")
    ],
)
def test_counts(record):
    """The listed ones, by the names that `keras-lightnets profile` takes."""
    segmenter = open_model(record.name)
    cost = kl.complexity(segmenter)
    assert (cost.params, cost.madds + cost.mix_madds, cost.unknown) == (record.params, record.madds, ())
    assert segmenter.output_shape == (None, record.input_size, record.input_size, record.classes)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in BUILDERS]
)
def test_output_stride(name):
    """The features stay at 1/16, names and weights stay, and fusing keeps what the network says."""
    model = backbone(name, **BUILDERS[name].kwargs)
    images = seeded_images((2, 64, 96, 3))
    seed_weights(model, calibrated_scales(model, images))
    dilated = dilation.with_output_stride(model, 16)
    assert dilated.output_shape == (None, 4, 6, model.output_shape[-1])
    assert [list(levels) for levels in map(pyramid_levels, (model, dilated))] == [[1, 2, 3, 4, 5], [1, 2, 3, 4]]
    for old, new in zip(model.get_weights(), dilated.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert {layer.name for layer in model.layers} >= {layer.name for layer in dilated.layers} - {dilated.layers[0].name}
    outputs = run(dilated, images)
    fused = fuse(dilated)
    np.testing.assert_allclose(run(fused, images), outputs, atol=2e-5 * np.abs(outputs).max())
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in fused.layers)


def test_dilation_sees_the_same_pixels():
    """Where nothing is padded, every second pixel of a dilated network is that of the strided one."""
    image = x = keras.Input((64, 64, 1))
    for _ in range(4):
        x = keras.layers.AveragePooling2D(2)(x)
    x = keras.layers.DepthwiseConv2D(1, strides=2)(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    model = keras.Model(image, x)
    model.set_weights([np.ones(weight.shape, "float32") for weight in model.weights])
    images = seeded_images((1, 64, 64, 1))
    large, small = (run(network, images) for network in (dilation.with_output_stride(model, 16), model))
    assert large.shape == (1, 4, 4, 1)
    np.testing.assert_allclose(large[:, ::2, ::2], small, rtol=1e-5)


@pytest.mark.parametrize("output_stride", (pytest.param(32, marks=pytest.mark.slow), 16))
def test_segmenter(output_stride, tmp_path):
    network = backbone("ShuffleNetV2", alpha=0.5)
    segmenter = kl.LRASPP(network, 4, filters=16, output_stride=output_stride)
    assert segmenter.output_shape == (None, 64, 96, 4)
    shared = [any(weight is own for own in network.weights) for weight in segmenter.weights]
    assert sum(shared) == (len(network.weights) if output_stride == 32 else 0)
    images = seeded_images((2, 64, 96, 3))
    seed_weights(segmenter, calibrated_scales(segmenter, images))
    logits = run(segmenter, images)
    np.testing.assert_allclose(run(fuse(segmenter), images), logits, atol=2e-5 * np.abs(logits).max())
    path = tmp_path / "segmenter.weights.h5"
    segmenter.save_weights(path)
    again = kl.LRASPP(backbone("ShuffleNetV2", alpha=0.5), 4, 16, output_stride, weights=path)
    np.testing.assert_array_equal(run(again, images), logits)


@pytest.mark.slow
@pytest.mark.chosen
def test_learns_with_the_loss_and_metric_of_keras():
    """A network that sees the mask in the pixels, and is told to ignore a part, finds it."""
    keras.utils.set_random_seed(0)
    masks = np.zeros((2, 64, 64), "int32")
    masks[0, :, 32:] = masks[1, 16:48] = 1
    images = np.repeat(2.0 * masks[..., None] - 1.0, 3, axis=-1)
    masks[:, :4] = 255
    segmenter = kl.LRASPP(backbone("ShuffleNetV2", (64, 64, 3), alpha=0.5), 2, filters=8)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    metric = keras.metrics.MeanIoU(2, ignore_class=255, sparse_y_pred=False)
    segmenter.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=[metric], jit_compile=False)
    history = segmenter.fit(images, masks, epochs=20, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 3 and history[metric.name][-1] > 0.8


WRONG = [
    (lambda: kl.LRASPP(backbone(shape=(None, None, 3)), 2), "build .* with `input_shape`"),
    (lambda: kl.LRASPP(backbone(), True), "`classes` must be positive. Received: classes=True"),
    (lambda: kl.LRASPP(backbone(), 2, filters=0), "`filters` must be positive"),
    (lambda: kl.LRASPP(backbone(), 2, output_stride=8), r"must be one of \(16, 32\). Received: output_stride=8"),
    (lambda: kl.LRASPP(dilation.with_output_stride(backbone(), 16), 2), r"of stride 8 and 32. .* only \[2, 4, 8, 16\]"),
    (lambda: kl.LRASPP(backbone(), 2, weights="nowhere.h5"), "path to the weights file"),
    (lambda: dilation.with_output_stride(backbone(), 4), r"one of \(8, 16\)"),
    (lambda: dilation.with_output_stride(_strided_otherwise()), "conv .*Conv2DTranspose.* cannot be dilated"),
]


def _strided_otherwise():
    image = keras.Input((64, 64, 1))
    x = keras.layers.MaxPooling2D(16)(image)
    return keras.Model(image, keras.layers.Conv2DTranspose(1, 2, 2, name="conv")(x))


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_bad_arguments(wrong, message):
    with pytest.raises(ValueError, match=message) as error:
        wrong()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("module", (lraspp, dilation), ids=lambda module: module.__name__)
def test_examples(module):
    results = doctest.testmod(module, extraglobs={"keras_lightnets": kl})
    assert results.attempted and not results.failed
