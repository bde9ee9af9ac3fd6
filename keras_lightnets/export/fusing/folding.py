"""Rewrites of a graph that leave fewer operations: normalisation and padding into convolutions, factors into one."""

import keras
import numpy as np

from keras_lightnets.export.fusing.graph import (
    Affine,
    Channelwise,
    ColumnBias,
    Conv,
    Dense,
    Input,
    Permute,
    ShiftMax,
    Unpack,
)

# Up to this many input channels a factorised convolution costs more in passes over the pixels than it saves.
_FEW = 4
# Channels that are nearly silent in training may be louder for other images.
_LARGEST_FACTOR = 16.0
# Outputs that fill the vector registers of a core.
_REGISTER = 16


def fold(graph):
    """Applies every rewrite, in place."""
    _fold_affines(graph)
    _convolve_averages(graph)
    _fold_paddings(graph)
    _merge_stems(graph)
    _pack_stems(graph)
    _spread_multipliers(graph)
    _even_channels(graph)
    _scale_shift_max(graph)
    _fold_scaled_images(graph)


def _only_reader(graph, node):
    """The single node that reads `node`, or None."""
    readers = graph.consumers()[node]
    return readers[0] if len(readers) == 1 else None


def _linear_source(graph, node):
    """The convolution or dense layer that `node` alone reads, and the order in which it sees its channels."""
    order = np.arange(node.inputs[0].channels)
    reader, source = node, node.inputs[0]
    while isinstance(source, Permute) and _only_reader(graph, source) is reader:
        order = source.order[order]
        reader, source = source, source.inputs[0]
    if isinstance(source, Conv | Dense) and _only_reader(graph, source) is reader:
        return source, order
    return None, order


def _fold_affines(graph):
    for node in [node for node in graph.nodes if isinstance(node, Affine)]:
        source, order = _linear_source(graph, node)
        if source is not None:
            scale, offset = np.empty_like(node.scale), np.empty_like(node.offset)
            scale[order], offset[order] = node.scale, node.offset
            source.kernel = source.kernel * scale
            source.bias = source.bias * scale + offset
            if isinstance(source, Conv) and node.sizes is not None:
                source.sizes = np.empty_like(node.sizes)
                source.sizes[order] = node.sizes
            graph.replace(node)


def _is_channelwise(node, kind):
    return isinstance(node, Channelwise) and isinstance(node.layer, kind)


def _convolve_averages(graph):
    """An average over padded windows becomes a convolution: it takes the padding, and its int8 form is delegated."""
    for node in [node for node in graph.nodes if _is_channelwise(node, keras.layers.AveragePooling2D)]:
        layer, channels = node.layer, node.channels
        # TensorFlow convolves in depth with equal strides only.
        plain = layer.padding == "valid" and layer.strides[0] == layer.strides[1]
        if plain and _is_channelwise(node.inputs[0], keras.layers.ZeroPadding2D):
            kernel = np.full((*layer.pool_size, 1, channels), 1 / np.prod(layer.pool_size))
            common = node.inputs, node.name, node.shape
            conv = Conv(*common, kernel, np.zeros(channels), layer.strides, ((0, 0), (0, 0)), groups=channels)
            graph.replace(node, conv)


def _fold_paddings(graph):
    for node in [node for node in graph.nodes if _is_channelwise(node, keras.layers.ZeroPadding2D)]:
        conv = _only_reader(graph, node)
        if isinstance(conv, Conv) and conv.padding == ((0, 0), (0, 0)):
            conv.padding = node.layer.padding
            graph.replace(node)


def _is_vertical(node):
    """Whether `node` is `k x 1` and leaves rows alone, its padding known."""
    return (
        isinstance(node, Conv)
        and node.kernel.shape[1] == 1 < node.kernel.shape[0]
        and node.strides[1] == node.dilation[0] == 1
        and node.padding != "same"
        and node.padding[1] == (0, 0)
    )


def _is_horizontal(node, source):
    """Whether `node` is depthwise, `1 x k`, with or without a multiplier, and leaves columns alone."""
    return (
        isinstance(node, Conv)
        and node.kernel.shape[0] == 1 < node.kernel.shape[1]
        and node.strides[0] == node.dilation[1] == 1
        and node.groups == source.channels
        and node.padding != "same"
        and node.padding[0] == (0, 0)
    )


def _merge_stems(graph):
    """A dense `k x 1` and a depthwise `1 x k` convolution of few channels become one `k x k` convolution.

    The second one pads with zeros what already holds the bias of the first, so that its bias differs near the border.
    The convolution has the bias of the inside, and the sum by columns has no more than the differences.
    """
    for first in [node for node in graph.nodes if _is_vertical(node)]:
        second, width = _only_reader(graph, first), first.shape[2]
        if first.groups > 1 or first.inputs[0].channels > _FEW or not _is_horizontal(second, first) or width is None:
            continue
        of = np.arange(second.channels) // (second.channels // first.channels)
        kernel = first.kernel[:, :, :, of] * second.kernel
        (before, after), stride = second.padding[1], second.strides[1]
        inside = np.pad(np.ones(width), (before, after))
        columns = np.arange(second.shape[2])[:, None] * stride + np.arange(second.kernel.shape[1])
        borders = inside[columns] @ second.kernel[0, :, 0]
        padding = (first.padding[0], second.padding[1])
        strides = (first.strides[0], stride)
        weight = second.kernel[0, :, 0].sum(axis=0)
        common = second.bias + first.bias[of] * weight
        conv = Conv(first.inputs, second.name, second.shape, kernel, common, strides, padding, groups=1)
        bias = ColumnBias([conv], f"{second.name}_bias", second.shape, first.bias[of] * (borders - weight))
        graph.replace(first)
        graph.replace(second, conv, bias)


