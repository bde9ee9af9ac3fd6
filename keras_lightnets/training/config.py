"""What decides the result of a training run, read from a recipe."""

import dataclasses
import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_lightnets.applications.catalog import find_model
from keras_lightnets.errors import UserError
from keras_lightnets.training.settings import check, one_of, typed, within

RECIPES = Path(__file__).parent / "recipes"
TASKS = ("classify", "detect", "segment")
STRATEGIES = ("auto", "none", "mirrored", "multiworker", "tpu")
_OF_TASKS = {
    **dict.fromkeys(("label_smoothing", "randaugment", "mixup", "cutmix"), ("classify",)),
    "head_width": ("detect", "segment"),
    "output_stride": ("segment",),
}
# What may differ between the parts of a run that was interrupted.
_ELSEWHERE = ("data", "output", "strategy", "worker_timeout", "checkpoint_steps", "about")


@dataclass(frozen=True)
class Config:
    """A training run. Recipes and `--set` have the same names.

    Attributes:
        model: name of a builder, such as "MicroNetM0", or of a variant in `list_models()`, such as "ReXNet-alpha=1.3".
        data: "tfds:NAME", "tfrecord:GLOB", or a folder with one folder of images per class. Defaults to "".
        output: folder to write. Defaults to "".
        strategy: "auto", "none", "mirrored", "multiworker" or "tpu". Defaults to "auto".
        weights: path of a backbone's weights, or name of released ones. Defaults to None: random weights.
        size: side of the input in pixels. Defaults to 224.
        epochs: number of epochs. Defaults to 90.
        batch_size: images per step, on all replicas together. Defaults to 256.
        seed: seed of the split, the batches, the augmentation and the weights. Defaults to 0.
        optimizer: "sgd", "rmsprop" or "adamw". Defaults to "sgd".
        learning_rate: peak learning rate at `base_batch` images a step, scaled to `batch_size` in proportion. Defaults
            to 0.1.
        base_batch: images per step that `learning_rate` is for. Defaults to 256.
        momentum: of "sgd" and "rmsprop". Defaults to 0.9.
        nesterov: whether "sgd" looks ahead. Defaults to False.
        rho: decay of the squared gradients of "rmsprop". Defaults to 0.9.
        epsilon: added to the root in "rmsprop" and "adamw". Defaults to 1e-7.
        schedule: "cosine" and "linear" fall to zero, "step" multiplies by `step_factor` every `step_epochs`. Defaults
            to "cosine".
        warmup_epochs: epochs of linear warm-up from a tenth of the rate, part of `epochs`. Defaults to 0.0.
        step_factor: float of "step". Defaults to 0.1.
        step_epochs: float of "step". Defaults to 30.0.
        weight_decay: factor on the weights, added to the gradient ("sgd", "rmsprop") or decoupled ("adamw"). Defaults
            to 0.0.
        decay: what is decayed: "kernels" (two dimensions or more), "pointwise" (kernels, but no depthwise
            ones) or "all". Defaults to "kernels".
        label_smoothing: float in [0, 1). Defaults to 0.0.
        clip_norm: largest norm of the gradients of all variables and replicas together, or 0 for no limit. Defaults to
            0.0.
        ema: momentum of the moving average of the weights that is validated and exported, or 0. Defaults to 0.0.
        norm_momentum: momentum of the statistics of batch normalisation while training, or 0 for the network's own.
            MobileNet V2 and V3 have 0.999, which takes thousands of steps to forget its start. Defaults to 0.0.
        sync_batch_norm: whether replicas share the statistics of batch normalisation. Defaults to False.
        mixed_precision: whether to compute in float16 ("mixed_float16"). Defaults to False.
        crop_area: smallest share of the image in a random crop. 1 for the central square. Defaults to 0.08.
        crop_ratio: widest ratio of a random crop. Defaults to 4/3.
        flip: whether to mirror half of the training images. Defaults to True.
        jitter: strength of random brightness, contrast and saturation, 0 to 1. Defaults to 0.0.
        randaugment: magnitude, 0 to 10, of two random operations an image, or 0. Defaults to 0.0.
        erasing: probability of random erasing. Defaults to 0.0.
        mixup: alpha of mixup, or 0. Defaults to 0.0.
        cutmix: alpha of cutmix, or 0. With both, each batch takes one of them. Defaults to 0.0.
        eval_crop: side of the central square that is evaluated, as a share of the short side. Defaults to 0.875.
        holdout: share of the training images that is set aside for validation, where the data have no part for it. The
            epoch of the best validation accuracy is kept. With 0, and no such part, the test images are watched and the
            last epoch is kept. Defaults to 0.0.
        patience: epochs without improvement before the run ends, or 0. Defaults to 0.
        steps_per_execution: steps per call of the graph. Defaults to 1.
        checkpoint_steps: steps between checkpoints within an epoch. Each epoch ends with one. Defaults to 1000.
        shuffle_buffer: records that a sequential source shuffles among. Defaults to 16384.
        worker_timeout: seconds to wait for another worker. Defaults to 300.
        task: "classify", "detect" with `SSDLite` or "segment" with `LRASPP` on the network. Defaults to "classify".
        head_width: channels of the layers between backbone and predictions, as a share of the papers' 512, 256, 256
            and 128 ("detect") or 128 ("segment"). Defaults to 1.0.
        output_stride: 32, or 16 for dilated convolutions at the end of the backbone ("segment"). Defaults to 32.
        about: dict of a recipe's "source", "command", "hardware" and "top1", "AP" or "mIoU". Defaults to an empty dict.
    """

    model: str
    data: str = ""
    output: str = ""
    strategy: str = one_of(STRATEGIES, "auto")
    weights: str | None = None
    size: int = within("[1, 8192]", 224)
    epochs: int = within("[1, inf)", 90)
    batch_size: int = within("[1, inf)", 256)
    seed: int = within("[0, 4294967295]", 0)
    optimizer: str = one_of(("sgd", "rmsprop", "adamw"), "sgd")
    learning_rate: float = within("(0, inf)", 0.1)
    base_batch: int = within("[1, inf)", 256)
    momentum: float = within("[0, 1)", 0.9)
    nesterov: bool = False
    rho: float = within("[0, 1)", 0.9)
    epsilon: float = within("(0, inf)", 1e-7)
    schedule: str = one_of(("cosine", "linear", "step"), "cosine")
    warmup_epochs: float = within("[0, inf)", 0.0)
    step_factor: float = within("(0, inf)", 0.1)
    step_epochs: float = within("(0, inf)", 30.0)
    weight_decay: float = within("[0, inf)", 0.0)
    decay: str = one_of(("kernels", "pointwise", "all"), "kernels")
    label_smoothing: float = within("[0, 1)", 0.0)
    clip_norm: float = within("[0, inf)", 0.0)
    ema: float = within("[0, 1)", 0.0)
    norm_momentum: float = within("[0, 1)", 0.0)
    sync_batch_norm: bool = False
    mixed_precision: bool = False
    crop_area: float = within("(0, 1]", 0.08)
    crop_ratio: float = within("[1, inf)", 4 / 3)
    flip: bool = True
    jitter: float = within("[0, 1]", 0.0)
    randaugment: float = within("[0, 10]", 0.0)
    erasing: float = within("[0, 1]", 0.0)
    mixup: float = within("[0, inf)", 0.0)
    cutmix: float = within("[0, inf)", 0.0)
    eval_crop: float = within("(0, 1]", 0.875)
    holdout: float = within("[0, 1)", 0.0)
    patience: int = within("[0, inf)", 0)
    steps_per_execution: int = within("[1, inf)", 1)
    checkpoint_steps: int = within("[1, inf)", 1000)
    shuffle_buffer: int = within("[1, inf)", 16384)
    worker_timeout: int = within("[1, inf)", 300)
    task: str = one_of(TASKS, "classify")
    head_width: float = within("(0, 1]", 1.0)
    output_stride: int = within("[16, 32]", 32)
    about: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if re.sub("_|strategy", "", str(self.strategy).lower()) in ("parameterserver", "centralstorage"):
            raise UserError(f"The strategy {self.strategy!r} is not supported by Keras 3: use mirrored or multiworker.")
        check(self)
        check_task(self)

    @property
    def record(self):
        """The `ModelRecord` of the model. Without one, a UserError has the nearest names."""
        return find_model(self.model)

    @property
    def settings(self):
        """What decides the result, as a dict: a resumed run must have the same."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _ELSEWHERE}

    @property
    def evaluation(self):
        """The `Evaluation` of the run."""
        # Here, as it brings TensorFlow, which settings do not need.
        from keras_lightnets.data.pipeline import Evaluation

        return Evaluation(self.size, self.eval_crop, self.record.preprocessing, self.batch_size)

    @property
    def peak_rate(self):
        """The learning rate scaled to the batch."""
        return self.learning_rate * self.batch_size / self.base_batch


def check_task(settings):
    """Raises a UserError that names the first setting of a `Config` or `Options` that is for another task."""
    for field in dataclasses.fields(settings):
        tasks = _OF_TASKS.get(field.name, TASKS)
        if settings.task not in tasks and (value := getattr(settings, field.name)) != field.default:
            raise UserError(
                f"{field.name}={value} is for the task {' or '.join(tasks)}; this one is {settings.task}. Leave it out."
            )


def recipes() -> list[str]:
    """Returns the names of the recipes in the package, sorted.

    Example:

    >>> "cifar10" in keras_lightnets.training.recipes()
    True
    """
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name: str, **overrides: Any) -> Config:
    """Reads a recipe.

    Args:
        name: one of `recipes()`, or the path of a `.toml` file with names of `Config`.
        **overrides: values that replace values of the recipe.

    Returns:
        A `Config`.

    Raises:
        UserError: if there is no such recipe, or a name or value in it is unknown.

    Example:

    >>> from keras_lightnets.training import load_recipe
    >>> load_recipe("micronet_m0_imagenet", epochs=5).epochs
    5
    """
    name = os.fspath(name)
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        nearest = difflib.get_close_matches(name, recipes(), n=3, cutoff=0.0)
        raise UserError(f"There is no recipe {name!r}. Nearest: {', '.join(nearest)}; or pass a .toml file.")
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    return make_config({**values, **overrides}, origin=path.name)


def make_config(values, origin="the arguments"):
    """Returns the `Config` of a dict. Text, as from a command line, is read as the type of the attribute."""
    types = {field.name: field.type for field in dataclasses.fields(Config)}
    converted = {}
    for name, value in values.items():
        if name not in types:
            nearest = difflib.get_close_matches(name, types, n=3, cutoff=0.0)
            raise UserError(f"{origin}: there is no setting {name!r}. Nearest: {', '.join(nearest)}.")
        if isinstance(value, str):
            value = _parsed(value, types[name])
        converted[name] = typed(name, value, types[name], origin)
    if "model" not in converted:
        raise UserError(f"{origin} names no model.")
    return Config(**converted)


def _parsed(text, kind):
    """Returns the number or bool that a text means where one is wanted, else the text."""
    if kind not in (int, float, bool):
        return text
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (ValueError, RecursionError):
        return text
    return value
