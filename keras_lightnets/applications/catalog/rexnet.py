"""ReXNet: its variants and what is known of them."""

from functools import partial

from keras_lightnets.applications.family import Family, HeadVariant, Pyramid, Variant
from keras_lightnets.preprocessing import IMAGENET_STATISTICS

_TABLE_5 = "paper, Table 5"
_TABLE_6 = "paper, Table 6"
_SUPPLEMENT = "paper, supplement"
_README = "authors' README"
_TIMM = "timm's results table (weights sw_in12k_ft_in1k, pretrained on more images)"
_rexnet = partial(Variant, "ReXNet")
_lite = partial(Variant, "ReXNetLite")
_rounded = partial(Variant, "ReXNetR")

FAMILY = Family(
    module="rexnet",
    title="ReXNet",
    paper="Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021",
    link="https://arxiv.org/abs/2007.00992",
    about=(
        "Channels that grow linearly from block to block, in any width, with SiLU, squeeze-excite and a shortcut "
        "into the first channels. ReXNet-lite has no squeeze-excite and no SiLU, which suits int8. ReXNet-R has "
        "channels rounded to multiples of 8 or 16."
    ),
    differences={
        "the paper": (
            "The layers follow the authors' code where the paper is silent. Squeeze-excite has batch normalisation "
            "inside and ReLU6 after it, and the first three blocks have none. The stem and the first block do not "
            "shrink below width 1. The plain network without shortcuts of the supplement is not offered."
        ),
        "the authors' code": (
            "None in the numbers: same parameters, and equal logits for equal weights. The classifier is a dense "
            "layer where theirs is a 1x1 convolution of one pixel."
        ),
        "timm": (
            "ReXNet and ReXNet-R equal timm's rexnet_* and rexnetr_*. timm has no ReXNet-lite. timm's optional drop "
            "path and dilation are not offered. For widths that timm does not name, the last convolution may differ by "
            "one channel: timm rounds, and the authors truncate."
        ),
    },
    preprocessing=IMAGENET_STATISTICS,
    identity={"alpha": 1.0},
    head=("fc", "fc_bn", "predictions"),
    classes=("predictions",),
    pyramid=Pyramid(
        mark="block1_project",
        ends=r"stem_act|block\d+_(project_bn|add)|features_act",
        expansions=r"block\d+_expand_act",
    ),
    counted=(
        "the authors' code at commit 61debcc, for ReXNetR timm 1.0.31's rexnetr_*: forward hooks on Conv2d and Linear"
    ),
    variants=(
        _rexnet(
            {"alpha": 0.6},
            2_289_825,
            2_317_329,
            222_524_978,
            (16, 30, 43, 84, 768),
            74.6,
            "listing of Papers with Code",
        ),
        _rexnet({"alpha": 0.9}, 4_091_257, 4_129_157, 347_691_428, (16, 36, 56, 117, 1152), 77.2, _TABLE_5),
        _rexnet({"alpha": 1.0}, 4_796_873, 4_838_251, 398_370_392, (16, 38, 61, 128, 1280), 77.9, _TABLE_5),
        _rexnet({"alpha": 1.1}, 5_642_328, 5_687_836, 480_554_448, (18, 42, 67, 141, 1408), 78.6, _SUPPLEMENT),
        _rexnet({"alpha": 1.2}, 6_568_698, 6_618_370, 566_989_598, (19, 46, 73, 154, 1536), 79.0, _SUPPLEMENT),
        _rexnet({"alpha": 1.3}, 7_557_091, 7_610_901, 662_229_098, (21, 50, 79, 167, 1664), 79.5, _TABLE_5),
        _rexnet({"alpha": 1.4}, 8_606_611, 8_664_529, 762_306_734, (22, 54, 85, 180, 1792), 79.8, _SUPPLEMENT),
        _rexnet({"alpha": 1.5}, 9_728_593, 9_790_673, 875_828_154, (24, 58, 92, 193, 1920), 80.3, _TABLE_5),
        _rexnet({"alpha": 2.0}, 16_366_620, 16_449_380, 1_528_850_782, (32, 77, 122, 257, 2560), 81.6, _TABLE_5),
        _rexnet({"alpha": 2.2}, 19_485_308, 19_576_332, 1_842_508_176, (35, 85, 134, 283, 2816), 81.7, _SUPPLEMENT),
        _rexnet({"alpha": 3.0}, 34_708_792, 34_832_956, 3_395_980_620, (48, 116, 183, 386, 3840), 82.8, _SUPPLEMENT),
        _lite({"alpha": 0.6}, 3_456_968, 3_486_472, 230_011_456, (16, 32, 40, 80, 1280)),
        _lite({"alpha": 0.9}, 4_373_944, 4_412_296, 346_833_728, (16, 40, 56, 112, 1280)),
        _lite({"alpha": 1.0}, 4_740_056, 4_781_560, 406_806_592, (16, 40, 64, 128, 1280), 76.2, _README),
        _lite({"alpha": 1.3}, 6_747_960, 6_801_176, 646_448_384, (24, 48, 80, 160, 1664), 77.8, _README),
        _lite({"alpha": 1.5}, 8_332_296, 8_393_208, 836_350_720, (24, 56, 88, 192, 1920), 78.6, _README),
        _lite({"alpha": 2.0}, 12_966_200, 13_046_728, 1_498_253_632, (32, 80, 120, 248, 2560), 80.2, _README),
        _lite({"alpha": 3.0}, 25_671_848, 25_791_208, 3_237_768_400, (48, 112, 176, 376, 3840)),
        _rounded({"alpha": 1.0}, 4_883_304, 4_925_240, 418_899_408, (16, 40, 64, 128, 1280)),
        _rounded({"alpha": 1.3}, 7_608_080, 7_661_936, 661_005_776, (24, 48, 80, 168, 1664)),
        _rounded({"alpha": 1.5}, 9_782_256, 9_844_480, 872_390_256, (24, 56, 96, 192, 1920)),
        _rounded({"alpha": 2.0}, 16_522_432, 16_605_632, 1_559_353_712, (32, 80, 120, 256, 2560), 82.602, _TIMM),
        _rounded({"alpha": 3.0}, 34_810_008, 34_934_040, 3_343_674_720, (48, 112, 176, 384, 3840), 84.036, _TIMM),
    ),
    heads=(
        HeadVariant("ssdlite:ReXNet-alpha=0.9", 4_985_436, 887_687_608, 24.7, _TABLE_6),
        HeadVariant("ssdlite:ReXNet-alpha=1.0", 5_682_198, 1_007_918_560, 25.3, _TABLE_6),
        HeadVariant("ssdlite:ReXNet-alpha=1.3", 8_425_826, 1_600_552_936, 27.3, _TABLE_6),
        HeadVariant("ssdlite:ReXNetLite-alpha=1.0", 4_567_589, 1_024_036_544),
        HeadVariant("lraspp:ReXNet-alpha=0.9", 3_237_331, 1_860_655_016),
    ),
)
