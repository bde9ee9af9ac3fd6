"""The `keras.applications` contract, once for every builder."""

import math
import numbers

import keras

from keras_lightnets.warning import warn
from keras_lightnets.weights import download
from keras_lightnets.weights.load import Head, load
from keras_lightnets.weights.opening import open_source
from keras_lightnets.weights.records.keras import keras_record

HEAD = Head(
    ("fc", "fc_bn", "conv_2", "conv_preds", "logits", "logits_bn", "predictions"),
    classes=("conv_preds", "logits", "logits_bn", "predictions"),
)
# Of ImageNet, and the default of every builder.
_CLASSES = 1000


def open_weights(builder, arguments, weights, include_top, classes, classifier_activation, donated=False):
    """Refuses combinations of arguments before anything is built, and reads the weights.

    Args:
        builder: name of the builder, and
        arguments: dict of those of its arguments that decide which weights fit.
        weights: None, "imagenet" or another name of the registry, or the path of a weights file.
        include_top: bool.
        classes: int.
        classifier_activation: str or callable or None.
        donated: whether "imagenet" is left to `keras_donor`. Defaults to False.

    Returns:
        A `Source`, or None without weights or if they are left to `keras_donor`; and the number of classes: where
        `classes` is the default of `keras.applications`, that of weights given by name.

    Raises:
        ValueError: for weights that do not exist or cannot be read, `classes` other than 1000 with the classifier of
            `keras.applications`, or an activation other than softmax or None with weights.
    """
    donated = donated and weights == "imagenet"
    if donated and include_top and classes != _CLASSES:
        raise ValueError(
            f"If using `weights={weights!r}` with `include_top=True`, `classes` should be {_CLASSES}. "
            f"Received: classes={classes}"
        )
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"`classes` must be a positive integer. Received: classes={classes}")
    if include_top and weights is not None and classifier_activation is not None:
        activation = keras.activations.get(classifier_activation)
        if activation is not keras.activations.softmax:
            raise ValueError(
                "Only `None` and `softmax` activations are allowed for the `classifier_activation` argument when "
                f"using weights. Received: classifier_activation={classifier_activation!r}"
            )
    if weights is None or donated:
        return None, classes
    source = open_source(weights, builder, arguments, include_top)
    return source, source.classes if source.classes and classes == _CLASSES else classes


def check_alpha(alpha):
    """Raises a ValueError unless the width multiplier `alpha` is a positive number."""
    if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not 0 < alpha < math.inf:
        raise ValueError(f"`alpha` must be a positive number. Received: alpha={alpha}")


def refuse_channels_first(builder):
    """Raises a ValueError naming `builder` if Keras is set to `channels_first`."""
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{builder} is channels_last only; call keras.config.set_image_data_format('channels_last') first. "
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )


def channel_axis():
    """Returns the axis of the channels in Keras' data format: 1 or -1."""
    return 1 if keras.config.image_data_format() == "channels_first" else -1


def keras_donor(builder, weights, input_tensor, **arguments):
    """Builds the network of `keras.applications` whose ImageNet weights a network of ours takes over.

    Names, hashes and cache of the files, and the errors of a failed download, are thus Keras' own.

    Args:
        builder: function of `keras.applications`.
        weights: the `weights` argument of our builder.
        input_tensor: the `input_tensor` argument of our builder.
        **arguments: the arguments that both builders share.

    Returns:
        A `keras.Model`, or None if `weights` is not "imagenet".

    Raises:
        ValueError: for arguments that released weights do not exist for.
    """
    if weights != "imagenet":
        return None
    if keras.backend.is_keras_tensor(input_tensor):
        # Its shape matters, but not the graph that it comes from.
        input_tensor = keras.Input(batch_shape=input_tensor.shape)
    shape = arguments.get("input_shape") or getattr(input_tensor, "shape", (None,))[1:]
    if record := keras_record(builder.__name__, arguments, shape):
        # Keras finds the file in its cache then.
        download.fetch(record)
    return builder(weights=weights, input_tensor=input_tensor, **arguments)


