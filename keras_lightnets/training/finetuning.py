"""Fine-tuning on a folder of images, from the files to verified exports."""

import contextlib
import dataclasses

from rich.console import Console

from keras_lightnets.data.annotations import open_annotated
from keras_lightnets.data.decoding import decode, decode_annotated
from keras_lightnets.data.folder import read_folder
from keras_lightnets.data.source import Data, arrays
from keras_lightnets.training import models
from keras_lightnets.training.checkpoint import Checkpoint
from keras_lightnets.training.config import Config
from keras_lightnets.training.distribution import distribute
from keras_lightnets.training.options import Options
from keras_lightnets.training.progress import Progress
from keras_lightnets.training.report import check_same_data, finished_report, read_report
from keras_lightnets.training.run import Phase, Run, complete
from keras_lightnets.training.tasks import TASKS

_HOLDOUT = 0.1
# Peak learning rates of AdamW, and the layers that are trained. Most layers of detectors and segmenters are new.
_PHASES = {
    "scratch": (4e-3, None),
    "head": (4e-3, models.train_head_only),
    "all": (1e-3, models.train_all_but_statistics),
}
_NEW_LAYERS_RATE = 2e-3


def finetune(options: Options, resume: bool = False, console: Console | None = None) -> dict:
    """Trains a network on a folder of images, exports it, and verifies every exported file on held-out images.

    The network classifies images, finds objects or names the class of every pixel, as `options.task` says.

    With `weights`, a new head is trained first on the frozen backbone, then all layers. The backbone's batch
    normalisation keeps its statistics throughout, as few images would spoil them. From scratch everything is trained
    from the start. The best epoch is kept: by validation accuracy, by the validation loss of a detector, or by the mean
    IoU of a segmenter.

    Args:
        options: `Options`.
        resume: bool, whether to continue an interrupted run of the same options. Defaults to False.
        console: `rich.console.Console` to show the progress on. Defaults to None: silence.

    Returns:
        The report, a dict, as written to `report.json` in the output folder.

    Raises:
        UserError: for bad options or data, before anything is written.

    Example:

    >>> from keras_lightnets.training import Options, finetune
    >>> report = finetune(Options("MicroNetM0", data="photos", output="out", size=64))
    >>> report["test_accuracy"]
    """
    progress = Progress(console)
    if resume and finished_report(options.output, options.settings):
        report = read_report(options.output)
        check_same_data(report, _opened(options).identity, options.output)
        progress.result(report, options.output)
        return report
    checkpoint = Checkpoint(options.output, options.settings)
    checkpoint.check(resume)
    progress.phases(options)
    distribution = distribute("none")
    prepare = _photos if options.task == "classify" else _annotated
    data, config, build, model, bad = prepare(options, distribution, progress)
    task = TASKS[options.task].task(config, data, build)
    phases = [_phase(name, epochs, config) for name, epochs in options.phases]
    run = Run(config, task, model, phases, distribution, checkpoint, progress)
    with contextlib.closing(checkpoint):
        checkpoint.open(data.identity)
        progress.resuming("epoch", len(checkpoint.history))
        return complete(run, {"bad_images": bad})


def _phase(name, epochs, config):
    rate, mark = _PHASES[name]
    if config.task != "classify" and name == "all":
        rate = _NEW_LAYERS_RATE
    if mark is None:
        return Phase(name, epochs, rate)
    return Phase(name, epochs, rate, lambda model: mark(model, models.head_names(model, config)))


def _opened(options):
    """What the images and annotations are, before a photo is decoded."""
    if options.task == "classify":
        return read_folder(options.data, options.seed)
    skip = options.skip_bad_images
    return open_annotated(options.data, options.task, options.seed, _HOLDOUT, skip_bad_images=skip)


def _photos(options, distribution, progress):
    """Reads images in class folders.

    Returns:
        Their `Data`, the `Config`, the function that builds the network, the network, and messages about bad images.
    """
    folder = _opened(options)
    config = _config(options, images=len(folder.splits["train"].paths))
    build = models.build_with_new_head
    # Before the images are read, which takes longer: it refuses weights that do not fit.
    model = models.start(config, build, len(folder.classes), distribution)
    progress.split(folder, options.seed)
    with progress.decoding(sum(len(split.labels) for split in folder.splits.values())) as advance:
        images, bad = decode(folder, options.size, options.skip_bad_images, advance)
    progress.bad_images(bad)
    data = Data(folder.classes, {part: arrays(*split) for part, split in images.items()}, folder.identity)
    return data, _config(options, images=data.splits["train"].count), build, model, bad


def _annotated(options, distribution, progress):
    """Reads annotated images, and returns what `_photos` returns."""
    data = _opened(options)
    config, build = _config(options, images=data.splits["train"].count), TASKS[options.task].build
    model = models.start(config, build, len(data.classes), distribution)
    progress.contents(data, options.seed)
    progress.bad_images(data.bad)
    # Those of TensorFlow Datasets are no files.
    if data.contents:
        with progress.decoding(sum(split.count for split in data.splits.values())) as advance:
            data = data._replace(splits=decode_annotated(data.splits, options.size, advance))
    return data, config, build, model, list(data.bad)


def _config(options, images):
    names = {field.name for field in dataclasses.fields(Config)}
    shared = {name: value for name, value in vars(options).items() if name in names}
    batch_size = min(options.batch_size, images)
    return Config(
        **{**shared, "batch_size": batch_size},
        base_batch=batch_size,
        optimizer="adamw",
        weight_decay=0.02,
        decay="all",
        warmup_epochs=0.1 * options.epochs,
        norm_momentum=0.9,
        crop_area=0.5,
        eval_crop=1.0,
        holdout=_HOLDOUT,
        strategy="none",
    )
