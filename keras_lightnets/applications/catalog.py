"""What is known of every published variant, without building one."""

import difflib
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from keras_lightnets.applications import (
    micronet,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    rexnet,
    shufflenet,
    shufflenet_v2,
)
from keras_lightnets.errors import UserError
from keras_lightnets.preprocessing import Preprocessing
from keras_lightnets.weights.registry import list_weights


class ModelRecord(NamedTuple):
    """One published variant.

    Attributes:
        name: such as `"ReXNet-alpha=1.3"`: the builder and its arguments.
        builder: function that builds it.
        kwargs: dict of the builder's arguments that make this variant.
        input_size: int, height and width of its images.
        params: int, trainable parameters with the classifier for 1000 classes.
        madds: int, multiply-adds at that size, of convolutions, dense layers and Dynamic Shift-Max's mixing.
        top1: float, published ImageNet top-1 accuracy in percent, or None where none was published.
        top1_source: str, where it was published. Nothing here was measured with this package.
        preprocessing: how pixels are normalised.
        pyramid: dict from the levels that `feature_pyramid` offers to their channels; level k has stride 2**k.
        weights: names of the released weights, to be passed as `weights`: "imagenet" first, if there are such.
    """

    name: str
    builder: Callable
    kwargs: dict
    input_size: int
    params: int
    madds: int
    top1: float | None
    top1_source: str | None
    preprocessing: Preprocessing
    pyramid: dict[int, int]
    weights: tuple[str, ...]

    @property
    def family(self):
        """Name of the module of the builder, such as "micronet"."""
        return self.builder.__module__.rpartition(".")[-1]


class Row(NamedTuple):
    """A variant in the tables below, as `ModelRecord` has it."""

    builder: Callable
    kwargs: dict
    params: int
    madds: int
    channels: tuple[int, ...]  # of the pyramid, from level 1 on
    top1: float | None = None
    source: str | None = None


class Family(NamedTuple):
    """One architecture: its variants and the facts for its model card."""

    title: str
    module: ModuleType
    paper: str
    link: str
    about: str
    differences: dict[str, str]  # from what: the paper, the authors' code, timm, keras.applications
    rows: tuple[Row, ...]


def list_models():
    """Lists every published variant with its numbers, without building any.

    Returns:
        A tuple of `ModelRecord`, in the order of the papers and, within each, of the papers' tables.

    Example:

    >>> small = [record for record in keras_lightnets.list_models() if record.madds < 5_000_000]
    >>> [(record.name, record.params, record.top1) for record in small]
    [('MicroNetM0', 1019590, 46.6)]
    """
    return tuple(record for family in FAMILIES for record in records(family))


def find_model(name):
    """Returns the `ModelRecord` of a variant, or of a builder with its default arguments.

    Args:
        name: name in `list_models()`, such as "ReXNet-alpha=1.3", or of a builder, such as "ReXNet".

    Raises:
        UserError: if there is none, with the nearest names.
    """
    models = list_models()
    found = {record.builder.__name__: record._replace(kwargs={}) for record in reversed(models)}
    found |= {record.name: record for record in models}
    if name not in found:
        nearest = difflib.get_close_matches(name, found, n=3, cutoff=0.0)
        raise UserError(f"There is no model {name!r}. Nearest: {', '.join(nearest)}.")
    return found[name]


def records(family):
    """Returns the `ModelRecord`s of one `Family`."""
    return tuple(
        ModelRecord(
            name="-".join([row.builder.__name__, *(f"{key}={value}" for key, value in row.kwargs.items())]),
            builder=row.builder,
            kwargs=dict(row.kwargs),
            input_size=224,
            params=row.params,
            madds=row.madds,
            top1=row.top1,
            top1_source=row.source,
            preprocessing=family.module.preprocess_input,
            pyramid=dict(enumerate(row.channels, 1)),
            weights=_weights(row),
        )
        for row in family.rows
    )


def _weights(row):
    known = [record for record in list_weights(row.builder.__name__, **{"alpha": 1.0, **row.kwargs}) if record.by_name]
    names = dict.fromkeys(record.name for record in known)
    return (*(["imagenet"] if any(record.imagenet for record in known) else []), *names)


_README = "authors' README"
_REXNET_TABLE_5 = "paper, Table 5"
_REXNET_SUPPLEMENT = "paper, supplement"
_TIMM_IN12K = "timm's results table (weights sw_in12k_ft_in1k, pretrained on more images)"
_SLIM = "README of TensorFlow's slim models"

