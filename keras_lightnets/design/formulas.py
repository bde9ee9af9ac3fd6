"""The papers' formulas of the cost of a layer: multiply-adds of one image, and weights without biases and norms."""

import math
from typing import NamedTuple


class Cost(NamedTuple):
    """Multiply-adds of one image, and weights."""

    madds: int
    params: int


def convolution(side: int, kernel: int, channels: int, filters: int, groups: int = 1) -> Cost:
    """A convolution to `side` x `side` pixels: K * K * M / G * N * F * F (MobileNet, equation 2, and ShuffleNet, 3.1).

    Args:
        side: int, height and width F of the output.
        kernel: int, height and width K of the kernel.
        channels: int, channels M of the input.
        filters: int, channels N of the output.
        groups: int, groups G, each of which sees its own channels only. With M groups, it is a depthwise
            convolution. Defaults to 1.

    Returns:
        A `Cost`.

    Raises:
        ValueError: if `groups` does not divide `channels` and `filters`.

    Example:

    >>> keras_lightnets.design.convolution(14, 3, 512, 512)
    Cost(madds=462422016, params=2359296)
    """
    if channels % groups or filters % groups:
        raise ValueError(f"`groups` must divide both. Received: {channels=}, {filters=}, {groups=}")
    params = kernel * kernel * channels // groups * filters
    return Cost(side * side * params, params)


def depthwise_separable(
    side: int, kernel: int, channels: int, filters: int, alpha: float = 1.0, rho: float = 1.0
) -> Cost:
    """A depthwise and a 1x1 convolution: (K * K * aM + aM * aN) * rF * rF (MobileNet, equations 5 to 7).

    Next to `convolution` it costs 1 / N + 1 / K**2.

    Args:
        side: int, height and width F of the output before `rho`.
        kernel: int, height and width K of the depthwise kernel.
        channels: int, channels M of the input before `alpha`.
        filters: int, channels N of the output before `alpha`.
        alpha: float, width multiplier a. Defaults to 1.0.
        rho: float, resolution multiplier r. Defaults to 1.0.

    Returns:
        A `Cost`.

    Example:

    >>> keras_lightnets.design.depthwise_separable(14, 3, 512, 512)
    Cost(madds=52283392, params=266752)
    """
    side, channels, filters = round(rho * side), int(alpha * channels), int(alpha * filters)
    return _sum(convolution(side, kernel, channels, channels, channels), convolution(side, 1, channels, filters))


def inverted_residual(side: int, channels: int, filters: int, expansion: int, kernel: int = 3) -> Cost:
    """An inverted residual of stride 1: t * M * (M + K * K + N) * F * F (MobileNetV2, section 3.3).

    Args:
        side: int, height and width F.
        channels: int, channels M of the input.
        filters: int, channels N of the output.
        expansion: int, t.
        kernel: int, height and width K of the depthwise kernel. Defaults to 3.

    Returns:
        A `Cost`.

    Example:

    >>> keras_lightnets.design.inverted_residual(14, 64, 64, 6)
    Cost(madds=10311168, params=52608)
    """
    wide = expansion * channels
    return _sum(convolution(side, 1, channels, wide), depthwise_separable(side, kernel, wide, filters))


def bottleneck(side: int, channels: int, middle: int, groups: int = 1) -> Cost:
    """A residual bottleneck of stride 1: (2 * C * m + 9 * m * m / g) * F * F (ResNet, and ResNeXt with groups).

    Args:
        side: int, height and width F.
        channels: int, channels C of input and output.
        middle: int, channels m of the 3x3 convolution.
        groups: int, groups g of the 3x3 convolution. Defaults to 1.

    Returns:
        A `Cost`.

    Example:

    >>> keras_lightnets.design.bottleneck(28, 240, 60)
    Cost(madds=47980800, params=61200)
    """
    squeeze, expand = convolution(side, 1, channels, middle), convolution(side, 1, middle, channels)
    return _sum(squeeze, convolution(side, 3, middle, middle, groups), expand)


def shufflenet_unit(side: int, channels: int, middle: int, groups: int) -> Cost:
    """A ShuffleNet unit of stride 1: (2 * C * m / g + 9 * m) * F * F (ShuffleNet, section 3.2).

    Args:
        side: int, height and width F.
        channels: int, channels C of input and output.
        middle: int, channels m of the depthwise convolution.
        groups: int, groups g of the 1x1 convolutions.

    Returns:
        A `Cost`.

    Example:

    >>> keras_lightnets.design.shufflenet_unit(28, 240, 60, groups=3)
    Cost(madds=7949760, params=10140)
    """
    squeeze = convolution(side, 1, channels, middle, groups)
    return _sum(squeeze, convolution(side, 3, middle, middle, middle), convolution(side, 1, middle, channels, groups))


def micro_groups(channels: int, reduction: int) -> float:
    """Groups G = sqrt(C / R) that join every output to every input exactly once (MicroNet).

    Each of C outputs sees C / (R * G) hidden channels, and each hidden channel sees C / G inputs. That makes
    C * C / (R * G * G) paths, one for every input where G * G = C / R. More groups cut inputs off, fewer are redundant.

    Args:
        channels: int, channels C of input and output.
        reduction: int, ratio R of C to the hidden channels.

    Returns:
        float. The authors' networks take a divisor of the channels near it.

    Example:

    >>> keras_lightnets.design.micro_groups(18, 2)
    3.0
    """
    return math.sqrt(channels / reduction)


def micro_factorized_pointwise(side: int, channels: int, reduction: int, groups: int) -> Cost:
    """Two grouped 1x1 convolutions over C / R hidden channels: 2 * C * C / (R * G) * F * F (MicroNet).

    Args:
        side: int, height and width F.
        channels: int, channels C of input and output.
        reduction: int, ratio R of C to the hidden channels.
        groups: int, groups G of both.

    Returns:
        A `Cost`.

    Example:

    >>> keras_lightnets.design.micro_factorized_pointwise(1, 18, 2, groups=3)
    Cost(madds=108, params=108)
    """
    hidden = channels // reduction
    return _sum(convolution(side, 1, channels, hidden, groups), convolution(side, 1, hidden, channels, groups))


def micro_factorized_depthwise(side: int, kernel: int, channels: int) -> Cost:
    """A K x 1 and a 1 x K depthwise convolution of stride 1: 2 * K * C * F * F (MicroNet).

    Args:
        side: int, height and width F.
        kernel: int, length K of both kernels.
        channels: int, channels C.

    Returns:
        A `Cost`.

    Example:

    >>> keras_lightnets.design.micro_factorized_depthwise(14, 5, 64)
    Cost(madds=125440, params=640)
    """
    return Cost(2 * kernel * channels * side * side, 2 * kernel * channels)


def _sum(*costs):
    return Cost(*map(sum, zip(*costs, strict=True)))
