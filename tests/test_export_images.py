"""Images to calibrate on, in the forms that people have them in; images to compare on."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

from keras_lightnets.errors import UserError
from keras_lightnets.export.images import check_data, random_samples

IMAGES = np.random.RandomState(0).uniform(0, 255, (12, 8, 8, 3)).round().astype("float32")
LABELS = np.arange(12) % 3


def _model(*first, size=8):
    body = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    return keras.Sequential([keras.Input((size, size, 3), name="pixels"), *first, *body], name="tiny")


class _Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, number):
        return IMAGES[4 * number : 4 * number + 4], LABELS[4 * number : 4 * number + 4]


def _tflite():
    for image in IMAGES:
        yield [image[None]]


def _singles():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))


FORMS = {
    "array": lambda: IMAGES,
    "array of bytes": lambda: IMAGES.astype("uint8"),
    "tensor": lambda: tf.constant(IMAGES),
    "array and labels": lambda: (IMAGES, LABELS),
    "list of images": lambda: list(IMAGES),
    "list of a batch": lambda: [IMAGES],
    "list of batches": lambda: [IMAGES[:7], IMAGES[7:]],
    "list of lists of images": lambda: [list(IMAGES[:7]), list(IMAGES[7:])],
    "images of Pillow": lambda: [Image.fromarray(image.astype("uint8")) for image in IMAGES],
    "TFLite's function": lambda: _tflite,
    "TFLite's generator": _tflite,
    "single images": _singles,
    "batches": lambda: _singles().batch(5),
    "batches without end": lambda: _singles().batch(4).repeat().take(3),
    "dicts": lambda: _singles().map(lambda image, label: {"label": label, "image": image}),
    "batches of dicts by the name of the input": lambda: (
        _singles().batch(4).map(lambda image, label: ({"pixels": image}, label))
    ),
    "dict": lambda: {"image": IMAGES},
    "Keras' own": lambda: _Batches(),
    "weights too": lambda: ((IMAGES[i : i + 4], LABELS[i : i + 4], np.ones(4)) for i in (0, 4, 8)),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_images(name):
    np.testing.assert_array_equal(check_data(_model(), FORMS[name]()), IMAGES)


REFUSALS = {
    "nothing": ([], "hold no images"),
    "a name": ("photos", "are the name 'photos'"),
    "names": (["a.jpg", "b.jpg"], "hold a str where images should be"),
    "a number": (5, "are a int: give an array"),
    "another size": (IMAGES[:, :4], r"are \(4, 8, 3\), and tiny takes \(8, 8, 3\): resize them"),
    "channels first": (IMAGES.transpose(0, 3, 1, 2), r"give arrays \(n, 8, 8, 3\)"),
    "grey": (IMAGES[..., 0], r"are \(12, 8, 8\), and tiny takes \(8, 8, 3\): give arrays"),
    "dicts of two": ([{"left": IMAGES, "right": IMAGES}], "dicts of left, right: name the images 'image'"),
    "infinite": (np.full_like(IMAGES, np.nan), "numbers that are not finite"),
    "complex": (IMAGES * 1j, "hold a ndarray where images should be"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_other_data_are_refused(name):
    data, message = REFUSALS[name]
    with pytest.raises(UserError, match=message) as caught:
        check_data(_model(), data)
    assert "\n" not in str(caught.value)


# The range of training.


def _trained():
    keras.utils.set_random_seed(0)
    base = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    )
    seen = base.layers[0](IMAGES / 127.5 - 1)
    base.layers[1].moving_variance.assign(np.var(seen, axis=(0, 1, 2)))
    return base


def _flat():
    base = _trained()
    return keras.Model(base.inputs, layers.Dense(2)(base.outputs[0]), name="tiny")


def _nested():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.Dense(2)(_trained()(inputs, training=False)), name="tiny")


def _nested_behind_scaling():
    inputs = keras.Input((8, 8, 3))
    scaled = layers.Rescaling(1 / 127.5, -1)(layers.RandomFlip()(inputs))
    return keras.Model(inputs, layers.Dense(2)(_trained()(scaled)), name="tiny")


@pytest.mark.parametrize("make", [_flat, _nested, lambda: keras.Sequential([_nested(), layers.Softmax()], name="tiny")])
def test_data_in_another_range_than_in_training_are_refused(make):
    model, right = make(), IMAGES / 127.5 - 1
    np.testing.assert_array_equal(check_data(model, right), right)
    for wrong, cause in ((IMAGES, "is missing"), (right / 127.5 - 1, "was done twice")):
        with pytest.raises(UserError, match=f"seems that preprocessing {cause}. Give them as tiny takes them"):
            check_data(model, wrong)


def test_scaling_inside_the_model_counts():
    model = _nested_behind_scaling()
    np.testing.assert_array_equal(check_data(model, IMAGES), IMAGES)
    with pytest.raises(UserError, match="preprocessing was done twice"):
        check_data(model, IMAGES / 127.5 - 1)


def test_random_images_suit_the_model():
    normalization = layers.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3)
    for first in (layers.Rescaling(1 / 255), normalization, keras.Sequential([layers.Rescaling(1 / 255)])):
        samples = random_samples(_model(layers.RandomFlip(), first))
        assert samples.min() >= 0 and 200 < samples.max() <= 255
    samples = random_samples(_model())
    assert 2 < np.abs(samples).max() < 8
    assert np.abs(np.diff(samples, axis=1)).max() < 1  # no noise
    assert random_samples(_model(size=None)).shape == (8, 224, 224, 3)
