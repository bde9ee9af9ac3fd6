"""What a fine-tuning run is asked to do."""

from dataclasses import dataclass

from keras_lightnets.applications.catalog import find_model
from keras_lightnets.training.config import TASKS, check_task
from keras_lightnets.training.settings import check, one_of, within


@dataclass(frozen=True)
class Options:
    """What decides the result of a fine-tuning run. The command line has the same names and defaults.

    Attributes:
        model: name of a builder, such as "MicroNetM0", or of a variant in `list_models()`, such as "ReXNet-alpha=1.3".
        data: folder of images, one folder per class, with or without `train/` and `test/` above. For the tasks
            "detect" and "segment", a folder of annotated images, as `docs/how-to/detect-and-segment.md` shows.
        output: folder to write. It must be empty or not exist.
        weights: path of backbone weights, or name of released ones. Defaults to None: training from scratch.
        size: side of the input in pixels. Defaults to 224.
        epochs: number of epochs with all layers trained. Defaults to 20.
        frozen_epochs: number of epochs before these that train the new head alone. From scratch, none. Defaults to 5.
        batch_size: images per step. Defaults to 32.
        flip: whether to mirror half of the training images. Defaults to True.
        seed: seed of the split, the batches and the weights. Defaults to 0.
        skip_bad_images: whether to leave out images that cannot be read. Defaults to False.
        task: "classify", "detect" with `SSDLite` or "segment" with `LRASPP` on the network. Defaults to "classify".
        head_width: channels of the layers between backbone and predictions, as a share of the papers' 512, 256, 256
            and 128 ("detect") or 128 ("segment"). Defaults to 1.0.
    """

    model: str
    data: str
    output: str
    weights: str | None = None
    size: int = within("[1, 8192]", 224)
    epochs: int = within("[1, inf)", 20)
    frozen_epochs: int = within("[0, inf)", 5)
    batch_size: int = within("[1, inf)", 32)
    flip: bool = True
    seed: int = within("[0, 4294967295]", 0)
    skip_bad_images: bool = False
    task: str = one_of(TASKS, "classify")
    head_width: float = within("(0, 1]", 1.0)

    def __post_init__(self):
        check(self)
        check_task(self)

    @property
    def record(self):
        """The `ModelRecord` of the model. Without one, a UserError has the nearest names."""
        return find_model(self.model)

    @property
    def settings(self):
        """What decides the result, as a dict: a resumed run must have the same."""
        return {name: value for name, value in vars(self).items() if name not in ("data", "output")}

    @property
    def phases(self):
        """Pairs of phase name and number of epochs: everything from scratch, or the head and then all layers."""
        if self.weights is None:
            return [("scratch", self.epochs)]
        return [("head", self.frozen_epochs), ("all", self.epochs)]
