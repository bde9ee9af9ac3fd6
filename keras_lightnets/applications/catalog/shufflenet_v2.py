"""ShuffleNetV2: its variants and what is known of them."""

from functools import partial

from keras_lightnets.applications.family import Family, HeadVariant, Pyramid, Variant
from keras_lightnets.preprocessing import IMAGENET_STATISTICS

_TENSORPACK = "paper, as quoted in tensorpack's README"
_TABLE_8 = "paper, Table 8"
_shufflenet = partial(Variant, "ShuffleNetV2")

FAMILY = Family(
    module="shufflenet_v2",
    title="ShuffleNetV2",
    paper="Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018",
    link="https://arxiv.org/abs/1807.11164",
    about="Channel split instead of grouped convolutions: half of the channels pass each unit untouched.",
    differences={
        "the paper": "The numbers are from Table 5. The variants with squeeze-excite and with residuals are left out.",
        "the authors' code": (
            "megvii-model/ShuffleNet-Series splits even from odd channels at the start of a unit, where others "
            "shuffle at its end. It has no bias in the classifier. Its 2x network has a dropout of 0.2."
        ),
        "timm": "timm has no ShuffleNet V2. torchvision halves both branches of a strided unit.",
    },
    preprocessing=IMAGENET_STATISTICS,
    identity={"alpha": 1.0},
    head=("logits",),
    classes=("logits",),
    pyramid=Pyramid(
        mark="stage2_unit1_conv1",
        ends=r"stem_relu|stem_pool|stage\d_unit\d_(concat|shuffle)|conv5_relu",
    ),
    counted="pytorchcv 0.0.73's ShuffleNetV2b with conv5 as in the paper: forward hooks on Conv2d and Linear",
    variants=(
        _shufflenet({"alpha": 0.5}, 1_366_792, 1_374_744, 40_476_448, (24, 24, 48, 96, 1024), 60.3, _TENSORPACK),
        _shufflenet({"alpha": 1.0}, 2_279_760, 2_295_940, 145_814_296, (24, 24, 116, 232, 1024), 69.4, _TABLE_8),
        _shufflenet({"alpha": 1.5}, 3_507_720, 3_531_160, 298_970_656, (24, 24, 176, 352, 1024), 72.6, _TABLE_8),
        _shufflenet({"alpha": 2.0}, 7_403_600, 7_437_316, 590_783_000, (24, 24, 244, 488, 2048), 74.9, _TABLE_8),
    ),
    heads=(
        HeadVariant("ssdlite:ShuffleNetV2-alpha=1.0", 3_070_885, 415_472_544),
        HeadVariant("lraspp:ShuffleNetV2-alpha=1.0", 1_522_326, 811_128_832),
    ),
)
