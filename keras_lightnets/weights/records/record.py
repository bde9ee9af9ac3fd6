"""One weight set: where it lies, whose it is, under which licence, and what of that nobody could check."""

from typing import NamedTuple

# Ways that the trainers normalised pixels. The builders fold the last one, so that `preprocess_input` fits them all.
IMAGENET = "RGB, ImageNet mean and standard deviation"
SYMMETRIC = "RGB in [-1, 1]"
INSIDE = "RGB in 0-255, scaled inside the network"
RAW_BGR = "BGR in 0-255"


class WeightRecord(NamedTuple):
    """One weight set.

    Attributes:
        name: to be passed as `weights`, such as "timm/rexnet_100.nav_in1k", or "cifar10" for weights in the package.
        builder: name of the builder that takes it.
        arguments: dict of the builder's arguments that it fits. Those left out have their default.
        urls: addresses of the file, tried in turn. `()` if the publisher has no direct link, or the file is shipped.
        file: name of the file. For shipped weights, its path below `saved_models`.
        format: "h5", "h5 in zip", "pth", "pth in zip", "pdparams" or "safetensors".
        size: int, bytes of the file, or None where the publisher does not say.
        digest: "sha256:...", "sha1:..." or "md5:...", perhaps its first digits only, or None where none is published.
            For a zip, the file inside counts.
        licence: str, of the weights, or of the repository that offers them.
        classes: int, width of the classifier.
        input_size: int, height and width that it was trained or evaluated at.
        preprocessing: how the trainers normalised pixels.
        top1: float, published ImageNet top-1 accuracy in percent, or None. For shipped weights, on their own data.
        top1_source: str, where it was published, or None.
        page: address that describes the weights.
        imagenet: bool, whether `weights="imagenet"` means this set.
        include_top: False for a file without classifier. Its sibling with one has the same name otherwise.
        unverified: what could not be checked against the publisher: names of attributes, or "reachable" for the host
            and "layout" for the names inside the file.
        wrong_digest: the digest of a file that the address was seen to serve in place of this one, or None.
        labels: names of the classes of shipped weights. Others have `()`, which means ImageNet's classes.
    """

    name: str
    builder: str
    arguments: dict
    urls: tuple[str, ...]
    file: str
    format: str
    size: int | None
    digest: str | None
    licence: str
    classes: int
    input_size: int
    preprocessing: str
    top1: float | None
    top1_source: str | None
    page: str
    imagenet: bool = False
    include_top: bool = True
    unverified: tuple[str, ...] = ("reachable", "size", "digest", "layout")
    wrong_digest: str | None = None
    labels: tuple[str, ...] = ()

    @property
    def shipped(self):
        """Whether the file is part of the package."""
        return bool(self.labels)

    @property
    def by_name(self):
        """Whether its name is enough. Otherwise the user has to get the file."""
        return self.shipped or bool(self.urls)

    @property
    def shown(self):
        """The call that builds its network, such as "ReXNet(alpha=1.3)"."""
        return shown_call(self.builder, self.arguments)


def shown_call(builder: str, arguments: dict) -> str:
    """A call as one writes it."""
    return f"{builder}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def of_width(alpha: float) -> dict:
    """The arguments of a network of one width: 1.0 is the default of every builder, and left out."""
    return {} if alpha == 1.0 else {"alpha": alpha}
