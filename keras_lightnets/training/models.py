"""The networks that are trained, and which of their layers are."""

import contextlib

import keras

from keras_lightnets.errors import UserError

_HEAD = ("head_dropout", "predictions")
_DROPOUT = 0.2


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


def build(config, classes, activation="softmax", weights=None):
    """Returns the network of a `Config` with its own classifier of `classes` classes, not trained.

    The weights, if any, are those of the backbone.
    """
    model = _checked(config, include_top=True, weights=None, classes=classes, classifier_activation=activation)
    if weights is not None:
        _copy(build_backbone(config, weights), model)
    return model


def build_backbone(config, weights=None):
    """Returns the network of a `Config` without its classifier, pooled."""
    return _checked(config, include_top=False, weights=weights, pooling="avg")


def build_with_new_head(config, classes, activation="softmax", weights=None):
    """Returns the backbone of a `Config`, its weights loaded, with a new classifier of `classes` classes."""
    base = build_backbone(config, weights)
    x = keras.layers.Dropout(_DROPOUT, name=_HEAD[0])(base.output)
    x = keras.layers.Dense(classes, activation=activation, name=_HEAD[1])(x)
    return keras.Model(base.input, x, name=base.name)


def start(config, build, classes, distribution):
    """Returns a network that is ready to be trained from the weights of a `Config`, with logits as outputs.

    Args:
        config: `Config`.
        build: `build` or `build_with_new_head`.
        classes: int, number of classes.
        distribution: `Distribution` that it is trained by.
    """
    keras.utils.set_random_seed(config.seed)
    with distribution.strategy.scope(), precision(config):
        model = build(config, classes, activation=None, weights=config.weights)
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


def train_head_only(model):
    """Marks the layers of the new classifier as the only trained ones."""
    for layer in model.layers:
        layer.trainable = layer.name in _HEAD


def train_all_but_statistics(model):
    """Marks all layers as trained but batch normalisation, whose statistics few images would spoil."""
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)


def set_batch_norm(model, config):
    """Sets how every batch normalisation gathers its statistics while training."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = config.sync_batch_norm
            layer.momentum = config.norm_momentum or layer.momentum