def image_input(input_tensor, input_shape, include_top, default_size=224, min_size=32):
    """Opens the input of a network, checking the shapes.

    Args:
        input_tensor: None or Keras tensor to build upon.
        input_shape: None or `(height, width, channels)` without the batch, in Keras' data format.
        include_top: bool; with a classifier on top an `input_shape` must state the size.
        default_size: int, height and width under a classifier where nothing else is said, or None for a network that
            takes any size under its classifier, and any channels without a warning. Defaults to 224.
        min_size: int, smallest height and width. Defaults to 32.

    Returns:
        A Keras tensor `(batch, height, width, channels)`.

    Raises:
        ValueError: for a shape that is not three integers, is too small, contradicts `input_tensor`, or is unknown
            where it must be known.
    """
    channels_first = keras.config.image_data_format() == "channels_first"
    if input_tensor is not None:
        if not keras.backend.is_keras_tensor(input_tensor):
            input_tensor = keras.Input(tensor=input_tensor)
        tensor_shape = tuple(input_tensor.shape[1:])
        if input_shape is not None and tuple(input_shape) != tensor_shape:
            raise ValueError(
                "`input_shape` must equal the shape of `input_tensor` without the batch. "
                f"Received: input_shape={tuple(input_shape)}, input_tensor.shape={tuple(input_tensor.shape)}"
            )
        input_shape = tensor_shape
    if input_shape is None:
        size = default_size if include_top else None
        input_shape = (3, size, size) if channels_first else (size, size, 3)
    input_shape = tuple(input_shape)
    if len(input_shape) != 3:
        raise ValueError(f"`input_shape` must be a tuple of three integers. Received: input_shape={input_shape}")
    channels = input_shape[0] if channels_first else input_shape[-1]
    sides = input_shape[1:] if channels_first else input_shape[:-1]
    if channels is None:
        raise ValueError(f"`input_shape` must state the number of channels. Received: input_shape={input_shape}")
    if any(side is not None and side < min_size for side in sides):
        raise ValueError(f"Input size must be at least {min_size}x{min_size}; Received: input_shape={input_shape}")
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


def pooled(x, pooling):
    """Pools features over height and width: "avg", "max", or None for the features as they are."""
    if pooling is None:
        return x
    pools = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    if pooling not in pools:
        raise ValueError(f"`pooling` must be None, 'avg' or 'max'. Received: pooling={pooling!r}")
    return pools[pooling](name=f"{pooling}_pool")(x)


def finish(inputs, outputs, name, source, donor=None):
    """Closes the graph into a model, from the first input on, and gives it its weights.

    Args:
        inputs: the input that `image_input` opened.
        outputs: Keras tensor, output of the model.
        name: str, name of the model.
        source: the `Source` of `open_weights`, or None.
        donor: the model of `keras_donor` to take the weights from instead. Defaults to None.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if the file does not fit the network, naming the file.
    """
    # `inputs` may be a tensor in the middle of another graph: the model starts where that graph starts.
    starts = keras.utils.get_source_inputs(inputs)
    model = keras.Model(starts[0] if len(starts) == 1 else starts, outputs, name=name)
    if donor is not None:
        for layer in donor.layers:
            if layer.weights:
                model.get_layer(layer.name).set_weights(layer.get_weights())
    elif source is not None:
        before = [] if any(inputs is start for start in starts) else keras.Model(starts, inputs).layers
        load(source, [layer for layer in model.layers if layer not in before], name, HEAD)
    return model


# The arguments that every builder has, for its docstring.
ARGUMENTS = """Args:
    include_top: bool, whether to end in the classifier. Defaults to True.
    weights: None for random initialisation, "imagenet", "cifar10" or another name of
        `keras_lightnets.weights.list_weights()`, or the path of a weights file: `.weights.h5`, `.h5`, `.keras`,
        `.safetensors`, or a PyTorch checkpoint of the publishers listed there. With another number of `classes` than
        the weights have, the classifier is fresh and a warning says so; with one input channel the first kernel is
        summed over RGB, and from the fourth channel on it is zero. Defaults to "imagenet".
    input_tensor: Keras tensor `(batch, height, width, channels)` to build upon. Defaults to None.
    input_shape: `(height, width, channels)`, each side at least 32. Defaults to None: `(224, 224, 3)` with the
        classifier, `(None, None, 3)` without.
    pooling: without the classifier, "avg" or "max" for features `(batch, channels)`, None for
        `(batch, height / 32, width / 32, channels)`. Defaults to None.
    classes: int, number of classes. Defaults to 1000, which stands for that of the weights if they are given by name:
        10 for "cifar10".
    classifier_activation: activation of the classifier, None for logits. Defaults to "softmax".
    name: str, name of the model.

Returns:
    A functional `keras.Model`. It expects images normalised by this module's `preprocess_input`.

Raises:
    ValueError: for arguments that `keras.applications` refuses too: weights that do not exist, cannot be downloaded
        or do not fit, a too small or unknown input size.
"""
