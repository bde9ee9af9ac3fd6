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
_REXNET = "authors' code at commit 61debcc, forward hooks on Conv2d"
_REXNET_R = "timm 1.0.31 rexnetr_*, forward hooks on Conv2d and Linear"

ZOO = (
    Case(kl.MicroNetM0, {}, 1_019_590, 1_027_082, 4_054_128, 384, _MICRONET),
    Case(kl.MicroNetM1, {}, 1_777_587, 1_787_533, 6_120_032, 576, _MICRONET),
    Case(kl.MicroNetM2, {}, 2_393_876, 2_409_652, 12_743_440, 768, _MICRONET),
    Case(kl.MicroNetM3, {}, 2_622_960, 2_650_736, 20_807_520, 864, _MICRONET),
    Case(kl.ReXNet, {"alpha": 0.6}, 2_289_825, 2_317_329, 222_524_978, 768, _REXNET),
    Case(kl.ReXNet, {"alpha": 0.9}, 4_091_257, 4_129_157, 347_691_428, 1152, _REXNET),
    Case(kl.ReXNet, {"alpha": 1.0}, 4_796_873, 4_838_251, 398_370_392, 1280, _REXNET),
    Case(kl.ReXNet, {"alpha": 1.1}, 5_642_328, 5_687_836, 480_554_448, 1408, _REXNET),
    Case(kl.ReXNet, {"alpha": 1.2}, 6_568_698, 6_618_370, 566_989_598, 1536, _REXNET),
    Case(kl.ReXNet, {"alpha": 1.3}, 7_557_091, 7_610_901, 662_229_098, 1664, _REXNET),
    Case(kl.ReXNet, {"alpha": 1.4}, 8_606_611, 8_664_529, 762_306_734, 1792, _REXNET),
    Case(kl.ReXNet, {"alpha": 1.5}, 9_728_593, 9_790_673, 875_828_154, 1920, _REXNET),
    Case(kl.ReXNet, {"alpha": 2.0}, 16_366_620, 16_449_380, 1_528_850_782, 2560, _REXNET),
    Case(kl.ReXNet, {"alpha": 2.2}, 19_485_308, 19_576_332, 1_842_508_176, 2816, _REXNET),
    Case(kl.ReXNet, {"alpha": 3.0}, 34_708_792, 34_832_956, 3_395_980_620, 3840, _REXNET),
    Case(kl.ReXNetLite, {"alpha": 0.6}, 3_456_968, 3_486_472, 230_011_456, 1280, _REXNET),
    Case(kl.ReXNetLite, {"alpha": 0.9}, 4_373_944, 4_412_296, 346_833_728, 1280, _REXNET),
    Case(kl.ReXNetLite, {"alpha": 1.0}, 4_740_056, 4_781_560, 406_806_592, 1280, _REXNET),
    Case(kl.ReXNetLite, {"alpha": 1.3}, 6_747_960, 6_801_176, 646_448_384, 1664, _REXNET),
    Case(kl.ReXNetLite, {"alpha": 1.5}, 8_332_296, 8_393_208, 836_350_720, 1920, _REXNET),
    Case(kl.ReXNetLite, {"alpha": 2.0}, 12_966_200, 13_046_728, 1_498_253_632, 2560, _REXNET),
    Case(kl.ReXNetLite, {"alpha": 3.0}, 25_671_848, 25_791_208, 3_237_768_400, 3840, _REXNET),
    Case(kl.ReXNetR, {"alpha": 1.0}, 4_883_304, 4_925_240, 418_899_408, 1280, _REXNET_R),
    Case(kl.ReXNetR, {"alpha": 1.3}, 7_608_080, 7_661_936, 661_005_776, 1664, _REXNET_R),
    Case(kl.ReXNetR, {"alpha": 1.5}, 9_782_256, 9_844_480, 872_390_256, 1920, _REXNET_R),
    Case(kl.ReXNetR, {"alpha": 2.0}, 16_522_432, 16_605_632, 1_559_353_712, 2560, _REXNET_R),
    Case(kl.ReXNetR, {"alpha": 3.0}, 34_810_008, 34_934_040, 3_343_674_720, 3840, _REXNET_R),
)
