"""Where each layer's weights lie in the files of others: one table per architecture and publisher.

A `Layout` names, for every layer of ours, the module of a PyTorch or PaddlePaddle network, or the layer in tf2cv.
What the functions here do not name is not loaded: `load.py` refuses a file unless every tensor and every variable is
used exactly once.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from keras_lightnets.weights import torchvision_names


class Layout(NamedTuple):
    """How one publisher names the tensors of one architecture.

    Attributes:
        publisher: whose files.
        mark: name of a tensor, which tells the layout.
        modules: function from the list of our layers to the dict of their names in the file.
        head: beginning, or tuple of beginnings, of the names of the tensors that a network without classifier lacks.
        order: "" or the name of the form that the network must be built in, such as another order of channels.
        raw_bgr: whether the network was trained on BGR pixels in 0-255.
        without_bias: our layer whose bias the network lacks, or None.
        framework: "torch", "paddle", or "keras" for kernels in Keras' axes, with a kernel per group of channels.
        transposed: regular expression for our layers whose y, x, height and width are x, y, width and height there.
    """

    publisher: str
    mark: str
    modules: Callable
    head: str | tuple[str, ...]
    order: str = ""
    raw_bgr: bool = False
    without_bias: str | None = None
    framework: str = "torch"
    transposed: str = ""


def _blocks(outside, name):
    """Makes a function from layers to names for networks of numbered blocks.

    Args:
        outside: dict of the names of the layers outside of blocks.
        name: function of the number of a block, a layer without its prefix, and the set of all such layers there.
    """

    def modules(layers):
        inside = {layer: layer.partition("_") for layer in layers if layer not in outside}
        siblings = {
            block: {rest for other, _, rest in inside.values() if other == block} for block, *_ in inside.values()
        }
        names = {layer: outside[layer] for layer in layers if layer in outside}
        return names | {
            layer: name(int(block.removeprefix("block")), rest, siblings[block])
            for layer, (block, _, rest) in inside.items()
        }

    return modules


# The layer by which Keras' files of a network tell that it has another form than the public builders'.
ORDER_MARKS = {
    "megvii": "megvii_stem_pad",
    "mmpretrain": "mmpretrain_stem_pad",
    "torchvision": "torchvision_stem_pad",
    "torchvision_ssdlite": "torchvision_ssdlite_stem_pad",
}

# MicroNet: position in the authors' sequence `features.<block>.layers`, by type of block.
_LITE = {
    "depthwise_kx1": "0.conv.0",
    "depthwise_kx1_bn": "0.conv.1",
    "depthwise_1xk": "0.conv.2",
    "depthwise_1xk_bn": "0.conv.3",
    "middle_act": "1.fc",
    "squeeze": "4.conv.0",
    "squeeze_bn": "4.conv.1",
    "last_act": "5.fc",
}
_MICRO = {
    "expand": "0.conv.0",
    "expand_bn": "0.conv.1",
    "first_act": "1.fc",
    "depthwise_kx1": "3.conv.0",
    "depthwise_kx1_bn": "3.conv.1",
    "depthwise_1xk": "3.conv.2",
    "depthwise_1xk_bn": "3.conv.3",
    "middle_act": "5.fc",
    "squeeze": "7.conv.0",
    "squeeze_bn": "7.conv.1",
    "last_act": "8.fc",
}
_FINAL = {"expand": "0.conv.0", "expand_bn": "0.conv.1", "last_act": "1.fc"}
_MICRONET = {
    "stem_3x1": "features.0.stem.0.conv.0",
    "stem_3x1_bn": "features.0.stem.0.conv.1",
    "stem_1x3": "features.0.stem.0.conv.2",
    "stem_1x3_bn": "features.0.stem.0.conv.3",
    "fc": "classifier.0.linear.0",
    "fc_bn": "classifier.0.linear.1",
    "logits": "classifier.2.linear.0",
    "logits_bn": "classifier.2.linear.1",
}
_DENSE = {"": "", "squeeze": ".0", "excite": ".2"}  # inside Dynamic Shift-Max


def _micronet(block, layer, siblings):
    layer, _, dense = layer.partition("/")
    rows = _FINAL if "squeeze" not in siblings else _MICRO if "expand" in siblings else _LITE
    return f"features.{block}.layers.{rows[layer]}{_DENSE[dense]}"


# ReXNet: position in the authors' sequence `features.<block + 2>.out`, by type of block.
_FIRST = {"depthwise": "0", "depthwise_bn": "1", "project": "3", "project_bn": "4"}
_EXPANDED = {"expand": "0", "expand_bn": "1", "depthwise": "3", "depthwise_bn": "4"}
_PLAIN = {**_EXPANDED, "project": "6", "project_bn": "7"}
_SQUEEZED = {
    **_EXPANDED,
    "se_squeeze": "5.fc.0",
    "se_squeeze_bn": "5.fc.1",
    "se_excite": "5.fc.3",
    "project": "7",
    "project_bn": "8",
}
_REXNET = {
    "stem": "features.0",
    "stem_bn": "features.1",
    "features": "features.19",
    "features_bn": "features.20",
    "predictions": "output.1",
}
_REXNET_LITE = {**_REXNET, "fc": "output.0", "fc_bn": "output.1", "predictions": "output.4"}


def _rexnet(block, layer, siblings):
    rows = _FIRST if block == 1 else _SQUEEZED if "se_squeeze" in siblings else _PLAIN
    return f"features.{block + 2}.out.{rows[layer]}"


# The same in timm, under `features.<block - 1>`.
_TIMM_BLOCK = {
    "expand": "conv_exp.conv",
    "expand_bn": "conv_exp.bn",
    "depthwise": "conv_dw.conv",
    "depthwise_bn": "conv_dw.bn",
    "se_squeeze": "se.fc1",
    "se_squeeze_bn": "se.bn",
    "se_excite": "se.fc2",
    "project": "conv_pwl.conv",
    "project_bn": "conv_pwl.bn",
}
_TIMM = {
    "stem": "stem.conv",
    "stem_bn": "stem.bn",
    "features": "features.16.conv",
    "features_bn": "features.16.bn",
    "predictions": "head.fc",
}


def _timm(block, layer, _):
    return f"features.{block - 1}.{_TIMM_BLOCK[layer]}"


def _units(outside, unit, name):
    """Makes a function from layers to names for networks of stages and units. Both are counted from 1."""

    def module(layer):
        if layer in outside:
            return outside[layer]
        stage, number, rest = re.fullmatch(r"stage(\d)_unit(\d)_(\w+)", layer).groups()
        return name(int(stage) - 1, int(number), unit[rest])

    return lambda layers: {layer: module(layer) for layer in layers}


def _sequence(stage, unit, module):
    """megvii counts the units of all stages from 0."""
    return f"features.{(0, 4, 12)[stage - 1] + unit - 1}.{module}"


def _with_norms(**convolutions):
    """Names of convolutions and, by position in the same sequence, of the batch normalisations after them."""
    names = {}
    for layer, module in convolutions.items():
        sequence, _, position = module.rpartition(".")
        names |= {layer: module, f"{layer}_bn": f"{sequence}.{int(position) + 1}"}
    return names


_SHUFFLENET_UNIT = {
    "compress": "compress_conv1",
    "compress_bn": "compress_bn1",
    "depthwise": "dw_conv2",
    "depthwise_bn": "dw_bn2",
    "expand": "expand_conv3",
    "expand_bn": "expand_bn3",
}
_PYTORCHCV = {"stem_conv": "features.init_block.conv", "stem_bn": "features.init_block.bn", "logits": "output"}
_MEGVII_STEM = {"stem_conv": "first_conv.0", "stem_bn": "first_conv.1", "logits": "classifier.0"}
_MMPRETRAIN = {"stem_conv": "backbone.conv1.conv", "stem_bn": "backbone.conv1.bn", "logits": "head.fc"}
_MMPRETRAIN_UNIT = {
    "compress": "g_conv_1x1_compress.conv",
    "compress_bn": "g_conv_1x1_compress.bn",
    "depthwise": "depthwise_conv3x3_bn.conv",
    "depthwise_bn": "depthwise_conv3x3_bn.bn",
    "expand": "g_conv_1x1_expand.conv",
    "expand_bn": "g_conv_1x1_expand.bn",
}

_V2_PYTORCHCV = {
    "stem_conv": "features.init_block.conv.conv",
    "stem_bn": "features.init_block.conv.bn",
    "conv5_bn": "features.final_block.bn",
    "conv5": "features.final_block.conv",
    "logits": "output",
}
_V2_UNIT = {"conv1": "conv1", "depthwise": "dconv", "conv2": "conv2"}
_V2_UNIT |= {"shortcut_depthwise": "shortcut_dconv", "shortcut_conv": "shortcut_conv"}
_V2_PYTORCHCV_UNIT = {layer: f"{module}.conv" for layer, module in _V2_UNIT.items()}
_V2_PYTORCHCV_UNIT |= {f"{layer}_bn": f"{module}.bn" for layer, module in _V2_UNIT.items()}
_V2_MEGVII_UNIT = _with_norms(
    conv1="branch_main.0",
    depthwise="branch_main.3",
    conv2="branch_main.5",
    shortcut_depthwise="branch_proj.0",
    shortcut_conv="branch_proj.2",
)
_V2_TORCHVISION_UNIT = _with_norms(
    conv1="branch2.0",
    depthwise="branch2.3",
    conv2="branch2.5",
    shortcut_depthwise="branch1.0",
    shortcut_conv="branch1.2",
)
_V2_PADDLE = {
    "stem_conv": "_conv1._conv",
    "stem_bn": "_conv1._batch_norm",
    "conv5": "_last_conv._conv",
    "conv5_bn": "_last_conv._batch_norm",
    "logits": "_fc",
}
# With a place for what tells the branches of a strided unit apart.
_V2_PADDLE_UNIT = {
    f"{layer}{ours}": f"{module}.{theirs}"
    for layer, module in {
        "conv1": "_conv_pw{}",
        "depthwise": "_conv_dw{}",
        "conv2": "_conv_linear{}",
        "shortcut_depthwise": "_conv_dw_1",
        "shortcut_conv": "_conv_linear_1",
    }.items()
    for ours, theirs in {"": "_conv", "_bn": "_batch_norm"}.items()
}


def _paddle_v2(stage, unit, module):
    return f"{stage + 1}_{unit}.{module.format('_2' if unit == 1 else '')}"


def _dotted(stage, unit, module):
    return f"features.stage{stage}.unit{unit}.{module}"


def _tf2cv(modules):
    """tf2cv has the modules of pytorchcv, under paths. `load.py` knows of its kernels per group."""
    return lambda layers: {
        layer: re.sub(r"^output$", "output1", name).replace(".", "/") for layer, name in modules(layers).items()
    }


_SHUFFLENET_NAMES = _units(_PYTORCHCV, _SHUFFLENET_UNIT, _dotted)
_V2_NAMES = _units(_V2_PYTORCHCV, _V2_PYTORCHCV_UNIT, _dotted)
_MEGVII_UNIT = _with_norms(compress="branch_main_1.0", depthwise="branch_main_1.3", expand="branch_main_2.0")

_V3_CLASSIFIER = Layout(
    *("torchvision", "features.0.0.weight", torchvision_names.CLASSIFIER), head="classifier.", order="torchvision"
)
_V3_SSDLITE = Layout(
    *("torchvision's ssdlite", "backbone.features.0.0.0.weight", torchvision_names.SSDLITE_BACKBONE),
    head=("backbone.extra.", "head."),
    order="torchvision_ssdlite",
)
_V3_LRASPP = Layout(
    *("torchvision's lraspp", "backbone.0.0.weight", torchvision_names.LRASPP_BACKBONE),
    head="classifier.",
    order="torchvision",
)

_MICRONET_LAYOUTS = (
    Layout("the authors", "features.0.stem.0.conv.0.weight", _blocks(_MICRONET, _micronet), "classifier."),
    # A port of the authors' code, with their names.
    Layout(
        "paddleclas",
        "features.0.stem.0.conv.0.weight",
        _blocks(_MICRONET, _micronet),
        "classifier.",
        framework="paddle",
    ),
)
# By builder. A network that is not here takes Keras files only.
LAYOUTS = {
    "MicroNetM0": _MICRONET_LAYOUTS,
    "MicroNetM1": _MICRONET_LAYOUTS,
    "MicroNetM2": _MICRONET_LAYOUTS,
    "MicroNetM3": _MICRONET_LAYOUTS,
    "MobileNetV3Large": (_V3_CLASSIFIER, _V3_SSDLITE, _V3_LRASPP),
    "MobileNetV3Small": (_V3_CLASSIFIER,),
    "SSDLite": (_V3_SSDLITE._replace(modules=torchvision_names.ssdlite, head=(), transposed=r"map\d_boxes"),),
    "LRASPP": (_V3_LRASPP._replace(modules=torchvision_names.lraspp, head=()),),
    "ReXNet": (
        Layout("the authors", "features.0.weight", _blocks(_REXNET, _rexnet), "output."),
        Layout("timm", "stem.conv.weight", _blocks(_TIMM, _timm), "head."),
        Layout("paddleclas", "features.0.weight", _blocks(_REXNET, _rexnet), "output.", framework="paddle"),
    ),
    "ReXNetLite": (Layout("the authors", "features.0.weight", _blocks(_REXNET_LITE, _rexnet), "output."),),
    "ReXNetR": (Layout("timm", "stem.conv.weight", _blocks(_TIMM, _timm), "head."),),
    "ShuffleNet": (
        Layout("pytorchcv", "features.init_block.conv.weight", _SHUFFLENET_NAMES, "output."),
        Layout("tf2cv", "features/init_block/conv/kernel", _tf2cv(_SHUFFLENET_NAMES), "output1/", framework="keras"),
        Layout(
            "megvii",
            "first_conv.0.weight",
            _units(_MEGVII_STEM, _MEGVII_UNIT, _sequence),
            "classifier.",
            order="megvii",
            raw_bgr=True,
            without_bias="logits",
        ),
        Layout(
            "mmpretrain",
            "backbone.conv1.conv.weight",
            _units(_MMPRETRAIN, _MMPRETRAIN_UNIT, lambda s, u, module: f"backbone.layers.{s - 1}.{u - 1}.{module}"),
            "head.",
            order="mmpretrain",
        ),
    ),
    "ShuffleNetV2": (
        Layout("pytorchcv", "features.init_block.conv.conv.weight", _V2_NAMES, "output."),
        Layout("tf2cv", "features/init_block/conv/kernel", _tf2cv(_V2_NAMES), "output1/", framework="keras"),
        Layout(
            "megvii",
            "first_conv.0.weight",
            _units({**_MEGVII_STEM, "conv5": "conv_last.0", "conv5_bn": "conv_last.1"}, _V2_MEGVII_UNIT, _sequence),
            "classifier.",
            order="megvii",
            raw_bgr=True,
            without_bias="logits",
        ),
        Layout(
            "torchvision",
            "conv1.0.weight",
            _units(
                {
                    **_with_norms(stem_conv="conv1.0", conv5="conv5.0"),
                    "stem_bn": "conv1.1",
                    "logits": "fc",
                },
                _V2_TORCHVISION_UNIT,
                lambda stage, unit, module: f"stage{stage + 1}.{unit - 1}.{module}",
            ),
            "fc.",
            order="torchvision",
        ),
        Layout(
            "paddleclas",
            "_conv1._conv.weight",
            _units(_V2_PADDLE, _V2_PADDLE_UNIT, _paddle_v2),
            "_fc.",
            order="torchvision",
            framework="paddle",
        ),
    ),
}
