"""What the catalog says about an architecture and about each of its variants."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

from keras_lightnets.preprocessing import Preprocessing
from keras_lightnets.weights.registry import Network


class Variant(NamedTuple):
    """One published variant, as a row of its family's table."""

    builder: str
    kwargs: dict
    params: int  # trainable
    total: int  # with the moving statistics of batch normalisation
    madds: int
    channels: tuple[int, ...]  # of the feature pyramid, from level 1 on
    top1: float | None = None
    source: str | None = None  # of `top1`


class HeadVariant(NamedTuple):
    """A detector or a segmenter on one of the variants, as a row of its family's table."""

    name: str  # of the head in `HEADS`, a colon, and the name of the variant
    params: int  # trainable
    madds: int
    published: float | None = None  # average precision or mean intersection over union, in percent
    source: str | None = None  # of `published`


class Head(NamedTuple):
    """What the rows of a head have in common."""

    task: str
    classes: int
    size: int  # height and width of the images


HEADS = {"ssdlite": Head("detect", 80, 320), "lraspp": Head("segment", 21, 512)}


class Pyramid(NamedTuple):
    """Where the features at several resolutions are in the networks of a family, by the names of layers.

    `ends` and `expansions` are regular expressions. The last layer that fits, at each stride, is meant.
    """

    mark: str  # a layer that the networks of no other family have
    ends: str  # layers that end the stem, a block or the features
    expansions: str | None = None  # layers that end the wide part of a block, or None without one


class Family(NamedTuple):
    """One architecture: its variants, and the facts that its builders, its weights and its model card share."""

    module: str  # name of the file in `applications`, and of the model card
    title: str
    paper: str
    link: str
    about: str
    differences: dict[str, str]  # from what: the paper, the authors' code, timm, keras.applications
    preprocessing: Preprocessing
    identity: dict  # the arguments that decide which weights fit, with their defaults
    head: tuple[str, ...]  # layers of the classifier that have weights
    classes: tuple[str, ...]  # those among them that are as wide as there are classes
    pyramid: Pyramid
    counted: str  # on what the parameters and multiply-adds below were counted
    variants: tuple[Variant, ...]
    heads: tuple[HeadVariant, ...] = ()
    madds: str = "convolutions and dense layers"  # whose multiply-adds these are
    channels_first: bool = False  # whether the networks also take that data format
    default_size: int | None = 224  # side of the input under a classifier, or None for any

    def network(self, builder: str, arguments: dict) -> Network:
        """A call of one of the builders, to look for its weights."""
        return Network(builder, arguments, self.identity)


class ModelRecord(NamedTuple):
    """One published variant.

    Attributes:
        name: such as `"ReXNet-alpha=1.3"`: the builder and its arguments.
        family: name of the module of the builder, such as "micronet".
        call: name of the builder.
        kwargs: dict of the builder's arguments that make this variant.
        input_size: int, height and width of its images.
        params: int, trainable parameters with the classifier for 1000 classes.
        madds: int, multiply-adds at that size, of convolutions, dense layers and Dynamic Shift-Max's mixing.
        top1: float, published ImageNet top-1 accuracy in percent, or None where none was published.
        top1_source: str, where it was published. Nothing here was measured with this package.
        preprocessing: how pixels are normalised.
        pyramid: dict from the levels that `feature_pyramid` offers to their channels. Level k has stride 2**k.
        weights: names of the released weights, to be passed as `weights`: "imagenet" first, if there are such.
    """

    name: str
    family: str
    call: str
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
    def builder(self) -> Callable:
        """The function that builds it, imported at first use: to read the catalog takes no Keras."""
        return getattr(importlib.import_module(f"keras_lightnets.applications.{self.family}"), self.call)


class HeadRecord(NamedTuple):
    """A detector or a segmenter on a published variant.

    Attributes:
        name: such as `"ssdlite:ReXNet-alpha=1.3"`, which `keras-lightnets profile` takes: `SSDLite` or `LRASPP`, and
            the name of the `ModelRecord` of the backbone.
        task: "detect" or "segment".
        classes: int, as COCO has them for detectors (80) and Pascal VOC for segmenters (21, with the background).
        input_size: int, height and width of its images.
        params: int, trainable parameters with the head for these classes.
        madds: int, multiply-adds at that size, of convolutions, dense layers and Dynamic Shift-Max's mixing.
        published: float, published AP on COCO of a detector or mean IoU of a segmenter, in percent. None where none
            was published.
        published_source: str, where it was published. Nothing here was measured with this package.
    """

    name: str
    task: str
    classes: int
    input_size: int
    params: int
    madds: int
    published: float | None
    published_source: str | None
