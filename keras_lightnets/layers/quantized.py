"""The layers of a quantisation-aware model: what an int8 file rounds, rounded in float."""

import keras
from keras import ops
from keras.quantizers import fake_quant_with_min_max_vars

from keras_lightnets.graph import own_weights
from keras_lightnets.kernels.export_scope import exporting
from keras_lightnets.layers.axial_depthwise_conv import AxialDepthwiseConv2D

# Share of the range before that a batch leaves as it was.
_MOMENTUM = 0.99
# Pixels lie on a grid. If the int8 grid were offset by half a step, pixels would round arbitrarily.
_MARGIN = 1.001
# Units that are dead leave a tensor of zeros. Its range must not shrink to nothing: no runtime takes such a step.
_LEAST_RANGE = 0.01
# Step of channels whose weights are all zero.
_LEAST = 1e-12
_DEPTHWISE = (keras.layers.DepthwiseConv2D, AxialDepthwiseConv2D)


@keras.saving.register_keras_serializable(package="keras_lightnets")
class FakeQuantize(keras.layers.Layer):
    """Rounds a tensor to the 256 values that int8 has for its range. The gradient passes inside the range.

    The range follows the extremes of the training batches as a moving average, and starts with the first batch. Before
    any batch was seen the tensor passes as it is.

    Args:
        limits: pair of floats, the range of a probability or another function of its own. Training passes it as it is.
            Defaults to None: the range is learned.
        bounds: pair of floats, beyond which what follows tells no values apart. The learned range stays within.
            Defaults to None.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        The input shape. Called with `step=True`, a scalar, the distance of two of the values.

    Raises:
        ValueError: if `limits` or `bounds` do not enclose zero.

    Reference:
        Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
        CVPR 2018.

    Example:

    >>> keras_lightnets.optimization.FakeQuantize((0.0, 255.0))(np.array([1.2, 300.0])).numpy()
    array([  1., 255.], dtype=float32)
    """

    def __init__(self, limits=None, bounds=None, **kwargs):
        super().__init__(**kwargs)
        for name, pair in (("limits", limits), ("bounds", bounds)):
            if pair is not None and not pair[0] <= 0 <= pair[1]:
                raise ValueError(f"`{name}` must enclose zero, which int8 stores exactly. Received: {name}={pair}")
        self.limits = None if limits is None else tuple(limits)
        self.bounds = None if bounds is None else tuple(bounds)

    def build(self, input_shape):
        """Creates the range."""
        for position, name in enumerate(("minimum", "maximum")):
            initial = keras.initializers.Constant(self.limits[position] if self.limits else 0.0)
            setattr(self, name, self.add_weight(name=name, shape=(), initializer=initial, trainable=False))

    @property
    def seen(self):
        """Whether there is a range, a scalar tensor."""
        return self.maximum > self.minimum

    def call(self, inputs, training=None, step=False):
        """Rounds `inputs`, or returns the step. In training, the extremes of `inputs` move the range first."""
        if step:
            return (self.maximum - self.minimum) / 255.0
        # After `Resizing`, which trains by default, Keras calls all layers as in training.
        training = training and not exporting()
        if training and self.limits is not None:
            # Losses look for the logits of probabilities as they are.
            return inputs
        if training:
            self._follow(inputs)
        rounded = fake_quant_with_min_max_vars(inputs, self.minimum, self.maximum)
        return rounded if training or exporting() else ops.where(self.seen, rounded, inputs)

    def _follow(self, inputs):
        seen = self.seen
        for variable, extreme in ((self.minimum, ops.min), (self.maximum, ops.max)):
            # Zero, the value of padding and of dead units, must be among those that int8 has.
            value = _MARGIN * ops.cast(extreme(ops.append(extreme(inputs), 0.0)), variable.dtype)
            value = value if self.bounds is None else ops.clip(value, *self.bounds)
            variable.assign(ops.where(seen, _MOMENTUM * variable + (1 - _MOMENTUM) * value, value))
        self.maximum.assign(ops.maximum(self.maximum, self.minimum + _LEAST_RANGE))

    def compute_output_spec(self, inputs, training=None, step=False):
        """Returns the shape and type of what `call` returns."""
        return keras.KerasTensor(() if step else inputs.shape, self.compute_dtype)

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "limits": self.limits, "bounds": self.bounds}


