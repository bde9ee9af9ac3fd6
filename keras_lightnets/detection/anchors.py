"""Anchors: the boxes that a detector starts from, some of each shape on every pixel of every map."""

import math
from collections.abc import Sequence

import keras
import numpy as np

from keras_lightnets.errors import UserError

_LEAST, _MOST = 0.2, 0.95
# Ratios of width to height.
_RATIOS = (1.0, 2.0, 1 / 2, 3.0, 1 / 3)


@keras.saving.register_keras_serializable(package="keras_lightnets")
class Anchors(keras.layers.Identity):
    """Passes box codes on, and knows the anchor of each code, so that a saved detector has its anchors.

    Args:
        grids: list of `(height, width)`, one for each map, in pixels of the map.
        sizes: list with one entry for each map: a list of `(height, width)`, relative to the image. On each pixel of
            the map stands one anchor of each size.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, anchors, 4)`.

    Output shape:
        The same.

    Example:

    >>> layer = keras_lightnets.detection.Anchors(grids=[(1, 2)], sizes=[[(0.5, 0.25)]])
    >>> layer.anchors.tolist()
    [[0.5, 0.25, 0.5, 0.25], [0.5, 0.75, 0.5, 0.25]]
    """

    def __init__(self, grids: Sequence, sizes: Sequence, **kwargs):
        super().__init__(**kwargs)
        self.grids = [tuple(grid) for grid in grids]
        self.sizes = [[tuple(size) for size in shapes] for shapes in sizes]

    @property
    def anchors(self) -> np.ndarray:
        """Float array `(anchors, 4)` of y and x of the centre, height and width, relative to the image."""
        return np.concatenate([_on_grid(*pair) for pair in zip(self.grids, self.sizes, strict=True)])

    def get_config(self) -> dict:
        """Returns the arguments."""
        return {**super().get_config(), "grids": self.grids, "sizes": self.sizes}


def _on_grid(grid, sizes):
    """Returns the anchors of one map: row by row, and pixel by pixel all sizes."""
    y, x = ((np.arange(side) + 0.5) / side for side in grid)
    centres = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    sizes = np.asarray(sizes).reshape(1, -1, 2)
    shape = (centres.shape[0], sizes.shape[1], 2)
    both = [np.broadcast_to(part, shape) for part in (centres, sizes)]
    return np.concatenate(both, axis=-1).reshape(-1, 4).astype("float32")


def anchor_sizes(anchors: str | Sequence[Sequence[Sequence[float]]], maps: int) -> list:
    """Returns the `(height, width)` of the anchors of each map, relative to the image.

    Args:
        anchors: "paper", "torchvision" or the sizes themselves, as in `SSDLite`.
        maps: number of maps, at least 2.

    Raises:
        UserError: for another name, or sizes that are not one list of pairs for each map.
    """
    scales = [_LEAST + (_MOST - _LEAST) * step / (maps - 1) for step in range(maps)] + [1.0]
    if anchors == "paper":
        # The first map has three only, and a smaller one: its pixels are many, and its objects small.
        first = [_shape(0.1, 1.0), _shape(_LEAST, 2.0), _shape(_LEAST, 1 / 2)]
        others = [
            [*(_shape(scale, ratio) for ratio in _RATIOS), _shape(math.sqrt(scale * larger), 1.0)]
            for scale, larger in zip(scales[1:-1], scales[2:], strict=True)
        ]
        return [first, *others]
    if anchors == "torchvision":
        square, *oblong = _RATIOS
        sizes = [
            [_shape(scale, square), _shape(math.sqrt(scale * larger), square), *(_shape(scale, r) for r in oblong)]
            for scale, larger in zip(scales[:-1], scales[1:], strict=True)
        ]
        return [[tuple(min(side, 1.0) for side in size) for size in shapes] for shapes in sizes]
    if isinstance(anchors, str) or len(anchors) != maps:
        raise UserError(
            f"`anchors` must be 'paper', 'torchvision' or {maps} lists of (height, width), one for each map. "
            f"Received: anchors={anchors!r}"
        )
    wrong = [size for sizes in anchors for size in sizes if len(size) != 2 or min(size) <= 0]
    if wrong or not all(anchors):
        raise UserError(f"Each map needs anchors of positive (height, width). Received: anchors={anchors!r}")
    return [[tuple(map(float, size)) for size in sizes] for sizes in anchors]


def _shape(scale, ratio):
    return scale / math.sqrt(ratio), scale * math.sqrt(ratio)
