"""The `keras.applications` contract, once for every builder."""

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras

from keras_lightnets.warning import warn
from keras_lightnets.weights import download
from keras_lightnets.weights.load import Head, load
from keras_lightnets.weights.opening import open_source
from keras_lightnets.weights.records.keras import keras_record

# Of ImageNet, and the default of every builder.
_CLASSES = 1000
# The least size of `keras.applications`: five halvings leave one pixel.
_MIN_SIZE = 32
_POOLS = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


class Arguments(NamedTuple):
    """What every builder is called with. `name` may also be a function from the input of the network to its name."""

    include_top: bool
    weights: Any
    input_tensor: Any
    input_shape: Any
    pooling: str | None
    classes: int
    classifier_activation: Any
    name: str | Callable


class Donor(NamedTuple):
    """A builder of `keras.applications` whose "imagenet" weights ours takes over, with its arguments of its own."""

    builder: Callable
    arguments: dict


def assemble(family, builder, identity, arguments, features, head, donor=None):
    """Builds a network: checks the arguments, reads the weights, lays the graph and fills it.

    Args:
        family: `Family` of the architecture.
        builder: str, name of the builder.
        identity: dict of its own arguments that decide which weights fit.
        arguments: `Arguments`.
        features: function that lays the features, of the input and the `Source` of the weights, None without.
        head: function that lays the classifier, of the features, the number of classes and the classifier activation.
        donor: `Donor` of "imagenet". Defaults to None: "imagenet" is a name of the registry.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: for arguments that `keras.applications` refuses, and weights that cannot be read or do not fit.
    """
    if not family.channels_first:
        check_channels_last(family.title)
    donated = donor is not None and arguments.weights == "imagenet"
    _check_head(arguments, donated)
    network = family.network(builder, identity)
    source = twin = None
    if donated:
        twin = _build_twin(donor, network, arguments)
    elif arguments.weights is not None:
        source = open_source(arguments.weights, network, arguments.include_top)
    inputs = image_input(arguments, family.default_size)
    x = features(inputs, source)
    if arguments.include_top:
        named = source.classes if source and arguments.classes == _CLASSES else None
        x = head(x, named or int(arguments.classes), arguments.classifier_activation)
    else:
        x = pooled(x, arguments.pooling)
    # `inputs` may be a tensor in the middle of another graph: the model starts where that graph starts.
    starts = keras.utils.get_source_inputs(inputs)
    # The twin's name tells the size that its weights were trained at.
    name = twin.name if twin else arguments.name(inputs) if callable(arguments.name) else arguments.name
    model = keras.Model(starts[0] if len(starts) == 1 else starts, x, name=name)
    if twin:
        for layer in twin.layers:
            if layer.weights:
                model.get_layer(layer.name).set_weights(layer.get_weights())
    if source:
        before = [] if any(inputs is start for start in starts) else keras.Model(starts, inputs).layers
        layers = [layer for layer in model.layers if layer not in before]
        load(source, layers, model.name, Head(family.head, family.classes))
    return model


def check_channels_last(title):
    """Raises a ValueError that names the network, `title`, if Keras' data format is another."""
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{title} is channels_last only; call keras.config.set_image_data_format('channels_last') first. "
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )


def _check_head(arguments, donated):
    """Refuses a head that no network can have, or no network with weights, before anything is built or downloaded."""
    include_top, weights, classes = arguments.include_top, arguments.weights, arguments.classes
    if not include_top and arguments.pooling not in (None, *_POOLS):
        raise ValueError(f"`pooling` must be None, 'avg' or 'max'. Received: pooling={arguments.pooling!r}")
    if donated and include_top and classes != _CLASSES:
        raise ValueError(
            f"If using `weights={weights!r}` with `include_top=True`, `classes` should be {_CLASSES}. "
            f"Received: classes={classes}"
        )
    if isinstance(classes, bool) or not isinstance(classes, numbers.Integral) or classes < 1:
        raise ValueError(f"`classes` must be a positive integer. Received: classes={classes}")
    if include_top and weights is not None and arguments.classifier_activation is not None:
        activation = keras.activations.get(arguments.classifier_activation)
        if activation is not keras.activations.softmax:
            raise ValueError(
                "Only `None` and `softmax` activations are allowed for the `classifier_activation` argument when "
                f"using weights. Received: classifier_activation={arguments.classifier_activation!r}"
            )


