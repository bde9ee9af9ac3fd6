"""The networks that are trained, and which of their layers are."""

import contextlib

import keras

from keras_lightnets.detection import SSDLite
from keras_lightnets.errors import UserError
from keras_lightnets.segmentation import LRASPP

_DROPOUT = 0.2
# The papers' channels of the layers between the backbone and the predictions.
_DETECTOR_WIDTHS = (512, 256, 256, 128)
_SEGMENTER_FILTERS = 128
# Channels are multiples of this.
_DIVISOR = 8


@contextlib.contextmanager
def precision(config):
    """Builds what is built inside for the precision of a `Config`."""
    before = keras.config.dtype_policy()
    try:
        if config.mixed_precision:
            keras.config.set_dtype_policy("mixed_float16")
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build(config, classes, weights=None, activation=None):
    """Returns the network of a `Config` with its own classifier of `classes` classes, not trained.

    `weights`, if any, are weights of the backbone. Without an activation, the outputs are logits.
    """
    model = _checked(config, include_top=True, weights=None, classes=classes, classifier_activation=activation)
    if weights is not None:
        _copy(build_backbone(config, weights), model)
    return model


def build_backbone(config, weights=None):
    """Returns the network of a `Config` without its classifier, pooled."""
    return _checked(config, include_top=False, weights=weights, pooling="avg")


def build_with_new_head(config, classes, weights=None, activation=None):
    """Returns the backbone of a `Config`, its weights loaded, with a new classifier of `classes` classes."""
    base = build_backbone(config, weights)
    x = keras.layers.Dropout(_DROPOUT, name="head_dropout")(base.output)
    x = keras.layers.Dense(classes, activation=activation, name="predictions")(x)
    return keras.Model(base.input, x, name=base.name)


def build_detector(config, classes, weights=None):
    """Returns the backbone of a `Config`, its weights loaded, with a new `SSDLite` for `classes` classes."""
    widths = [_share(width, config) for width in _DETECTOR_WIDTHS]
    return SSDLite(build_backbone(config, weights), classes, widths)


def build_segmenter(config, classes, weights=None):
    """Returns the backbone of a `Config`, its weights loaded, with a new `LRASPP` for `classes` classes."""
    stride = config.output_stride
    return LRASPP(build_backbone(config, weights), classes, _share(_SEGMENTER_FILTERS, config), stride)


def _share(width, config):
    return max(_DIVISOR, round(width * config.head_width / _DIVISOR) * _DIVISOR)


def start(config, build, classes, distribution):
    """Returns a network that is ready to be trained from the weights of a `Config`, with logits as outputs.

    Args:
        config: `Config`.
        build: `build`, or another function here with its arguments.
        classes: int, number of classes.
        distribution: `Distribution` that it is trained by.
    """
    keras.utils.set_random_seed(config.seed)
    with distribution.strategy.scope(), precision(config):
        model = build(config, classes, config.weights)
    set_batch_norm(model, config)
    return model


def _checked(config, **arguments):
    record = config.record
    try:
        return record.builder(**{**record.kwargs, **arguments}, input_shape=(config.size, config.size, 3))
    except ValueError as error:
        raise UserError(f"Cannot build {config.model}: {error}") from error


def copy_backbone(model, config):
    """Returns the backbone of a trained model as the builder makes it, with the weights of that model."""
    backbone = build_backbone(config)
    _copy(model, backbone)
    return backbone


def _copy(source, target):
    names = {layer.name for layer in source.layers}
    for layer in target.layers:
        if layer.weights and layer.name in names:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def head_names(model, config):
    """Returns the names of the layers of a model that its backbone lacks, a set."""
    return {layer.name for layer in model.layers} - {layer.name for layer in build_backbone(config).layers}


def train_head_only(model, head):
    """Marks the layers of a new head, given by their names, as the only trained ones."""
    for layer in model.layers:
        layer.trainable = layer.name in head


def train_all_but_statistics(model, head):
    """Marks all layers as trained but the backbone's batch normalisation, whose statistics few images would spoil."""
    for layer in model.layers:
        layer.trainable = layer.name in head or not isinstance(layer, keras.layers.BatchNormalization)


def set_batch_norm(model, config):
    """Sets how every batch normalisation gathers its statistics while training."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = config.sync_batch_norm
            layer.momentum = config.norm_momentum or layer.momentum
