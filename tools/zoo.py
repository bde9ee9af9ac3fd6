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
_KERAS = "keras.applications 3.15.1, summed over its variables and, for multiply-adds, its layers' shapes"
_SHUFFLENET = "pytorchcv 0.0.73's classes, widths rounded as in tensorpack, forward hooks on Conv2d and Linear"
_SHUFFLENET_V2 = "pytorchcv 0.0.73's ShuffleNetV2b, conv5 as in the paper, forward hooks on Conv2d and Linear"

ZOO = (
    Case(kl.MicroNetM0, {}, 1_019_590, 1_027_082, 4_054_128, 384, _MICRONET),
    Case(kl.MicroNetM1, {}, 1_777_587, 1_787_533, 6_120_032, 576, _MICRONET),
    Case(kl.MicroNetM2, {}, 2_393_876, 2_409_652, 12_743_440, 768, _MICRONET),
    Case(kl.MicroNetM3, {}, 2_622_960, 2_650_736, 20_807_520, 864, _MICRONET),
    Case(kl.MobileNet, {"alpha": 1.0}, 4_231_976, 4_253_864, 568_740_352, 1024, _KERAS),
    Case(kl.MobileNet, {"alpha": 0.75}, 2_585_560, 2_601_976, 325_400_448, 768, _KERAS),
    Case(kl.MobileNet, {"alpha": 0.5}, 1_331_592, 1_342_536, 149_497_088, 512, _KERAS),
    Case(kl.MobileNet, {"alpha": 0.25}, 470_072, 475_544, 41_030_272, 256, _KERAS),
    Case(kl.MobileNetV2, {"alpha": 1.4}, 6_108_776, 6_156_712, 582_195_824, 1792, _KERAS),
    Case(kl.MobileNetV2, {"alpha": 1.3}, 5_386_792, 5_431_048, 509_374_560, 1664, _KERAS),
    Case(kl.MobileNetV2, {"alpha": 1.0}, 3_504_872, 3_538_984, 300_774_272, 1280, _KERAS),
    Case(kl.MobileNetV2, {"alpha": 0.75}, 2_636_424, 2_663_064, 209_069_792, 1280, _KERAS),
    Case(kl.MobileNetV2, {"alpha": 0.5}, 1_968_680, 1_987_224, 97_131_840, 1280, _KERAS),
    Case(kl.MobileNetV2, {"alpha": 0.35}, 1_677_128, 1_691_208, 59_285_808, 1280, _KERAS),
    Case(kl.MobileNetV3Large, {"alpha": 1.0}, 5_483_032, 5_507_432, 216_589_760, 960, _KERAS),
    Case(kl.MobileNetV3Large, {"alpha": 0.75}, 3_993_528, 4_012_616, 154_560_624, 720, _KERAS),
    Case(kl.MobileNetV3Large, {"minimalistic": True}, 3_924_288, 3_948_688, 209_136_704, 960, _KERAS),
    Case(kl.MobileNetV3Small, {"alpha": 1.0}, 2_542_856, 2_554_968, 56_510_400, 576, _KERAS),
    Case(kl.MobileNetV3Small, {"alpha": 0.75}, 2_041_872, 2_051_552, 43_399_344, 432, _KERAS),
    Case(kl.MobileNetV3Small, {"minimalistic": True}, 2_044_736, 2_056_848, 52_288_448, 576, _KERAS),
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
    Case(kl.ShuffleNet, {"groups": 1, "alpha": 0.25}, 209_746, 213_418, 11_003_184, 144, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 2, "alpha": 0.25}, 268_652, 273_900, 11_964_312, 200, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 3, "alpha": 0.25}, 305_902, 312_022, 11_009_808, 240, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 4, "alpha": 0.25}, 340_936, 348_168, 13_019_056, 272, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 8, "alpha": 0.25}, 454_504, 464_296, 12_426_240, 384, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 1, "alpha": 0.5}, 534_484, 541_828, 38_517_408, 288, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 2, "alpha": 0.5}, 644_320, 654_560, 38_914_784, 400, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 3, "alpha": 0.5}, 718_324, 730_564, 37_589_856, 480, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 4, "alpha": 0.5}, 778_592, 792_544, 37_943_936, 544, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 8, "alpha": 0.5}, 1_011_448, 1_031_032, 40_469_760, 768, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 1, "alpha": 0.75}, 975_214, 986_230, 82_542_672, 432, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 2, "alpha": 0.75}, 1_137_972, 1_153_380, 82_978_016, 600, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 3, "alpha": 0.75}, 1_238_266, 1_256_626, 79_740_144, 720, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 4, "alpha": 0.75}, 1_328_528, 1_349_552, 81_154_048, 816, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 8, "alpha": 0.75}, 1_671_832, 1_701_208, 84_130_560, 1152, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 1, "alpha": 1.0}, 1_531_936, 1_546_624, 143_078_976, 576, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 2, "alpha": 1.0}, 1_733_848, 1_754_248, 140_836_512, 800, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 3, "alpha": 1.0}, 1_865_728, 1_890_208, 137_460_672, 960, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 4, "alpha": 1.0}, 1_968_344, 1_996_088, 134_339_776, 1088, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 8, "alpha": 1.0}, 2_434_768, 2_473_936, 138_365_952, 1536, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 1, "alpha": 1.5}, 2_993_356, 3_015_388, 313_684_704, 864, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 2, "alpha": 1.5}, 3_274_180, 3_304_820, 309_765_152, 1200, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 3, "alpha": 1.5}, 3_443_212, 3_479_932, 299_612_448, 1440, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 4, "alpha": 1.5}, 3_576_796, 3_618_492, 294_882_496, 1632, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 8, "alpha": 1.5}, 4_272_400, 4_331_152, 302_607_360, 2304, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 1, "alpha": 2.0}, 4_918_744, 4_948_120, 550_334_592, 1152, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 2, "alpha": 2.0}, 5_257_896, 5_298_696, 539_138_624, 1600, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 3, "alpha": 2.0}, 5_450_776, 5_499_736, 524_045_184, 1920, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 4, "alpha": 2.0}, 5_593_528, 5_649_016, 510_289_536, 2176, _SHUFFLENET),
    Case(kl.ShuffleNet, {"groups": 8, "alpha": 2.0}, 6_522_232, 6_600_568, 521_942_016, 3072, _SHUFFLENET),
    Case(
        kl.ShuffleNet,
        {"groups": 8, "alpha": 0.5, "variant": "arch2"},
        1_090_104,
        1_108_984,
        43_008_064,
        832,
        _SHUFFLENET,
    ),
    Case(
        kl.ShuffleNet, {"groups": 3, "alpha": 0.5, "variant": "shallow"}, 950_914, 959_554, 41_634_216, 720, _SHUFFLENET
    ),
    Case(kl.ShuffleNetV2, {"alpha": 0.5}, 1_366_792, 1_374_744, 40_476_448, 1024, _SHUFFLENET_V2),
    Case(kl.ShuffleNetV2, {"alpha": 1.0}, 2_279_760, 2_295_940, 145_814_296, 1024, _SHUFFLENET_V2),
    Case(kl.ShuffleNetV2, {"alpha": 1.5}, 3_507_720, 3_531_160, 298_970_656, 1024, _SHUFFLENET_V2),
    Case(kl.ShuffleNetV2, {"alpha": 2.0}, 7_403_600, 7_437_316, 590_783_000, 2048, _SHUFFLENET_V2),
)
