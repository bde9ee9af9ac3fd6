"""TinyNet, made up: what a new architecture file needs, and no more."""

from keras import layers
from keras_lightnets.applications.catalog.tinynet import FAMILY

from keras_lightnets.applications.contract import Arguments, assemble, pooled
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.layers import BatchNormalization, ChannelShuffle, GroupedConv2D

preprocess_input = FAMILY.preprocessing


def _features(x, source):
    for level in range(1, 6):
        x = layers.ZeroPadding2D(1, name=f"tiny{level}_pad")(x)
        x = layers.Conv2D(2**level, 3, strides=2, use_bias=False, name=f"tiny{level}")(x)
        x = BatchNormalization(name=f"tiny{level}_bn")(x)
        x = GroupedConv2D(2**level, groups=2, name=f"tiny{level}_mix")(x)
        x = ChannelShuffle(2, name=f"tiny{level}_shuffle")(x)
        x = layers.ReLU(name=f"tiny{level}_relu")(x)
    return x


def _head(x, classes, classifier_activation):
    return layers.Dense(classes, classifier_activation, name="tiny_classes")(pooled(x, "avg"))


def TinyNet(
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="tinynet",
):
    """TinyNet: 40 thousand parameters.

    Args:
        include_top: bool, whether to end in the classifier. Defaults to True.
        weights: None for random weights, a name in `keras_lightnets.weights.list_weights()`, or the path of a weights
            file of Keras, PyTorch or safetensors. If the file has another number of classes, the classifier stays
            random and a warning says so. Defaults to "imagenet".
        input_tensor: Keras tensor `(batch, height, width, channels)` to build upon. Defaults to None: a new input.
        input_shape: tuple `(height, width, channels)`, each side at least 32. Defaults to None: `(224, 224, 3)`, or
            `(None, None, 3)` without the classifier.
        pooling: str, without the classifier "avg" or "max" for features `(batch, channels)`. Defaults to None: features
            `(batch, height / 32, width / 32, channels)`.
        classes: int, number of classes. Defaults to 1000. With named weights, 1000 means the number of classes of those
            weights.
        classifier_activation: str or function, None for logits. Defaults to "softmax".
        name: str, name of the model. Defaults to "tinynet".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `tinynet.preprocess_input` has normalised.

    Raises:
        ValueError: for weights that do not exist, cannot be downloaded or do not fit, a side below 32, or another
            argument that `keras.applications` refuses.

    Reference:
        Nobody, TinyNet, nowhere.

    Example:

    >>> keras_lightnets.TinyNet(weights=None, input_shape=(64, 64, 3), classes=10).output_shape
    (None, 10)
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return assemble(FAMILY, "TinyNet", {}, arguments, _features, _head)
