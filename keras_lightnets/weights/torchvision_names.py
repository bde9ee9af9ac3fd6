"""What torchvision calls the layers of MobileNetV3, alone and in its detector and its segmenter."""

import re

# Position in the sequence of torchvision's features, whose first and last element are no blocks.
_OUTSIDE = {"conv": "0.0", "conv_bn": "0.1"}
_HEAD = {"conv_2": "classifier.0", "logits": "classifier.3"}
_BLOCK = ("expand", "depthwise", "squeeze_excite_conv", "project")


def mobilenet_v3(place):
    """Makes a function from layers to names. `place` is a function of the position of a module in the features."""

    def modules(layers):
        blocks = {layer: re.match(r"expanded_conv_?(\d*)_(.+)", layer) for layer in layers}
        inside = {layer: (int(match[1] or 0) + 1, match[2]) for layer, match in blocks.items() if match}
        last = max((block for block, _ in inside.values()), default=0) + 1
        names = _OUTSIDE | {"conv_1": f"{last}.0", "conv_1_bn": f"{last}.1"}
        for layer, (block, rest) in inside.items():
            # A block counts the parts that it has.
            parts = [part for part in _BLOCK if (block, part) in inside.values()]
            part = rest.removesuffix("_bn").removesuffix("_1")
            kind = ("fc2" if rest.endswith("_1") else "fc1") if "squeeze" in part else int(rest.endswith("_bn"))
            names[layer] = f"{block}.block.{parts.index(part)}.{kind}"
        # Layers of another network have no name there: no file has a tensor of theirs.
        return {layer: layer for layer in layers} | _HEAD | {layer: place(name) for layer, name in names.items()}

    return modules


CLASSIFIER = mobilenet_v3("features.{}".format)


def _ssdlite_place(name):
    """torchvision's detector cuts the features behind the expansion of block 13."""
    block, _, rest = name.partition(".")
    moved = int(block) - 13
    if moved:
        return f"backbone.features.{f'0.{block}' if moved < 0 else f'1.{moved}'}.{rest}"
    rest = rest.removeprefix("block.")
    return f"backbone.features.{f'0.13{rest[1:]}' if rest.startswith('0.') else f'1.0.{rest}'}"


SSDLITE_BACKBONE = mobilenet_v3(_ssdlite_place)


def ssdlite(layers):
    """The names of a whole detector on MobileNetV3Large."""
    names = {}
    for layer in layers:
        if match := re.fullmatch(r"extra(\d)_(squeeze|depthwise|expand)(_bn)?", layer):
            part = ("squeeze", "depthwise", "expand").index(match[2])
            names[layer] = f"backbone.extra.{int(match[1]) - 1}.{part}.{int(bool(match[3]))}"
        elif match := re.fullmatch(r"map(\d)_(boxes|classes)(_depthwise)?(_bn)?", layer):
            head = {"boxes": "regression", "classes": "classification"}[match[2]]
            part = f"0.{int(bool(match[4]))}" if match[3] else "1"
            names[layer] = f"head.{head}_head.module_list.{int(match[1]) - 1}.{part}"
    return names | SSDLITE_BACKBONE([layer for layer in layers if layer not in names])


_SEGMENTER = {
    "high": "classifier.cbr.0",
    "high_bn": "classifier.cbr.1",
    "scale": "classifier.scale.1",
    "low_classes": "classifier.low_classifier",
    "high_classes": "classifier.high_classifier",
}
LRASPP_BACKBONE = mobilenet_v3("backbone.{}".format)


def lraspp(layers):
    """The names of a whole segmenter on MobileNetV3Large."""
    return LRASPP_BACKBONE([layer for layer in layers if layer not in _SEGMENTER]) | _SEGMENTER
