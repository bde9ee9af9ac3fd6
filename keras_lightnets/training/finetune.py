"""Fine-tuning on a folder of images, from the files to verified exports."""

import importlib.util
import tempfile
from pathlib import Path

import keras
import rich.console

from keras_lightnets.errors import UserError
from keras_lightnets.training.checkpoint import Checkpoint
from keras_lightnets.training.delivery import deliver
from keras_lightnets.training.folder import decode, read_folder
from keras_lightnets.training.phases import build, train
from keras_lightnets.training.progress import Progress


def finetune(options, resume=False, console=None):
    """Trains a classifier on a folder of images, exports it, and verifies every exported file on held-out images.

    With `weights`, a new head is trained first on the frozen backbone, then all layers; batch normalisation keeps its
    statistics throughout, as few images would spoil them. From scratch everything is trained from the start. The epoch
    with the best validation accuracy is kept.

    Args:
        options: `Options`.
        resume: bool, whether to go on with an interrupted run of the same options. Defaults to False.
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
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("The training curve needs matplotlib: pip install 'keras_lightnets[plot]'.")
    progress = Progress(console or rich.console.Console(quiet=True))
    checkpoint = Checkpoint(options)
    checkpoint.check(resume)
    folder = read_folder(options.data, options.seed)
    keras.utils.set_random_seed(options.seed)
    model = build(options, len(folder.classes))
    progress.split(folder, options.seed)
    with tempfile.TemporaryDirectory(prefix="keras-lightnets-") as cache:
        try:
            with progress.decoding(sum(len(split.labels) for split in folder.splits.values())) as advance:
                images, bad = decode(folder, options.size, Path(cache), options.skip_bad_images, advance)
        except OSError as error:
            raise UserError(f"Cannot keep the decoded images in {cache}: {error.strerror}. Set TMPDIR.") from error
        progress.bad_images(bad)
        checkpoint.open(folder)
        progress.phases(options, done=len(checkpoint.history))
        model = train(model, options, images, checkpoint, progress)
        report = deliver(model, options, folder, images, bad, checkpoint.history, progress.step)
    checkpoint.remove()
    progress.result(report, options.output)
    return report
