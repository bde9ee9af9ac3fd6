"""MobileNet: its variants and what is known of them."""

from functools import partial

from keras_lightnets.applications.family import Family, HeadVariant, Pyramid, Variant
from keras_lightnets.preprocessing import SYMMETRIC

_TABLE_6 = "paper, Table 6"
_mobilenet = partial(Variant, "MobileNet")

FAMILY = Family(
    module="mobilenet",
    title="MobileNet",
    paper="Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017",
    link="https://arxiv.org/abs/1704.04861",
    about="A stack of depthwise and pointwise convolutions. The resolution multiplier is the `input_shape`.",
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
        "PaddleClas": (
            "PaddleClas' MobileNetV1 pads symmetrically and has ReLU and other batch normalisation constants. "
            "Its weights do not load here."
        ),
        "timm": (
            "timm's mobilenetv1_* have other padding, batch normalisation constants and classifier. Their weights do"
            " not load here."
        ),
    },
    preprocessing=SYMMETRIC,
    channels_first=True,
    identity={"alpha": 1.0, "depth_multiplier": 1},
    head=("conv_preds",),
    classes=("conv_preds",),
    pyramid=Pyramid(
        mark="conv1_relu",
        ends=r"conv1_relu|conv_(pw_)?\d+_relu",
    ),
    counted="keras.applications 3.15.1: the sizes of its variables and, for multiply-adds, the shapes of its layers",
    variants=(
        _mobilenet({"alpha": 1.0}, 4_231_976, 4_253_864, 568_740_352, (64, 128, 256, 512, 1024), 70.6, _TABLE_6),
        _mobilenet({"alpha": 0.75}, 2_585_560, 2_601_976, 325_400_448, (48, 96, 192, 384, 768), 68.4, _TABLE_6),
        _mobilenet({"alpha": 0.5}, 1_331_592, 1_342_536, 149_497_088, (32, 64, 128, 256, 512), 63.7, _TABLE_6),
        _mobilenet({"alpha": 0.25}, 470_072, 475_544, 41_030_272, (16, 32, 64, 128, 256), 50.6, _TABLE_6),
    ),
    heads=(
        HeadVariant("ssdlite:MobileNet-alpha=1.0", 5_100_661, 1_309_162_944, 22.2, "MobileNetV2's paper"),
        HeadVariant("lraspp:MobileNet-alpha=1.0", 3_477_482, 3_032_743_936),
    ),
)
