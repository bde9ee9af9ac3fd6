"""MobileNet: Tables 1 to 7 of the paper, and the grid of released models."""

from keras_lightnets import applications as kl
from keras_lightnets.applications.mobilenet import ConvMobileNet, ShallowMobileNet
from keras_lightnets.design.formulas import convolution, depthwise_separable
from keras_lightnets.design.published.tables import (
    MILLIONS,
    SLIM,
    Row,
    Table,
    build,
    cost_of,
    madds_of_features,
    network,
    params_with_half_of_statistics,
    total_madds,
    total_params,
)

_PAPER = "Howard et al., MobileNets, arXiv 1704.04861"


def _body():
    """The lines of Table 1, from the layers of the network."""
    lines = []
    for layer in build(kl.MobileNet).layers:
        if hasattr(layer, "kernel"):
            kernel, stride, (side, *_) = layer.kernel.shape, layer.strides[0], layer.output.shape[1:]
            if layer.name == "conv_preds":
                lines.append(("FC / s1", f"{kernel[2]}x{kernel[3]}", f"{side}x{side}x{kernel[2]}"))
                continue
            depthwise = " dw" if layer.name.startswith("conv_dw") else ""
            filters = "x".join(map(str, kernel[:3] if depthwise else kernel)) + depthwise
            lines.append((f"Conv{depthwise} / s{stride}", filters, f"{side * stride}x{side * stride}x{kernel[2]}"))
    return lines


def _separable(side, channels, filters, stride):
    return (
        (f"Conv dw / s{stride}", f"3x3x{channels} dw", f"{side}x{side}x{channels}"),
        ("Conv / s1", f"1x1x{channels}x{filters}", f"{side // stride}x{side // stride}x{channels}"),
    )


_PRINTED_BODY = (
    ("Conv / s2", "3x3x3x32", "224x224x3"),
    *_separable(112, 32, 64, 1),
    *_separable(112, 64, 128, 2),
    *_separable(56, 128, 128, 1),
    *_separable(56, 128, 256, 2),
    *_separable(28, 256, 256, 1),
    *_separable(28, 256, 512, 2),
    *(5 * _separable(14, 512, 512, 1)),
    *_separable(14, 512, 1024, 2),
    ("Conv dw / s2", "3x3x1024 dw", "7x7x1024"),
    ("Conv / s1", "1x1x1024x1024", "7x7x1024"),
    ("FC / s1", "1024x1000", "1x1x1024"),
)


def _body_row(position, printed):
    why = "a stride of 2 would leave 4x4 pixels, and the next line has 7x7" if "1024 dw" in printed[1] else ""
    return Row(f"layer {position + 1}", printed, lambda: _body()[position], why)


def _share(part):
    """Shares of a part in the multiply-adds and in the weights of convolutions and classifier, in percent."""

    def count():
        cost = cost_of(kl.MobileNet, 224)
        # Table 2 leaves out biases, of which the classifier alone has some.
        params = {name: total.params for name, total in cost.parts.items() if total.madds}
        params["head"] -= 1000
        return 100 * cost.parts[part].madds / cost.madds, 100 * params[part] / sum(params.values())

    return count


def _formula(cost):
    return lambda: (cost.madds / 1e6, cost.params / 1e6)


_WIDTHS = {1.0: "4.2", 0.75: "2.6", 0.5: "1.3", 0.25: "0.5"}
# alpha: parameters, and multiply-adds at 224, 192, 160 and 128 pixels.
_GRID = {
    1.0: ("4.24", ("569", "418", "291", "186")),
    0.75: ("2.59", ("317", "233", "162", "104")),
    0.5: ("1.34", ("150", "110", "77", "49")),
    0.25: ("0.47", ("41", "34", "21", "14")),
}
_GRID_WHY = {
    0.75: "does not follow from the architecture; the paper's Table 5 has 325 at 224 pixels, as counted",
    0.5: "rounded up: Table 6 of the paper has 149",
    0.25: "does not follow from the other sizes: multiply-adds go with the square of the side",
}