_MICRONET_ROWS = (
    Row(micronet.MicroNetM0, {}, 1_019_590, 4_054_128, (4, 8, 12, 32, 384), 46.6, _README),
    Row(micronet.MicroNetM1, {}, 1_777_587, 6_120_032, (6, 8, 16, 32, 576), 51.4, _README),
    Row(micronet.MicroNetM2, {}, 2_393_876, 12_743_440, (8, 12, 24, 64, 768), 59.4, _README),
    Row(micronet.MicroNetM3, {}, 2_622_960, 20_807_520, (12, 16, 24, 80, 864), 62.5, _README),
)

_REXNET_ROWS = (
    Row(
        rexnet.ReXNet,
        {"alpha": 0.6},
        2_289_825,
        222_524_978,
        (16, 30, 43, 84, 768),
        74.6,
        "listing of Papers with Code",
    ),
    Row(rexnet.ReXNet, {"alpha": 0.9}, 4_091_257, 347_691_428, (16, 36, 56, 117, 1152), 77.2, _REXNET_TABLE_5),
    Row(rexnet.ReXNet, {"alpha": 1.0}, 4_796_873, 398_370_392, (16, 38, 61, 128, 1280), 77.9, _REXNET_TABLE_5),
    Row(rexnet.ReXNet, {"alpha": 1.1}, 5_642_328, 480_554_448, (18, 42, 67, 141, 1408), 78.6, _REXNET_SUPPLEMENT),
    Row(rexnet.ReXNet, {"alpha": 1.2}, 6_568_698, 566_989_598, (19, 46, 73, 154, 1536), 79.0, _REXNET_SUPPLEMENT),
    Row(rexnet.ReXNet, {"alpha": 1.3}, 7_557_091, 662_229_098, (21, 50, 79, 167, 1664), 79.5, _REXNET_TABLE_5),
    Row(rexnet.ReXNet, {"alpha": 1.4}, 8_606_611, 762_306_734, (22, 54, 85, 180, 1792), 79.8, _REXNET_SUPPLEMENT),
    Row(rexnet.ReXNet, {"alpha": 1.5}, 9_728_593, 875_828_154, (24, 58, 92, 193, 1920), 80.3, _REXNET_TABLE_5),
    Row(rexnet.ReXNet, {"alpha": 2.0}, 16_366_620, 1_528_850_782, (32, 77, 122, 257, 2560), 81.6, _REXNET_TABLE_5),
    Row(rexnet.ReXNet, {"alpha": 2.2}, 19_485_308, 1_842_508_176, (35, 85, 134, 283, 2816), 81.7, _REXNET_SUPPLEMENT),
    Row(rexnet.ReXNet, {"alpha": 3.0}, 34_708_792, 3_395_980_620, (48, 116, 183, 386, 3840), 82.8, _REXNET_SUPPLEMENT),
    Row(rexnet.ReXNetLite, {"alpha": 0.6}, 3_456_968, 230_011_456, (16, 32, 40, 80, 1280)),
    Row(rexnet.ReXNetLite, {"alpha": 0.9}, 4_373_944, 346_833_728, (16, 40, 56, 112, 1280)),
    Row(rexnet.ReXNetLite, {"alpha": 1.0}, 4_740_056, 406_806_592, (16, 40, 64, 128, 1280), 76.2, _README),
    Row(rexnet.ReXNetLite, {"alpha": 1.3}, 6_747_960, 646_448_384, (24, 48, 80, 160, 1664), 77.8, _README),
    Row(rexnet.ReXNetLite, {"alpha": 1.5}, 8_332_296, 836_350_720, (24, 56, 88, 192, 1920), 78.6, _README),
    Row(rexnet.ReXNetLite, {"alpha": 2.0}, 12_966_200, 1_498_253_632, (32, 80, 120, 248, 2560), 80.2, _README),
    Row(rexnet.ReXNetLite, {"alpha": 3.0}, 25_671_848, 3_237_768_400, (48, 112, 176, 376, 3840)),
    Row(rexnet.ReXNetR, {"alpha": 1.0}, 4_883_304, 418_899_408, (16, 40, 64, 128, 1280)),
    Row(rexnet.ReXNetR, {"alpha": 1.3}, 7_608_080, 661_005_776, (24, 48, 80, 168, 1664)),
    Row(rexnet.ReXNetR, {"alpha": 1.5}, 9_782_256, 872_390_256, (24, 56, 96, 192, 1920)),
    Row(rexnet.ReXNetR, {"alpha": 2.0}, 16_522_432, 1_559_353_712, (32, 80, 120, 256, 2560), 82.602, _TIMM_IN12K),
    Row(rexnet.ReXNetR, {"alpha": 3.0}, 34_810_008, 3_343_674_720, (48, 112, 176, 384, 3840), 84.036, _TIMM_IN12K),
)