@keras.saving.register_keras_serializable(package="keras_lightnets")
class QuantizedWeights(keras.layers.Wrapper):
    """A layer that computes with rounded weights: its kernel, by output channel, or else its bias, as a whole.

    Given the step of its inputs too, it rounds the bias beside a kernel to the 32-bit integers of the file. Otherwise a
    different number early in a network would spread through the rest.

    Args:
        layer: a layer with a `kernel`, or with a `bias` alone.
        **kwargs: arguments of `keras.layers.Wrapper`.

    Input shape:
        The input shape of `layer`, or a list of it and a scalar.

    Output shape:
        The output shape of `layer`.

    Example:

    >>> layer = keras_lightnets.optimization.QuantizedWeights(keras.layers.Dense(4))
    >>> layer(np.ones((2, 3))).shape
    TensorShape([2, 4])
    """

    def build(self, input_shape):
        """Builds the layer, and the switch that lets its weights pass as they are."""
        if not self.layer.built:
            self.layer.build(_first(input_shape))
        self.active = self.add_weight(name="active", shape=(), dtype="bool", initializer="ones", trainable=False)

    @property
    def rounded(self):
        """The variable that is rounded."""
        return self.layer.kernel if hasattr(self.layer, "kernel") else self.layer.bias

    @property
    def channels(self):
        """How many steps the kernel has, or None if there is no kernel."""
        if not hasattr(self.layer, "kernel"):
            return None
        shape = self.layer.kernel.shape
        # TFLite counts the channels of depthwise kernels as outputs.
        return shape[2] * shape[3] if isinstance(self.layer, _DEPTHWISE) else shape[-1]

    def call(self, inputs):
        """Calls the layer on `inputs`."""
        x, *step = inputs if isinstance(inputs, list) else [inputs]
        if exporting():
            # The converter rounds constants by the same rules.
            return self.layer(x)
        if self.channels is None:
            weights = [(self.layer.bias, _as_a_whole(self.layer.bias))]
        else:
            largest = self._largest()
            weights = [(self.layer.kernel, _by_channel(self.layer.kernel, largest))]
            if step and self.layer.use_bias:
                weights.append((self.layer.bias, _to_multiples(self.layer.bias, step[0] * largest / 127.0)))
        weights = [(variable, ops.where(self.active, rounded, variable)) for variable, rounded in weights]
        with keras.StatelessScope(weights):
            return self.layer(x)

    def _largest(self):
        """The largest weight of each channel."""
        flat = ops.reshape(self.layer.kernel, (-1, self.channels))
        return ops.stop_gradient(ops.maximum(ops.max(ops.abs(flat), axis=0), _LEAST))

    def compute_output_shape(self, input_shape):
        """Returns the output shape of the layer."""
        return self.layer.compute_output_shape(_first(input_shape))


def _first(shapes):
    return shapes[0] if isinstance(shapes[0], tuple | list) else shapes


def _by_channel(kernel, largest):
    flat = ops.reshape(kernel, (-1, largest.shape[0]))
    return ops.reshape(fake_quant_with_min_max_vars(flat, -largest, largest, narrow_range=True, axis=-1), kernel.shape)


def _to_multiples(bias, step):
    # The range of the inputs may not be known yet.
    rounded = ops.where(step > 0, ops.round(bias / ops.maximum(step, _LEAST**2)) * step, bias)
    return bias + ops.stop_gradient(rounded - bias)


def _as_a_whole(bias):
    limits = (ops.stop_gradient(extreme(ops.append(bias, 0.0))) for extreme in (ops.min, ops.max))
    return fake_quant_with_min_max_vars(bias, *limits)


@keras.saving.register_keras_serializable(package="keras_lightnets")
class Coefficients(keras.layers.Layer):
    """One of several equal parts of the coefficients of an image, to multiply its pixels by.

    Args:
        part: int, which of them.
        parts: int, how many there are.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, parts * channels)`

    Output shape:
        `(batch, 1, 1, channels)`

    Example:

    >>> keras_lightnets.optimization.Coefficients(1, 2)(np.ones((3, 8))).shape
    TensorShape([3, 1, 1, 4])
    """

    def __init__(self, part, parts, **kwargs):
        super().__init__(**kwargs)
        self.part = part
        self.parts = parts

    def call(self, inputs):
        """Takes the part of `inputs`."""
        channels = inputs.shape[-1] // self.parts
        own = inputs[:, self.part * channels : (self.part + 1) * channels]
        # In the export form the batch is 1, so that (1, channels) broadcasts by itself.
        return own if exporting() else own[:, None, None, :]

    def compute_output_shape(self, input_shape):
        """Returns the shape of the part."""
        return (input_shape[0], 1, 1, input_shape[-1] // self.parts)

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "part": self.part, "parts": self.parts}


def is_quantize_aware(model):
    """Returns whether a model came from `optimization.quantize_aware`."""
    return any(isinstance(layer, FakeQuantize) for layer, _ in own_weights(model))
