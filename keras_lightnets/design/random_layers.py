"""Layers with random weights, as the rank study measures them, in NumPy: their sizes differ from one to the next."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from keras_lightnets.errors import UserError

LAYERS = ("conv1x1", "conv3x3", "bottleneck_conv", "bottleneck_depthwise")
NONLINEARITIES = {
    "Linear": lambda x: x,
    "ReLU": lambda x: np.maximum(x, 0),
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "LeakyReLU": lambda x: np.where(x > 0, x, 0.01 * x),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "SoftPlus": lambda x: np.logaddexp(x, 0),
    "Hard-swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "SiLU": lambda x: x * (0.5 + 0.5 * np.tanh(0.5 * x)),
}
_CHOICES = {
    "inputs": ("uniform", "normal"),
    "weights": ("normal", "uniform"),
    "norm": ("identity", "batch"),
    "dtype": ("float32", "float64"),
}


@dataclass(frozen=True)
class RankChoices:
    """What the paper leaves open. Of what was tried, the defaults come near to its curves (docs/design.md).

    Attributes:
        inputs: "uniform" in [0, 1], as after a ReLU6 that is never reached, or "normal". Defaults to "uniform".
        weights: "normal" with variance 1, or "uniform" within 1 / sqrt(fan_in). Defaults to "normal".
        norm: "identity", as of batch normalisation that has seen no image, or "batch", by the statistics of the
            features. Defaults to "identity".
        channels: smallest and largest number of output channels, drawn evenly. Defaults to (10, 100).
        samples: int, number N of input vectors, or of images with `side` > 1. Defaults to 256.
        side: int, height and width of the images. Defaults to 1: a 3x3 kernel acts by its middle alone, as the paper's
            linear curves have it.
        expansion: int, of the inverted bottlenecks. With MobileNetV2's 6 they reach full rank far before the paper's.
            Defaults to 2.
        dtype: "float32" or "float64". Defaults to "float32".
        tolerance: float, share of the largest singular value above which one counts. Defaults to None: the longer
            side of the matrix times the precision of `dtype`.
    """

    inputs: str = "uniform"
    weights: str = "normal"
    norm: str = "identity"
    channels: tuple[int, int] = (10, 100)
    samples: int = 256
    side: int = 1
    expansion: int = 2
    dtype: str = "float32"
    tolerance: float | None = None

    def __post_init__(self):
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise UserError(f"`{name}` must be one of {', '.join(known)}. Received: {name}={getattr(self, name)!r}")
        low, high = self.channels
        if not 1 <= low <= high:
            raise UserError(f"`channels` must be two numbers, the smaller one first. Received: channels={low} {high}")
        if self.samples * self.side**2 < high or self.side < 1 or self.expansion < 1:
            raise UserError(
                f"There must be at least as many input vectors as channels, {high}. Received: samples={self.samples}, "
                f"side={self.side}, expansion={self.expansion}"
            )


class RandomLayer:
    """A layer of one of `LAYERS`, from `d_in` to `d_out` channels, and its input.

    Args:
        kind: str, one of `LAYERS`.
        d_in: int.
        d_out: int.
        choices: `RankChoices`.
        random: `numpy.random.Generator`.
    """

    def __init__(self, kind, d_in, d_out, choices, random):
        self._kind, self._choices, self._random = kind, choices, random
        shape = (choices.samples, choices.side, choices.side, d_in)
        inputs = random.random(shape) if choices.inputs == "uniform" else random.normal(size=shape)
        self._inputs = inputs.astype(choices.dtype)
        if kind.startswith("conv"):
            self._kernels = [self._kernel(int(kind[-1]), d_in, d_out)]
        else:
            wide = choices.expansion * d_in
            middle = self._kernel(3, 1 if kind == "bottleneck_depthwise" else wide, wide)
            self._kernels = [self._kernel(1, d_in, wide), middle, self._kernel(1, wide, d_out)]

    def __call__(self, nonlinearity):
        """Returns the output with a nonlinearity of `NONLINEARITIES`, as a matrix `(d_out, positions)`."""
        f, x = NONLINEARITIES[nonlinearity], self._inputs
        if self._kind.startswith("conv"):
            x = f(self._norm(_convolution(x, self._kernels[0])))
        else:
            expand, middle, project = self._kernels
            convolve = _depthwise if self._kind == "bottleneck_depthwise" else _convolution
            x = f(self._norm(_convolution(x, expand)))
            x = f(self._norm(convolve(x, middle)))
            x = self._norm(_convolution(x, project))
            # The shortcut has fewer channels, as in ReXNet.
            x[..., : self._inputs.shape[-1]] += self._inputs
        return x.reshape(-1, x.shape[-1]).T

    def _kernel(self, size, d_in, d_out):
        # What always meets the padding need not be drawn.
        reach = min(size, 2 * self._choices.side - 1)
        shape = (reach, reach, d_in, d_out)
        if self._choices.weights == "normal":
            kernel = self._random.normal(size=shape)
        else:
            bound = (size * size * d_in) ** -0.5
            kernel = self._random.uniform(-bound, bound, shape)
        return kernel.astype(self._choices.dtype)

    def _norm(self, x):
        if self._choices.norm == "identity":
            return x
        axes = (0, 1, 2)
        return (x - x.mean(axes)) / np.sqrt(x.var(axes) + np.asarray(1e-5, x.dtype))


def _convolution(x, kernel):
    return sum(window @ kernel[place] for place, window in _windows(x, len(kernel)))


def _depthwise(x, kernel):
    return sum(window * kernel[place][0] for place, window in _windows(x, len(kernel)))


def _windows(x, size):
    """Yields each place in the kernel and the zero-padded image shifted to it."""
    reach, (height, width) = size // 2, x.shape[1:3]
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    for row, column in product(range(size), repeat=2):
        yield (row, column), padded[:, row : row + height, column : column + width]