_MOBILENET_ROWS = (
    Row(mobilenet.MobileNet, {"alpha": 1.0}, 4_231_976, 568_740_352, (64, 128, 256, 512, 1024), 70.6, "paper, Table 6"),
    Row(mobilenet.MobileNet, {"alpha": 0.75}, 2_585_560, 325_400_448, (48, 96, 192, 384, 768), 68.4, "paper, Table 6"),
    Row(mobilenet.MobileNet, {"alpha": 0.5}, 1_331_592, 149_497_088, (32, 64, 128, 256, 512), 63.7, "paper, Table 6"),
    Row(mobilenet.MobileNet, {"alpha": 0.25}, 470_072, 41_030_272, (16, 32, 64, 128, 256), 50.6, "paper, Table 6"),
)

_MOBILENET_V2_ROWS = (
    Row(mobilenet_v2.MobileNetV2, {"alpha": 1.4}, 6_108_776, 582_195_824, (24, 32, 48, 136, 1792), 75.0, _SLIM),
    Row(mobilenet_v2.MobileNetV2, {"alpha": 1.3}, 5_386_792, 509_374_560, (24, 32, 40, 128, 1664), 74.4, _SLIM),
    Row(mobilenet_v2.MobileNetV2, {"alpha": 1.0}, 3_504_872, 300_774_272, (16, 24, 32, 96, 1280), 71.8, _SLIM),
    Row(mobilenet_v2.MobileNetV2, {"alpha": 0.75}, 2_636_424, 209_069_792, (16, 24, 24, 72, 1280), 69.8, _SLIM),
    Row(mobilenet_v2.MobileNetV2, {"alpha": 0.5}, 1_968_680, 97_131_840, (8, 16, 16, 48, 1280), 65.4, _SLIM),
    Row(mobilenet_v2.MobileNetV2, {"alpha": 0.35}, 1_677_128, 59_285_808, (8, 8, 16, 32, 1280), 60.3, _SLIM),
)

_MOBILENET_V3_ROWS = (
    Row(mobilenet_v3.MobileNetV3Large, {"alpha": 1.0}, 5_483_032, 216_589_760, (16, 24, 40, 112, 960), 75.2, "paper"),
    Row(mobilenet_v3.MobileNetV3Large, {"alpha": 0.75}, 3_993_528, 154_560_624, (16, 24, 32, 88, 720), 73.3, "paper"),
    Row(
        mobilenet_v3.MobileNetV3Large,
        {"minimalistic": True},
        3_924_288,
        209_136_704,
        (16, 24, 40, 112, 960),
        72.3,
        _SLIM,
    ),
    Row(mobilenet_v3.MobileNetV3Small, {"alpha": 1.0}, 2_542_856, 56_510_400, (16, 16, 24, 48, 576), 67.4, "paper"),
    Row(mobilenet_v3.MobileNetV3Small, {"alpha": 0.75}, 2_041_872, 43_399_344, (16, 16, 24, 40, 432), 65.4, "paper"),
    Row(
        mobilenet_v3.MobileNetV3Small, {"minimalistic": True}, 2_044_736, 52_288_448, (16, 16, 24, 48, 576), 61.9, _SLIM
    ),
)