def _pack_stems(graph):
    """A merged stem of few channels makes several neighbouring pixels at once, as channels of one wider step."""
    for bias in [node for node in graph.nodes if isinstance(node, ColumnBias)]:
        (conv,), channels, (_, height, width, _) = bias.inputs, bias.channels, bias.shape
        pixels = _REGISTER // channels
        last = _only_reader(graph, bias)
        if isinstance(last, Permute):
            # Pixels can be packed once the order of their channels is settled.
            conv.kernel, conv.bias = conv.kernel[..., last.order], conv.bias[last.order]
            bias.bias = bias.bias[:, last.order]
            graph.replace(last)
            last = _only_reader(graph, bias)
        activated = _is_channelwise(last, keras.layers.ReLU)
        if pixels < 2 or width % pixels or not activated:
            continue
        rows, taps, inputs, _ = conv.kernel.shape
        stride = conv.strides[1]
        kernel = np.zeros((rows, taps + (pixels - 1) * stride, inputs, pixels, channels))
        for pixel in range(pixels):
            kernel[:, pixel * stride : pixel * stride + taps, :, pixel] = conv.kernel
        conv.kernel = kernel.reshape(*kernel.shape[:3], -1)
        conv.bias = np.tile(conv.bias, pixels)
        conv.strides = conv.strides[0], stride * pixels
        bias.bias = bias.bias.reshape(width // pixels, -1)
        unpacked = Unpack([last], f"{conv.name}_pixels", last.shape)
        for node in (conv, bias, last):
            node.shape = (node.shape[0], height, width // pixels, pixels * channels)
        graph.insert_after(last, unpacked)


def _spread_multipliers(graph):
    """Where both factors multiply channels, the first makes all of them and the second is plainly depthwise."""
    for first in [node for node in graph.nodes if _is_vertical(node)]:
        second = _only_reader(graph, first)
        if first.groups != first.inputs[0].channels or not _is_horizontal(second, first) or second.depthwise:
            continue
        of = np.arange(second.channels) // (second.channels // first.channels)
        first.kernel, first.bias = first.kernel[..., of], first.bias[of]
        first.sizes = None if first.sizes is None else first.sizes[of]
        first.shape = (*first.shape[:-1], second.channels)
        second.groups = second.channels


def _even_channels(graph):
    """The channels between a convolution and a depthwise one become equally large.

    A factor on a channel costs nothing there, and int8 has one step for all channels. Floats do not mind.

    Source: cross-layer equalisation of Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
    Correction, ICCV 2019. Here the activations decide, and not the weights.
    """
    for node in [node for node in graph.nodes if isinstance(node, Conv) and node.sizes is not None]:
        reader = _only_reader(graph, node)
        if isinstance(reader, Conv) and reader.depthwise and np.any(node.sizes):
            factor = node.sizes.max() / np.maximum(node.sizes, node.sizes.max() / _LARGEST_FACTOR)
            node.kernel, node.bias = node.kernel * factor, node.bias * factor
            reader.kernel = reader.kernel / factor


def _scale_shift_max(graph):
    """The bounds of the coefficients are a factor on the input instead, in the weights of the layer before."""
    for node in [node for node in graph.nodes if isinstance(node, ShiftMax)]:
        source, _ = _linear_source(graph, node)
        if source is not None:
            source.kernel, source.bias = source.kernel * node.gain, source.bias * node.gain
            kernel, bias = node.squeeze
            node.squeeze = kernel / node.gain, bias
            node.gain = 1.0


def _fold_scaled_images(graph):
    """Of a normalisation of the images, a sum by columns is left, or nothing where the first convolution pads nothing.

    The convolution pads with zeros what is normalised, so that at the border the mean cannot be in its bias.
    """
    for node in [node for node in graph.nodes if isinstance(node, Affine) and isinstance(node.inputs[0], Input)]:
        conv, width = _only_reader(graph, node), node.shape[2] if len(node.shape) == 4 else None
        if not isinstance(conv, Conv) or width is None or not np.all(node.scale):
            continue
        of = np.arange(conv.channels) // (conv.channels // conv.groups)
        rows = of * conv.kernel.shape[2] + np.arange(conv.kernel.shape[2])[:, None]
        conv.kernel = conv.kernel * node.scale[rows]
        shift = node.offset / node.scale
        if conv.padding == ((0, 0), (0, 0)):
            conv.bias = conv.bias + (conv.kernel * shift[rows]).sum(axis=(0, 1, 2))
            graph.replace(node)
        else:
            graph.replace(node, ColumnBias(node.inputs, node.name, node.shape, np.tile(shift, (width, 1))))
