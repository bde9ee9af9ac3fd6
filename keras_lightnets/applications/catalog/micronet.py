"""MicroNet: its variants and what is known of them."""

from keras_lightnets.applications.family import Family, HeadVariant, Pyramid, Variant
from keras_lightnets.preprocessing import IMAGENET_STATISTICS

_README = "authors' README"
_RELU6 = {"activation": "relu6"}

FAMILY = Family(
    module="micronet",
    title="MicroNet",
    paper="Li et al., MicroNet: Improving Image Recognition with Extremely Low FLOPs, ICCV 2021",
    link="https://arxiv.org/abs/2108.05894",
    about=(
        "Four networks of 4 to 21 million multiply-adds from factorised convolutions, with Dynamic Shift-Max in "
        'place of most activations. `activation="relu6"` builds their ablation, ReLU6 in place of Dynamic Shift-Max.'
    ),
    differences={
        "the paper": (
            "The layers follow the authors' code. Its Dynamic Shift-Max rotates the channels inside each group as "
            "well as the groups. Its blocks start one pointwise convolution earlier than the paper's. The chain of "
            "layers is the same: M3 has 12 rows here, and 11 blocks in the paper. The classifier "
            "ends in batch normalisation and hard swish, so that no logit is below -0.375. The networks named M0 to "
            'M3 in the first version of the paper (arXiv 2011.12289) are other networks. `activation="relu6"` uses the '
            "rows of the authors' code without Dynamic Shift-Max, which have fewer shuffles. ReLU6 follows expansions "
            "and depthwise convolutions. No activation follows squeezes, where Dynamic Shift-Max has one piece and is "
            "linear."
        ),
        "the authors' code": (
            "None in the numbers: same parameters, and equal logits for equal weights. Batch normalisation has "
            "Keras' momentum 0.9, which is 0.1 in PyTorch."
        ),
        "timm": "timm has no MicroNet.",
    },
    preprocessing=IMAGENET_STATISTICS,
    identity={"activation": "dynamic_shift_max"},
    head=("fc", "fc_bn", "logits", "logits_bn"),
    classes=("logits", "logits_bn"),
    pyramid=Pyramid(
        mark="stem_3x1",
        ends=r"stem_relu6|block\d+_(squeeze_shuffle|last_shuffle|add)|features_relu6",
    ),
    counted=(
        "the authors' code at commit ed89b26: forward hooks on Conv2d and Linear, and 2K multiplies a pixel of "
        "Dynamic Shift-Max"
    ),
    madds="convolutions and dense layers, and the multiplies of pixels in Dynamic Shift-Max",
    variants=(
        Variant("MicroNetM0", {}, 1_019_590, 1_027_082, 4_054_128, (4, 8, 12, 32, 384), 46.6, _README),
        Variant("MicroNetM1", {}, 1_777_587, 1_787_533, 6_120_032, (6, 8, 16, 32, 576), 51.4, _README),
        Variant("MicroNetM2", {}, 2_393_876, 2_409_652, 12_743_440, (8, 12, 24, 64, 768), 59.4, _README),
        Variant("MicroNetM3", {}, 2_622_960, 2_650_736, 20_807_520, (12, 16, 24, 80, 864), 62.5, _README),
        Variant("MicroNetM0", _RELU6, 909_802, 917_294, 3_344_384, (4, 8, 12, 32, 384)),
        Variant("MicroNetM1", _RELU6, 1_547_051, 1_556_997, 5_091_136, (6, 8, 16, 32, 576)),
        Variant("MicroNetM2", _RELU6, 1_876_172, 1_891_948, 9_835_456, (8, 12, 24, 64, 768)),
        Variant("MicroNetM3", _RELU6, 2_044_472, 2_072_248, 17_671_840, (12, 16, 24, 80, 864)),
    ),
    heads=(
        HeadVariant("ssdlite:MicroNetM0", 1_385_315, 54_323_440),
        HeadVariant("ssdlite:MicroNetM1", 1_666_448, 72_189_088),
        HeadVariant("ssdlite:MicroNetM2", 2_145_233, 103_355_216),
        HeadVariant("ssdlite:MicroNetM3", 2_356_093, 128_821_504),
        HeadVariant("lraspp:MicroNetM0", 230_452, 40_785_968),
        HeadVariant("lraspp:MicroNetM1", 409_525, 54_462_176),
        HeadVariant("lraspp:MicroNetM2", 777_470, 93_334_416),
        HeadVariant("lraspp:MicroNetM3", 932_826, 137_849_792),
    ),
)
