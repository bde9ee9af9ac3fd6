"""Rank of a network's features: how many directions of channel space they use, and how evenly."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from keras_lightnets.applications.contract import channel_axis
from keras_lightnets.errors import UserError


class FeatureRank(NamedTuple):
    """Rank of one layer's output, as a matrix of channels by positions of all images.

    Attributes:
        layer: str, name of the layer.
        channels: int, rows of the matrix.
        positions: int, columns of the matrix: images times height times width.
        rank: int, singular values above the tolerance.
        nuclear_norm: float, sum of the singular values. It grows with the square root of `positions`.
        singular_values: float64 array `(channels,)`, the largest first.
    """

    layer: str
    channels: int
    positions: int
    rank: int
    nuclear_norm: float
    singular_values: np.ndarray


def numerical_rank(singular_values, shape, dtype, tolerance=None):
    """Returns how many singular values of a matrix of `shape` exceed the largest one times `tolerance`.

    `tolerance` None is the longer side times the precision of `dtype`: what rounding leaves of a zero.
    """
    tolerance = max(shape) * np.finfo(dtype).eps if tolerance is None else tolerance
    return int((singular_values > singular_values.max() * tolerance).sum())


def feature_rank(
    model: keras.Model,
    images: np.ndarray,
    layers: Sequence[str] | None = None,
    batch_size: int = 8,
    tolerance: float | None = None,
) -> list[FeatureRank]:
    """Measures the singular values of the layers of a model on images.

    Args:
        model: a functional `keras.Model` with one input.
        images: array `(images, height, width, channels)`, normalised as the model wants it.
        layers: list of str, names of layers whose output has two or four axes. Defaults to None: all of them.
        batch_size: int, images at once. All measured outputs of so many are in memory. Defaults to 8.
        tolerance: float, share of the largest singular value above which one counts. Defaults to None: what float32
            can tell from zero.

    Returns:
        A list of `FeatureRank` in the order of the model.

    Raises:
        UserError: for a name that is no such layer, or an output that is not finite.

    Reference:
        Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021, sections 2 and 5.

    Example:

    >>> model = keras_lightnets.MobileNet(alpha=0.25, weights=None, input_shape=(32, 32, 3))
    >>> images = np.random.default_rng(0).normal(size=(64, 32, 32, 3))
    >>> keras_lightnets.design.feature_rank(model, images, ["conv1"])[0].channels
    8
    """
    fit = {
        layer.name: layer.output
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
        and isinstance(layer.output, keras.KerasTensor)
        and len(layer.output.shape) in (2, 4)
    }
    if wrong := [name for name in layers or () if name not in fit]:
        raise UserError(f"{model.name} has no layer {wrong[0]!r} with an output of two or four axes.")
    names = [name for name in fit if layers is None or name in layers]
    taps = keras.Model(model.inputs, [fit[name] for name in names])
    moments, positions = [0.0] * len(names), [0] * len(names)
    for start in range(0, len(images), batch_size):
        outputs = taps.predict_on_batch(np.asarray(images[start : start + batch_size]))
        for i, features in enumerate([outputs] if len(names) == 1 else outputs):
            if features.ndim == 4:
                features = np.moveaxis(features, channel_axis(), -1)
            columns = features.reshape(-1, features.shape[-1]).astype("float64")
            # In float64 the squares keep everything that float32 features can tell.
            moments[i] = moments[i] + columns.T @ columns
            positions[i] += len(columns)
    return [_feature_rank(*row, tolerance) for row in zip(names, moments, positions, strict=True)]


def _feature_rank(name, moments, positions, tolerance):
    if not np.isfinite(moments).all():
        raise UserError(f"The output of layer {name!r} is not finite for some image.")
    values = np.sqrt(np.linalg.eigvalsh(moments)[::-1].clip(0))
    channels = len(values)
    rank = numerical_rank(values, (channels, positions), "float32", tolerance)
    return FeatureRank(name, channels, positions, rank, float(values.sum()), values)
