"""ShuffleNet: its variants and what is known of them."""

from keras_lightnets.applications.family import Family, HeadVariant, Pyramid, Variant
from keras_lightnets.preprocessing import IMAGENET_STATISTICS

_TABLE_2 = "paper (CVPR), Table 2"
_PYTORCHCV = "pytorchcv 0.0.73"
_TABLE_5 = "paper (CVPR), Table 5"
_V1_TABLE_5 = "paper (arXiv v1), Table 5"
_MEGVII = "README of megvii-model/ShuffleNet-Series"


def _variant(groups, alpha, params, total, madds, channels, top1=None, source=None, **more):
    arguments = {"groups": groups, "alpha": alpha, **more}
    return Variant("ShuffleNet", arguments, params, total, madds, channels, top1, source)


FAMILY = Family(
    module="shufflenet",
    title="ShuffleNet",
    paper="Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, CVPR 2018",
    link="https://arxiv.org/abs/1707.01083",
    about="Grouped 1x1 convolutions with channel shuffle between, for 1, 2, 3, 4 or 8 groups and any width.",
    differences={
        "the paper": (
            "The paper does not say how channels of a scaled network are rounded. As in tensorpack, they are "
            "rounded up to a multiple of four times the groups, and in the stem to a multiple of the groups. Hence "
            "1.5x with 3 groups has a stem of 36 channels and 300 million multiply-adds, where the paper has 292. "
            "`arch2` and `shallow` are variants of the first arXiv version, whose widths were never published. "
            "`arch2` with 8 groups at 0.5x has the widths of tensorpack's reproduction. `shallow` with 3 groups at "
            "0.5x has the widths of 0.75x, which give the 40 million multiply-adds of the paper. Their accuracies are "
            "quoted from the paper, whose widths may differ."
        ),
        "the authors' code": (
            "megvii-model/ShuffleNet-Series shuffles in the inverse order and after the depthwise convolution, and "
            "puts the shortcut first when it concatenates. It has no bias in the classifier, and keeps a stem of 24 "
            "channels at 1.5x. Public builders have the order of the paper and of pytorchcv. Weights of megvii load "
            "into a network with megvii's order."
        ),
        "timm": "timm has no ShuffleNet.",
    },
    preprocessing=IMAGENET_STATISTICS,
    identity={"groups": 3, "alpha": 1.0, "variant": "standard"},
    head=("logits",),
    classes=("logits",),
    pyramid=Pyramid(
        mark="stage2_unit1_compress",
        ends=r"stem_relu|stem_pool|stage\d_unit\d_(concat|relu)",
    ),
    counted="pytorchcv 0.0.73's classes with widths rounded as in tensorpack: forward hooks on Conv2d and Linear",
    variants=(
        _variant(1, 0.25, 209_746, 213_418, 11_003_184, (6, 6, 36, 72, 144), 42.9, _TABLE_2),
        _variant(2, 0.25, 268_652, 273_900, 11_964_312, (6, 6, 56, 104, 200), 43.2, _TABLE_2),
        _variant(3, 0.25, 305_902, 312_022, 11_009_808, (6, 6, 60, 120, 240), 45.0, _TABLE_2),
        _variant(4, 0.25, 340_936, 348_168, 13_019_056, (8, 8, 80, 144, 272), 45.8, _TABLE_2),
        _variant(8, 0.25, 454_504, 464_296, 12_426_240, (8, 8, 96, 192, 384), 47.3, _TABLE_2),
        _variant(1, 0.5, 534_484, 541_828, 38_517_408, (12, 12, 72, 144, 288), 54.9, _TABLE_2),
        _variant(2, 0.5, 644_320, 654_560, 38_914_784, (12, 12, 104, 200, 400), 55.6, _TABLE_2),
        _variant(3, 0.5, 718_324, 730_564, 37_589_856, (12, 12, 120, 240, 480), 56.8, _TABLE_2),
        _variant(4, 0.5, 778_592, 792_544, 37_943_936, (12, 12, 144, 272, 544), 58.4, _TABLE_2),
        _variant(8, 0.5, 1_011_448, 1_031_032, 40_469_760, (16, 16, 192, 384, 768), 57.7, _TABLE_2),
        _variant(1, 0.75, 975_214, 986_230, 82_542_672, (18, 18, 108, 216, 432), 60.42, _PYTORCHCV),
        _variant(2, 0.75, 1_137_972, 1_153_380, 82_978_016, (18, 18, 152, 304, 600)),
        _variant(3, 0.75, 1_238_266, 1_256_626, 79_740_144, (18, 18, 180, 360, 720), 61.8, _PYTORCHCV),
        _variant(4, 0.75, 1_328_528, 1_349_552, 81_154_048, (20, 20, 208, 416, 816)),
        _variant(8, 0.75, 1_671_832, 1_701_208, 84_130_560, (24, 24, 288, 576, 1152)),
        _variant(1, 1.0, 1_531_936, 1_546_624, 143_078_976, (24, 24, 144, 288, 576), 66.4, _TABLE_2),
        _variant(2, 1.0, 1_733_848, 1_754_248, 140_836_512, (24, 24, 200, 400, 800), 67.3, _TABLE_2),
        _variant(3, 1.0, 1_865_728, 1_890_208, 137_460_672, (24, 24, 240, 480, 960), 67.4, _TABLE_2),
        _variant(4, 1.0, 1_968_344, 1_996_088, 134_339_776, (24, 24, 272, 544, 1088), 67.2, _TABLE_2),
        _variant(8, 1.0, 2_434_768, 2_473_936, 138_365_952, (24, 24, 384, 768, 1536), 67.6, _TABLE_2),
        _variant(1, 1.5, 2_993_356, 3_015_388, 313_684_704, (36, 36, 216, 432, 864)),
        _variant(2, 1.5, 3_274_180, 3_304_820, 309_765_152, (36, 36, 304, 600, 1200)),
        _variant(3, 1.5, 3_443_212, 3_479_932, 299_612_448, (36, 36, 360, 720, 1440), 71.5, _TABLE_5),
        _variant(4, 1.5, 3_576_796, 3_618_492, 294_882_496, (36, 36, 416, 816, 1632)),
        _variant(8, 1.5, 4_272_400, 4_331_152, 302_607_360, (40, 40, 576, 1152, 2304), 71.0, _MEGVII),
        _variant(1, 2.0, 4_918_744, 4_948_120, 550_334_592, (48, 48, 288, 576, 1152)),
        _variant(2, 2.0, 5_257_896, 5_298_696, 539_138_624, (48, 48, 400, 800, 1600)),
        _variant(3, 2.0, 5_450_776, 5_499_736, 524_045_184, (48, 48, 480, 960, 1920), 73.7, _TABLE_5),
        _variant(4, 2.0, 5_593_528, 5_649_016, 510_289_536, (48, 48, 544, 1088, 2176)),
        _variant(8, 2.0, 6_522_232, 6_600_568, 521_942_016, (48, 48, 768, 1536, 3072), 72.9, _MEGVII),
        _variant(8, 0.5, 1_090_104, 1_108_984, 43_008_064, (16, 16, 224, 416, 832), 57.3, _V1_TABLE_5, variant="arch2"),
        _variant(3, 0.5, 950_914, 959_554, 41_634_216, (12, 12, 180, 360, 720), 57.2, _TABLE_5, variant="shallow"),
    ),
    heads=(
        HeadVariant("ssdlite:ShuffleNet-groups=3-alpha=1.0", 2_739_117, 420_618_944),
        HeadVariant("lraspp:ShuffleNet-groups=3-alpha=1.0", 1_158_514, 776_380_416),
    ),
)
