"""Every published variant and what is known of it: the one table that drives the generic tests.

`params` are trainable, `total` adds the statistics of batch normalisation, `madds` are multiply-adds at `size`,
all measured on the reference implementation named in `source`; `features` is the number of channels without the top.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras_lightnets as kl


class Case(NamedTuple):
    """One variant: how to build it, and its published or measured numbers."""

    build: Callable
    kwargs: dict
    params: int
    total: int
    madds: int
    features: int
    source: str
    size: int = 224

    @property
    def id(self):
        """Name of the variant, such as `ReXNet-alpha=1.3`."""
        return "-".join([self.build.__name__, *(f"{key}={value}" for key, value in self.kwargs.items())])


_MICRONET = "authors' code at commit ed89b26, forward hooks on Conv2d and Linear plus 2K multiplies a Shift-Max pixel"

ZOO = (
    Case(kl.MicroNetM0, {}, 1_019_590, 1_027_082, 4_054_128, 384, _MICRONET),
    Case(kl.MicroNetM1, {}, 1_777_587, 1_787_533, 6_120_032, 576, _MICRONET),
    Case(kl.MicroNetM2, {}, 2_393_876, 2_409_652, 12_743_440, 768, _MICRONET),
    Case(kl.MicroNetM3, {}, 2_622_960, 2_650_736, 20_807_520, 864, _MICRONET),
)