def _build_twin(donor, network, arguments):
    """Returns the model of `keras.applications`: names, hashes and errors of the files are thus Keras' own."""
    tensor = arguments.input_tensor
    if keras.backend.is_keras_tensor(tensor):
        # Its shape matters, but not the graph that it comes from.
        tensor = keras.Input(batch_shape=tensor.shape)
    common = {name: getattr(arguments, name) for name in ("include_top", "weights", "input_shape")}
    name = None if callable(arguments.name) else arguments.name
    shared = {**common, "input_tensor": tensor, "name": name, **donor.arguments}
    shape = shared["input_shape"] or getattr(tensor, "shape", (None,))[1:]
    if record := keras_record(network, arguments.include_top, shape):
        # Keras finds the file in its cache then.
        download.fetch(record)
    return donor.builder(**shared)


def check_alpha(alpha):
    """Returns the width multiplier `alpha` as float, or raises a ValueError unless it is a positive number."""
    if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not 0 < alpha < math.inf:
        raise ValueError(f"`alpha` must be a positive number. Received: alpha={alpha}")
    return float(alpha)


def channel_axis():
    """Returns the axis of the channels in Keras' data format: 1 or -1."""
    return 1 if keras.config.image_data_format() == "channels_first" else -1


def image_input(arguments, default_size):
    """Opens the input of a network, checking the shapes.

    Args:
        arguments: `Arguments`. With a classifier on top, the `input_shape` must state the size.
        default_size: int, height and width under a classifier where nothing else is said. None is for a network
            that takes any size under its classifier, and any channels without a warning.

    Returns:
        A Keras tensor `(batch, height, width, channels)`.

    Raises:
        ValueError: for a shape that is not three integers, is too small, contradicts `input_tensor`, or is unknown
            where it must be known.
    """
    include_top, input_tensor, input_shape = arguments.include_top, arguments.input_tensor, arguments.input_shape
    channels_first = keras.config.image_data_format() == "channels_first"
    if input_shape is not None:
        input_shape = _checked_shape(input_shape)
    if input_tensor is not None:
        if not keras.backend.is_keras_tensor(input_tensor):
            input_tensor = keras.Input(tensor=input_tensor)
        tensor_shape = _checked_shape(input_tensor.shape[1:])
        if input_shape not in (None, tensor_shape):
            raise ValueError(
                "`input_shape` must equal the shape of `input_tensor` without the batch. "
                f"Received: input_shape={input_shape}, input_tensor.shape={tuple(input_tensor.shape)}"
            )
        input_shape = tensor_shape
    if input_shape is None:
        size = default_size if include_top else None
        input_shape = (3, size, size) if channels_first else (size, size, 3)
    channels = input_shape[0] if channels_first else input_shape[-1]
    sides = input_shape[1:] if channels_first else input_shape[:-1]
    if channels is None:
        raise ValueError(f"`input_shape` must state the number of channels. Received: input_shape={input_shape}")
    if any(side is not None and side < _MIN_SIZE for side in sides):
        raise ValueError(f"Input size must be at least {_MIN_SIZE}x{_MIN_SIZE}; Received: input_shape={input_shape}")
    if include_top and None in sides and default_size is not None and input_tensor is None:
        raise ValueError(
            f"If `include_top` is True, you should specify a static `input_shape`. Received: input_shape={input_shape}"
        )
    if channels not in (1, 3) and default_size is not None:
        warn(
            f"This model usually expects 1 or 3 input channels. However, it was passed an input_shape with {channels} "
            "input channels."
        )
    return keras.Input(shape=input_shape) if input_tensor is None else input_tensor


def _checked_shape(shape):
    """Returns a shape without the batch as a tuple of three positive integers, those unknown None."""
    shape = tuple(shape) if isinstance(shape, Iterable) else shape
    if (
        not isinstance(shape, tuple)
        or len(shape) != 3
        or any(side is not None and (not isinstance(side, numbers.Integral) or side < 1) for side in shape)
    ):
        raise ValueError(f"`input_shape` must be a tuple of three integers. Received: input_shape={shape}")
    return shape


def pooled(x, pooling):
    """Pools features over height and width: "avg", "max", or None for the features as they are."""
    if pooling is None:
        return x
    return _POOLS[pooling](name=f"{pooling}_pool")(x)