_SHUFFLENET_ROWS = (
    Row(
        shufflenet.ShuffleNet,
        {"groups": 1, "alpha": 0.25},
        209_746,
        11_003_184,
        (6, 6, 36, 72, 144),
        42.9,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 2, "alpha": 0.25},
        268_652,
        11_964_312,
        (6, 6, 56, 104, 200),
        43.2,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 3, "alpha": 0.25},
        305_902,
        11_009_808,
        (6, 6, 60, 120, 240),
        45.0,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 4, "alpha": 0.25},
        340_936,
        13_019_056,
        (8, 8, 80, 144, 272),
        45.8,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 8, "alpha": 0.25},
        454_504,
        12_426_240,
        (8, 8, 96, 192, 384),
        47.3,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 1, "alpha": 0.5},
        534_484,
        38_517_408,
        (12, 12, 72, 144, 288),
        54.9,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 2, "alpha": 0.5},
        644_320,
        38_914_784,
        (12, 12, 104, 200, 400),
        55.6,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 3, "alpha": 0.5},
        718_324,
        37_589_856,
        (12, 12, 120, 240, 480),
        56.8,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 4, "alpha": 0.5},
        778_592,
        37_943_936,
        (12, 12, 144, 272, 544),
        58.4,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 8, "alpha": 0.5},
        1_011_448,
        40_469_760,
        (16, 16, 192, 384, 768),
        57.7,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 1, "alpha": 0.75},
        975_214,
        82_542_672,
        (18, 18, 108, 216, 432),
        60.42,
        "pytorchcv 0.0.73",
    ),
    Row(shufflenet.ShuffleNet, {"groups": 2, "alpha": 0.75}, 1_137_972, 82_978_016, (18, 18, 152, 304, 600)),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 3, "alpha": 0.75},
        1_238_266,
        79_740_144,
        (18, 18, 180, 360, 720),
        61.8,
        "pytorchcv 0.0.73",
    ),
    Row(shufflenet.ShuffleNet, {"groups": 4, "alpha": 0.75}, 1_328_528, 81_154_048, (20, 20, 208, 416, 816)),
    Row(shufflenet.ShuffleNet, {"groups": 8, "alpha": 0.75}, 1_671_832, 84_130_560, (24, 24, 288, 576, 1152)),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 1, "alpha": 1.0},
        1_531_936,
        143_078_976,
        (24, 24, 144, 288, 576),
        66.4,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 2, "alpha": 1.0},
        1_733_848,
        140_836_512,
        (24, 24, 200, 400, 800),
        67.3,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 3, "alpha": 1.0},
        1_865_728,
        137_460_672,
        (24, 24, 240, 480, 960),
        67.4,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 4, "alpha": 1.0},
        1_968_344,
        134_339_776,
        (24, 24, 272, 544, 1088),
        67.2,
        "paper (CVPR), Table 2",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 8, "alpha": 1.0},
        2_434_768,
        138_365_952,
        (24, 24, 384, 768, 1536),
        67.6,
        "paper (CVPR), Table 2",
    ),
    Row(shufflenet.ShuffleNet, {"groups": 1, "alpha": 1.5}, 2_993_356, 313_684_704, (36, 36, 216, 432, 864)),
    Row(shufflenet.ShuffleNet, {"groups": 2, "alpha": 1.5}, 3_274_180, 309_765_152, (36, 36, 304, 600, 1200)),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 3, "alpha": 1.5},
        3_443_212,
        299_612_448,
        (36, 36, 360, 720, 1440),
        71.5,
        "paper (CVPR), Table 5",
    ),
    Row(shufflenet.ShuffleNet, {"groups": 4, "alpha": 1.5}, 3_576_796, 294_882_496, (36, 36, 416, 816, 1632)),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 8, "alpha": 1.5},
        4_272_400,
        302_607_360,
        (40, 40, 576, 1152, 2304),
        71.0,
        "README of megvii-model/ShuffleNet-Series",
    ),
    Row(shufflenet.ShuffleNet, {"groups": 1, "alpha": 2.0}, 4_918_744, 550_334_592, (48, 48, 288, 576, 1152)),
    Row(shufflenet.ShuffleNet, {"groups": 2, "alpha": 2.0}, 5_257_896, 539_138_624, (48, 48, 400, 800, 1600)),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 3, "alpha": 2.0},
        5_450_776,
        524_045_184,
        (48, 48, 480, 960, 1920),
        73.7,
        "paper (CVPR), Table 5",
    ),
    Row(shufflenet.ShuffleNet, {"groups": 4, "alpha": 2.0}, 5_593_528, 510_289_536, (48, 48, 544, 1088, 2176)),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 8, "alpha": 2.0},
        6_522_232,
        521_942_016,
        (48, 48, 768, 1536, 3072),
        72.9,
        "README of megvii-model/ShuffleNet-Series",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 8, "alpha": 0.5, "variant": "arch2"},
        1_090_104,
        43_008_064,
        (16, 16, 224, 416, 832),
        57.3,
        "paper (arXiv v1), Table 5",
    ),
    Row(
        shufflenet.ShuffleNet,
        {"groups": 3, "alpha": 0.5, "variant": "shallow"},
        950_914,
        41_634_216,
        (12, 12, 180, 360, 720),
        57.2,
        "paper (CVPR), Table 5",
    ),
)