TABLES = {
    "mobilenet-1": Table(
        "MobileNet, Table 1: the body",
        _PAPER,
        ("type / stride", "filter shape", "input size"),
        tuple(_body_row(position, printed) for position, printed in enumerate(_PRINTED_BODY)),
    ),
    "mobilenet-2": Table(
        "MobileNet, Table 2: shares of the kinds of layers (weights without biases and normalisation)",
        _PAPER,
        ("MAdds, %", "params, %"),
        (
            Row("conv 1x1", ("94.86", "74.59"), _share("1x1")),
            Row("conv dw 3x3", ("3.06", "1.06"), _share("depthwise")),
            Row(
                "conv 3x3",
                ("1.19", "0.02"),
                _share("stem"),
                "digits changed places: the printed column adds up to 99.29 %, with 1.91 to 100",
            ),
            Row("fully connected", ("0.18", "24.33"), _share("head")),
        ),
    ),
    "mobilenet-3": Table(
        "MobileNet, Table 3: one layer, 14x14 pixels, 512 channels, by the formulas",
        _PAPER,
        MILLIONS,
        (
            Row("convolution", ("462", "2.36"), _formula(convolution(14, 3, 512, 512))),
            Row("depthwise separable", ("52.3", "0.27"), _formula(depthwise_separable(14, 3, 512, 512))),
            Row("alpha = 0.75", ("29.6", "0.15"), _formula(depthwise_separable(14, 3, 512, 512, alpha=0.75))),
            Row("rho = 0.714", ("15.1", "0.15"), _formula(depthwise_separable(14, 3, 512, 512, 0.75, 0.714))),
        ),
    ),
    "mobilenet-4": Table(
        "MobileNet, Table 4: depthwise separable against full convolutions",
        _PAPER,
        MILLIONS,
        (
            network("Conv MobileNet", ("4866", "29.3"), ConvMobileNet, why="leaves out the classifier: see below"),
            network(
                "Conv MobileNet, MAdds without classifier",
                ("4866", "29.3"),
                ConvMobileNet,
                measures=(madds_of_features, total_params),
            ),
            network("MobileNet", ("569", "4.2"), kl.MobileNet),
        ),
    ),
    "mobilenet-5": Table(
        "MobileNet, Table 5: narrow against shallow",
        _PAPER,
        MILLIONS,
        (
            network("0.75 MobileNet", ("325", "2.6"), kl.MobileNet, alpha=0.75),
            network("Shallow MobileNet", ("307", "2.9"), ShallowMobileNet),
        ),
    ),
    "mobilenet-6": Table(
        "MobileNet, Table 6: width multiplier",
        _PAPER,
        MILLIONS,
        tuple(
            network(f"{alpha} MobileNet-224", (madds, _WIDTHS[alpha]), kl.MobileNet, alpha=alpha)
            for alpha, madds in {1.0: "569", 0.75: "325", 0.5: "149", 0.25: "41"}.items()
        ),
    ),
    "mobilenet-7": Table(
        "MobileNet, Table 7: resolution multiplier",
        _PAPER,
        MILLIONS,
        tuple(
            network(f"1.0 MobileNet-{size}", (madds, "4.2"), kl.MobileNet, size, alpha=1.0)
            for size, madds in {224: "569", 192: "418", 160: "290", 128: "186"}.items()
        ),
    ),
    "mobilenet-grid": Table(
        "MobileNet, the 16 released models (params with half of the statistics of batch normalisation)",
        SLIM,
        MILLIONS,
        tuple(
            network(
                f"{alpha} MobileNet-{size}",
                (madds, params),
                kl.MobileNet,
                size,
                (total_madds, params_with_half_of_statistics),
                _GRID_WHY.get(alpha, "") if alpha == 0.75 or madds in ("150", "34") else "",
                alpha=alpha,
            )
            for alpha, (params, row) in _GRID.items()
            for size, madds in zip((224, 192, 160, 128), row, strict=True)
        ),
    ),
}
