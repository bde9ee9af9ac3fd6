"""MobileNetV3: its variants and what is known of them."""

from functools import partial

from keras_lightnets.applications.family import Family, HeadVariant, Pyramid, Variant
from keras_lightnets.preprocessing import RAW

_SLIM = "README of TensorFlow's slim models"
_large = partial(Variant, "MobileNetV3Large")
_small = partial(Variant, "MobileNetV3Small")

FAMILY = Family(
    module="mobilenet_v3",
    title="MobileNetV3",
    paper="Howard et al., Searching for MobileNetV3, ICCV 2019",
    link="https://arxiv.org/abs/1905.02244",
    about=(
        "Searched inverted residuals with squeeze-excite and hard swish, in a small and a large network, and "
        "`minimalistic` ones without either. Pixels are scaled inside the model."
    ),
    differences={
        "the paper": (
            "The small network has 2.5 million parameters, as in the final paper. The 2.9 million of the first "
            "version belong to a wider classifier."
        ),
        "the authors' code": "Released weights are theirs, as converted by keras.applications.",
        "keras.applications": "None: same signature, layers, order of the weights, and released weights.",
        "PaddleClas": (
            "PaddleClas' MobileNetV3 has one more convolution, other widths of the stem and of squeeze-excite, "
            "symmetric padding and another hard sigmoid. Its weights do not load here."
        ),
        "timm": (
            "timm's mobilenetv3_* take normalised pixels. Except for the tf_* models, they pad symmetrically and have "
            "other batch normalisation constants. Their weights do not load here."
        ),
    },
    preprocessing=RAW,
    channels_first=True,
    default_size=None,
    identity={"alpha": 1.0, "minimalistic": False},
    head=("conv_2", "logits"),
    classes=("logits",),
    pyramid=Pyramid(
        mark="expanded_conv_project_bn",
        ends=r"conv_act|expanded_conv(_\d+)?_(project_bn|add)|conv_1_act",
        expansions=r"expanded_conv_\d+_expand_act",
    ),
    counted="keras.applications 3.15.1: the sizes of its variables and, for multiply-adds, the shapes of its layers",
    variants=(
        _large({"alpha": 1.0}, 5_483_032, 5_507_432, 216_589_760, (16, 24, 40, 112, 960), 75.2, "paper"),
        _large({"alpha": 0.75}, 3_993_528, 4_012_616, 154_560_624, (16, 24, 32, 88, 720), 73.3, "paper"),
        _large({"minimalistic": True}, 3_924_288, 3_948_688, 209_136_704, (16, 24, 40, 112, 960), 72.3, _SLIM),
        _small({"alpha": 1.0}, 2_542_856, 2_554_968, 56_510_400, (16, 16, 24, 48, 576), 67.4, "paper"),
        _small({"alpha": 0.75}, 2_041_872, 2_051_552, 43_399_344, (16, 16, 24, 40, 432), 65.4, "paper"),
        _small({"minimalistic": True}, 2_044_736, 2_056_848, 52_288_448, (16, 16, 24, 48, 576), 61.9, _SLIM),
    ),
    heads=(
        HeadVariant("ssdlite:MobileNetV3Large-alpha=1.0", 4_859_525, 598_343_744, 22.0, "paper, with 90 classes"),
        HeadVariant("ssdlite:MobileNetV3Small-alpha=1.0", 2_405_621, 202_530_496, 16.0, "paper, with 90 classes"),
        HeadVariant(
            "lraspp:MobileNetV3Large-alpha=1.0", 3_221_538, 1_158_127_488, 57.9, "torchvision, with output_stride=16"
        ),
        HeadVariant("lraspp:MobileNetV3Small-alpha=1.0", 1_077_954, 316_891_136),
    ),
)