_SHUFFLENET_V2_ROWS = (
    Row(
        shufflenet_v2.ShuffleNetV2,
        {"alpha": 0.5},
        1_366_792,
        40_476_448,
        (24, 24, 48, 96, 1024),
        60.3,
        "paper, as quoted in tensorpack's README",
    ),
    Row(
        shufflenet_v2.ShuffleNetV2,
        {"alpha": 1.0},
        2_279_760,
        145_814_296,
        (24, 24, 116, 232, 1024),
        69.4,
        "paper, Table 8",
    ),
    Row(
        shufflenet_v2.ShuffleNetV2,
        {"alpha": 1.5},
        3_507_720,
        298_970_656,
        (24, 24, 176, 352, 1024),
        72.6,
        "paper, Table 8",
    ),
    Row(
        shufflenet_v2.ShuffleNetV2,
        {"alpha": 2.0},
        7_403_600,
        590_783_000,
        (24, 24, 244, 488, 2048),
        74.9,
        "paper, Table 8",
    ),
)

FAMILIES = (
    Family(
        title="MicroNet",
        module=micronet,
        paper="Li et al., MicroNet: Improving Image Recognition with Extremely Low FLOPs, ICCV 2021",
        link="https://arxiv.org/abs/2108.05894",
        about=(
            "Four networks of 4 to 21 million multiply-adds from factorised convolutions, with Dynamic Shift-Max in "
            "place of most activations."
        ),
        differences={
            "the paper": (
                "Layers are those of the authors' code. Its Dynamic Shift-Max rotates the channels inside each group as"
                " well as the groups. Its blocks start one pointwise convolution earlier than the paper's, which is the"
                " same chain of layers cut at another place: M3 has 12 rows, and 11 blocks in the paper. The classifier"
                " ends in batch normalisation and hard swish, so that no logit is below -0.375. The networks named M0 "
                "to M3 in the first version of the paper (arXiv 2011.12289) are others."
            ),
            "the authors' code": (
                "None in the numbers: same parameters, and equal logits for equal weights. Batch normalisation has "
                "Keras' momentum 0.9, which is 0.1 in PyTorch."
            ),
            "timm": "timm has no MicroNet.",
        },
        rows=_MICRONET_ROWS,
    ),
    Family(
        title="ReXNet",
        module=rexnet,
        paper="Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021",
        link="https://arxiv.org/abs/2007.00992",
        about=(
            "Channels that grow linearly from block to block, in any width, with SiLU, squeeze-excite and a shortcut "
            "into the first channels; ReXNet-lite without squeeze-excite and SiLU for int8, and ReXNet-R with channels "
            "rounded to multiples of 8 or 16."
        ),
        differences={
            "the paper": (
                "Layers are those of the authors' code, which says what the paper does not: batch normalisation inside "
                "squeeze-excite, ReLU6 after it, none in the first three blocks, and a stem and first block that do not"
                " shrink below width 1. The plain network without shortcuts of the supplement is not offered."
            ),
            "the authors' code": (
                "None in the numbers: same parameters, and equal logits for equal weights. The classifier is a dense "
                "layer where theirs is a 1x1 convolution of one pixel."
            ),
            "timm": (
                "ReXNet and ReXNet-R equal timm's rexnet_* and rexnetr_*; timm has no ReXNet-lite. timm's optional drop"
                " path and dilation are not offered. Widths that timm does not name may differ by one channel in the "
                "last convolution, where timm rounds and the authors truncate."
            ),
        },
        rows=_REXNET_ROWS,
    ),
    Family(
        title="ShuffleNet",
        module=shufflenet,
        paper=(
            "Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, CVPR "
            "2018"
        ),
        link="https://arxiv.org/abs/1707.01083",
        about="Grouped 1x1 convolutions with channel shuffle between, for 1, 2, 3, 4 or 8 groups and any width.",
        differences={
            "the paper": (
                "Channels of a scaled network are rounded up to what the groups divide (four times the groups, and the "
                "groups in the stem), as tensorpack has it; the paper does not say. Hence 1.5x with 3 groups has a stem"
                " of 36 channels and 300 million multiply-adds where the paper has 292. The widths of `arch2` and "
                "`shallow`, variants of the first arXiv version, were never published: `arch2` with 8 groups at 0.5x "
                "has the widths of tensorpack's reproduction, and `shallow` with 3 groups at 0.5x those of 0.75x, which"
                " give the 40 million multiply-adds of the paper. Their accuracy here is the paper's, for networks of "
                "perhaps other widths."
            ),
            "the authors' code": (
                "megvii-model/ShuffleNet-Series shuffles in the inverse order and after the depthwise convolution, puts"
                " the shortcut first when it concatenates, has no bias in the classifier, and keeps a stem of 24 "
                "channels at 1.5x. Public builders have the order of the paper and of pytorchcv; with a private switch "
                "the network equals megvii's too."
            ),
            "timm": "timm has no ShuffleNet.",
        },
        rows=_SHUFFLENET_ROWS,
    ),
    Family(
        title="ShuffleNetV2",
        module=shufflenet_v2,
        paper="Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018",
        link="https://arxiv.org/abs/1807.11164",
        about="Channel split instead of grouped convolutions: half of the channels pass each unit untouched.",
        differences={
            "the paper": "Numbers are the paper's, Table 5, with squeeze-excite and the residual variants left out.",
            "the authors' code": (
                "megvii-model/ShuffleNet-Series splits even from odd channels at the start of a unit instead of "
                "shuffling at its end, and has no bias in the classifier; its 2x network has a dropout of 0.2."
            ),
            "timm": "timm has no ShuffleNet V2. torchvision halves both branches of a strided unit.",
        },
        rows=_SHUFFLENET_V2_ROWS,
    ),
    Family(
        title="MobileNet",
        module=mobilenet,
        paper=(
            "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017"
        ),
        link="https://arxiv.org/abs/1704.04861",
        about="A stack of depthwise and pointwise convolutions; the resolution multiplier is the `input_shape`.",
        differences={
            "the paper": (
                "ReLU6 for ReLU, and stride 1 in the last block, whose stride 2 is a slip of Table 1. The full "
                "convolutions of Table 4 and the shallow network of Table 5 are `ConvMobileNet` and `ShallowMobileNet` "
                "of the module."
            ),
            "the authors' code": (
                "Widths below 0.25 have no minimum of 8 channels, as in keras.applications. Published multiply-adds of "
                "widths 0.75 and 0.25 on the page of TensorFlow's slim models differ from what the layers give."
            ),
            "keras.applications": "None: same signature, layers, order of the weights, and released weights.",
            "timm": (
                "timm's mobilenetv1_* have other padding, batch normalisation constants and classifier; their weights "
                "do not load here."
            ),
        },
        rows=_MOBILENET_ROWS,
    ),
    Family(
        title="MobileNetV2",
        module=mobilenet_v2,
        paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018",
        link="https://arxiv.org/abs/1801.04381",
        about="Inverted residuals between linear bottlenecks.",
        differences={
            "the paper": (
                "The paper's 6.9 million parameters of width 1.4 are not those of any released code: 6.1 million."
            ),
            "the authors' code": "Released weights are theirs, as converted by keras.applications.",
            "keras.applications": "None: same signature, layers, order of the weights, and released weights.",
            "timm": (
                "timm's mobilenetv2_* pad symmetrically and have other batch normalisation constants; their weights do "
                "not load here."
            ),
        },
        rows=_MOBILENET_V2_ROWS,
    ),
    Family(
        title="MobileNetV3",
        module=mobilenet_v3,
        paper="Howard et al., Searching for MobileNetV3, ICCV 2019",
        link="https://arxiv.org/abs/1905.02244",
        about=(
            "Searched inverted residuals with squeeze-excite and hard swish, in a small and a large network, and "
            "`minimalistic` ones without either. Pixels are scaled inside the model."
        ),
        differences={
            "the paper": (
                "The small network has 2.5 million parameters, as in the final paper; the 2.9 million of the first "
                "version belong to a wider classifier."
            ),
            "the authors' code": "Released weights are theirs, as converted by keras.applications.",
            "keras.applications": "None: same signature, layers, order of the weights, and released weights.",
            "timm": (
                "timm's mobilenetv3_* want normalised pixels, and, but for those named tf_*, pad symmetrically "
                "and have other batch normalisation constants; their weights do not load here."
            ),
        },
        rows=_MOBILENET_V3_ROWS,
    ),
)
