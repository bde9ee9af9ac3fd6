"""SSDLite and LR-ASPP: the rows of the papers and of torchvision for the networks of this package."""

from functools import partial

import keras
from keras import layers

from keras_lightnets import applications as kl
from keras_lightnets.applications.mobilenet_v2 import make_divisible
from keras_lightnets.applications.mobilenet_v3 import LARGE, SMALL, Form, features
from keras_lightnets.complexity import complexity
from keras_lightnets.design.published.tables import (
    BILLIONS,
    Row,
    Table,
    params_without_normalization,
    total_gigas,
    total_params,
)
from keras_lightnets.detection import SSDLite
from keras_lightnets.layers import BatchNormalization
from keras_lightnets.segmentation import LRASPP

_WIDTHS = (512, 256, 256, 128)


def _reduced(config, input_shape, **_):
    """MobileNetV3 with half as wide a last stage."""
    pixels = keras.Input(input_shape)
    return keras.Model(pixels, features(pixels, config, form=Form(reduced=True)), name="reduced")


def _narrow(alpha, **arguments):
    """MobileNetV2 with last features that alpha makes narrower too."""
    network = kl.MobileNetV2(alpha=alpha, **arguments)
    x = network.get_layer("block_16_project_BN").output
    x = layers.Conv2D(make_divisible(1280 * alpha), 1, use_bias=False, name="features")(x)
    x = layers.ReLU(6.0, name="out_relu")(BatchNormalization(name="features_bn")(x))
    return keras.Model(network.input, x, name="narrow")


def _row(name, printed, backbone, head, params=total_params, size=320, why=""):
    def count():
        network = backbone(weights=None, include_top=False, input_shape=(size, size, 3))
        cost = complexity(head(network))
        return total_gigas(cost), params(cost)

    return Row(name, printed, count, why)


def _ssdlite(name, printed, builder, **arguments):
    return _row(f"{name} + SSDLite", printed, partial(builder, **arguments), partial(SSDLite, classes=80))


def _of_v3(name, printed, backbone, share=1.0, why=""):
    """A row of MobileNetV3's paper: the 90 numbers of COCO's classes, and no batch normalisation."""
    widths = tuple(make_divisible(width * share) for width in _WIDTHS)
    head = partial(SSDLite, classes=90, widths=widths)
    return _row(f"{name} + SSDLite", printed, backbone, head, params_without_normalization, why=why)


TABLES = {
    "ssdlite": Table(
        "SSDLite, 80 classes at 320x320",
        "Sandler et al., MobileNetV2, CVPR 2018, and Han et al., Rethinking Channel Dimensions, CVPR 2021: Tables 6",
        BILLIONS,
        (
            _ssdlite("MobileNet", ("1.3", "5.1"), kl.MobileNet),
            _ssdlite("MobileNetV2", ("0.8", "4.3"), kl.MobileNetV2),
            _ssdlite("ReXNet x0.9", ("0.88", "5.0"), kl.ReXNet, alpha=0.9),
            _ssdlite("ReXNet x1.0", ("1.01", "5.7"), kl.ReXNet, alpha=1.0),
            _ssdlite("ReXNet x1.3", ("1.60", "8.4"), kl.ReXNet, alpha=1.3),
        ),
    ),
    "ssdlite-mobilenet_v3": Table(
        "SSDLite, 90 classes at 320x320 (params without batch normalisation)",
        "Howard et al., Searching for MobileNetV3, ICCV 2019: Table 6",
        BILLIONS,
        (
            _of_v3(
                "MobileNetV3-Large",
                ("0.62", "4.97"),
                kl.MobileNetV3Large,
                why="1 % more than the layers give; parameters agree, and so do all other rows",
            ),
            _of_v3("MobileNetV3-Large, reduced", ("0.51", "3.22"), partial(_reduced, LARGE)),
            _of_v3("MobileNetV3-Small", ("0.21", "2.49"), kl.MobileNetV3Small),
            _of_v3("MobileNetV3-Small, reduced", ("0.16", "1.77"), partial(_reduced, SMALL)),
            _of_v3("MobileNetV2 x0.5", ("0.27", "1.54"), partial(_narrow, 0.5), 0.5),
            _of_v3("MobileNetV2 x0.35", ("0.16", "0.93"), partial(_narrow, 0.35), 0.35),
        ),
    ),
    "torchvision-heads": Table(
        "torchvision's detector (90 classes at 320x320) and segmenter (21 classes at 520x520, output stride 16)",
        "torchvision, the records of its weights",
        BILLIONS,
        (
            _row(
                "ssdlite320_mobilenet_v3_large",
                ("0.583", "3.440060"),
                partial(_reduced, LARGE),
                partial(SSDLite, classes=90, anchors="torchvision"),
            ),
            _row(
                "lraspp_mobilenet_v3_large",
                ("2.1", "3.221538"),
                kl.MobileNetV3Large,
                partial(LRASPP, classes=21, output_stride=16),
                size=520,
            ),
        ),
    ),
}
