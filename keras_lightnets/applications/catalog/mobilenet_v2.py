"""MobileNetV2: its variants and what is known of them."""

from functools import partial

from keras_lightnets.applications.family import Family, HeadVariant, Pyramid, Variant
from keras_lightnets.preprocessing import SYMMETRIC

_SLIM = "README of TensorFlow's slim models"
_mobilenet = partial(Variant, "MobileNetV2")

FAMILY = Family(
    module="mobilenet_v2",
    title="MobileNetV2",
    paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018",
    link="https://arxiv.org/abs/1801.04381",
    about="Inverted residuals between linear bottlenecks.",
    differences={
        "the paper": "The paper gives width 1.4 6.9 million parameters. All released code has 6.1 million.",
        "the authors' code": "Released weights are theirs, as converted by keras.applications.",
        "keras.applications": "None: same signature, layers, order of the weights, and released weights.",
        "PaddleClas": (
            "PaddleClas' MobileNetV2 has one more convolution, unrounded widths, symmetric padding and other "
            "batch normalisation constants. Its weights do not load here."
        ),
        "timm": (
            "timm's mobilenetv2_* pad symmetrically and have other batch normalisation constants. Their weights do "
            "not load here."
        ),
    },
    preprocessing=SYMMETRIC,
    channels_first=True,
    identity={"alpha": 1.0},
    head=("predictions",),
    classes=("predictions",),
    pyramid=Pyramid(
        mark="expanded_conv_project_BN",
        ends=r"Conv1_relu|(expanded_conv|block_\d+)_(project_BN|add)|out_relu",
        expansions=r"block_\d+_expand_relu",
    ),
    counted="keras.applications 3.15.1: the sizes of its variables and, for multiply-adds, the shapes of its layers",
    variants=(
        _mobilenet({"alpha": 1.4}, 6_108_776, 6_156_712, 582_195_824, (24, 32, 48, 136, 1792), 75.0, _SLIM),
        _mobilenet({"alpha": 1.3}, 5_386_792, 5_431_048, 509_374_560, (24, 32, 40, 128, 1664), 74.4, _SLIM),
        _mobilenet({"alpha": 1.0}, 3_504_872, 3_538_984, 300_774_272, (16, 24, 32, 96, 1280), 71.8, _SLIM),
        _mobilenet({"alpha": 0.75}, 2_636_424, 2_663_064, 209_069_792, (16, 24, 24, 72, 1280), 69.8, _SLIM),
        _mobilenet({"alpha": 0.5}, 1_968_680, 1_987_224, 97_131_840, (8, 16, 16, 48, 1280), 65.4, _SLIM),
        _mobilenet({"alpha": 0.35}, 1_677_128, 1_691_208, 59_285_808, (8, 8, 16, 32, 1280), 60.3, _SLIM),
    ),
    heads=(
        HeadVariant("ssdlite:MobileNetV2-alpha=1.0", 4_337_013, 788_830_144, 22.1, "paper"),
        HeadVariant("lraspp:MobileNetV2-alpha=1.0", 2_555_210, 1_620_574_208),
    ),
)
