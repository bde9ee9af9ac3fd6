"""The `optimize` command: a trained model file in, smaller files and what they cost out."""

import contextlib
import dataclasses
import functools
import time
import zlib
from pathlib import Path

import keras
import numpy as np
import rich.table

from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.evaluating import open_known
from keras_lightnets.evaluation.opening import NETWORKS, ModelFile
from keras_lightnets.export.checks import check_layers
from keras_lightnets.export.interpreter import TFLiteModel, latencies
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.files import add_metadata, locked, replacing, write_json
from keras_lightnets.optimization.checks import check_float
from keras_lightnets.optimization.compression import cluster, prune
from keras_lightnets.optimization.placement import quantize_aware
from keras_lightnets.optimization.prunable import sparsity
from keras_lightnets.optimization.sensitivity import layer_errors
from keras_lightnets.optimization.tfmot.bridge import Training
from keras_lightnets.training.card import WORDS
from keras_lightnets.training.config import Config
from keras_lightnets.training.progress import progress_bar
from keras_lightnets.training.settings import check, one_of, within
from keras_lightnets.training.tasks import TASKS

# What is written by each method, and its learning rate where it trains.
_FILES = {
    "ptq": ("float16", "dynamic", "int8", "int16x8"),
    "qat": ("int8",),
    "prune": (None, "int8"),
    "cluster": (None, "int8"),
}
_RATES = {"qat": 1e-3, "prune": 3e-4, "cluster": 3e-4}
# Beside classifiers: method, task and engine.
_TRAINED = ("qat", "segment", "keras")
_SHOWN_ERRORS = 5
# The float file that the others are compared with, written first.
_BEFORE = "before.tflite"


@dataclasses.dataclass(frozen=True)
class Options:
    """What an optimisation is asked to do. The command line has the same names and defaults.

    Attributes:
        model: path of a `.keras` file that keras-lightnets wrote.
        data: training and test images, as for the training of the model.
        output: folder to write.
        method: "ptq" (post-training quantisation), "qat" (quantisation-aware training), "prune" or "cluster".
        epochs: epochs of training. Defaults to 2.
        steps: batches per epoch. Defaults to None: all.
        batch_size: images per step. Defaults to 128.
        learning_rate: peak rate of Adam. Defaults to None: 1e-3 for "qat", else 3e-4.
        sparsity: share of zeros that pruning ends with. Defaults to 0.5.
        clusters: values per kernel that clustering ends with. Defaults to 16.
        engine: "keras" or "tfmot", what trains for "qat". Defaults to "keras".
        keep_float: names of layers that stay float in the int8 file of "ptq". Defaults to none.
        seed: seed of the batches and the augmentation, and of the split where the file names none. Defaults to 0.
    """

    model: str
    data: str
    output: str
    method: str = one_of(tuple(_FILES))
    epochs: int = within("[1, inf)", 2)
    steps: int | None = within("[1, inf)", None)
    batch_size: int = within("[1, inf)", 128)
    learning_rate: float | None = within("(0, inf)", None)
    sparsity: float = 0.5
    clusters: int = 16
    engine: str = one_of(("keras", "tfmot"), "keras")
    keep_float: tuple[str, ...] = ()
    seed: int = within("[0, 4294967295]", 0)

    def __post_init__(self):
        check(self)
        if self.keep_float and self.method != "ptq":
            raise UserError("Layers are kept float by the method ptq alone.")


def optimize(options, console):
    """Makes a trained model smaller, and measures every file against the float one on up to 2000 test images.

    Args:
        options: `Options`.
        console: `rich.console.Console` to show the progress on.

    Returns:
        The report, a dict of JSON values, as in `report.json` of the output folder.

    Raises:
        UserError: for bad options, data or models, before anything is written.
    """
    path, output = Path(options.model), Path(options.output)
    file = ModelFile(path, tuple(NETWORKS))
    model, metadata = file.network, file.metadata
    if path.suffix != ".keras":
        raise UserError(f"{path} is finished already: give the .keras file of the float model.")
    if (output / "model.keras").resolve() == path.resolve():
        raise UserError(f"{output} holds the float model, which stays as it is. Choose another --output.")
    _check_output(output)
    check_float(model)
    _check_task(options, file.task, path)
    if metadata.model is None:
        raise UserError(f"{path} names no network. Use a file written by keras-lightnets.")
    seed = options.seed if metadata.seed is None else metadata.seed
    data = open_known(options.data, seed, 0.0, metadata.labels, path, file.task)
    config = Config(
        task=file.task,
        model=metadata.model,
        size=metadata.size,
        batch_size=min(options.batch_size, data.splits["train"].count),
        seed=options.seed,
        crop_area=0.5,
        eval_crop=metadata.crop,
    )
    run = _Run(options, model, metadata, data, config, console)
    with contextlib.ExitStack() as stack:
        exporter = stack.enter_context(run.exporter(model))
        training = run.prepare(exporter)
        output.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(output / ".lock", "Wait for it to end, or choose another --output."))
        before = run.export(exporter, None, _BEFORE)
        start = time.monotonic()
        optimized = model if training is None else run.train(training)
        seconds = time.monotonic() - start
        if optimized is not model:
            with replacing(output / "model.keras") as temporary:
                optimized.save(temporary)
                add_metadata(temporary, metadata.to_dict())
            exporter = stack.enter_context(run.exporter(optimized))
        kinds = [kind for kind in _FILES[options.method] if kind != "dynamic" or file.task == "classify"]
        names = {kind: f"model_{kind or 'float32'}.tflite" for kind in kinds}
        rows = [before, *(run.export(exporter, kind, name) for kind, name in names.items())]
        times = latencies([TFLiteModel(output / row["file"]) for row in rows])
        for row, milliseconds in zip(rows, times, strict=True):
            row["latency_ms"] = milliseconds
        told = {**dataclasses.asdict(options), "learning_rate": run.rate}
        report = {"options": told, "images": run.count, "files": rows}
        if optimized is not model:
            report |= {"training_seconds": seconds, f"keras_{run.words.figure}": run.measure(exporter)}
        if options.method == "ptq":
            report["layer_errors"] = run.errors()
        write_json(output / "report.json", report)
    return report


def _check_task(options, task, path):
    """Refuses what is made for classifiers alone."""
    if task == "classify" or options.method == "ptq" or (options.method, task, options.engine) == _TRAINED:
        return
    raise UserError(
        f"{path} is a {NETWORKS[task]}, which --method {options.method} with --engine {options.engine} does not take: "
        "use --method ptq."
    )


def _check_output(output):
    """Refuses a folder with files of something else. Files of an earlier run, killed or not, are replaced."""
    # A run that was killed very early left hidden files alone.
    names = {path.name for path in output.glob("[!.]*")}
    if names and _BEFORE not in names:
        raise UserError(f"{output} holds other files, such as {min(names)}. Choose another --output.")


class _Run:
    """The data of a run, and what is done with them."""

    def __init__(self, options, model, metadata, data, config, console):
        self._options, self._model, self._metadata = options, model, metadata
        self._console, kind = console, TASKS[config.task]
        self.rate = options.learning_rate or _RATES.get(options.method)
        self._task = kind.task(config, data, kind.build)
        self._samples, self._targets = self._task.samples()
        self._calibration = self._task.calibration_images()
        self.words, self.count = WORDS[config.task], len(self._samples)

    def exporter(self, model):
        """Returns the `Exporter` of a model."""
        return Exporter(model, self._calibration, self._samples, self._targets, self._metadata.preprocessing)

    def measure(self, exporter):
        """Returns the figure of the model of an `Exporter` on the compared images."""
        return self._task.compared(exporter.reference, self._targets)

    def export(self, exporter, quantization, name):
        """Writes a file, and returns its row of the report."""
        self._console.print(f"writing {name}")
        path = Path(self._options.output) / name
        keep_float = self._options.keep_float if quantization == "int8" else ()
        report = exporter.write(path, quantization, self._metadata.to_dict(), keep_float)
        return {
            "file": name,
            "quantization": quantization,
            self.words.figure: getattr(report, self.words.figure),
            "agreement": getattr(report, self.words.agreement),
            "bytes": report.size_bytes,
            "zipped_bytes": len(zlib.compress(path.read_bytes(), 9)),
            "sparsity": sparsity(exporter.model),
        }

    def prepare(self, exporter):
        """Returns what will be trained, a `Training` or a Keras model, or None. Refuses what cannot be done."""
        model, options = self._model, self._options
        if options.method == "ptq":
            if options.keep_float:
                check_layers(options.keep_float, [layer.name for layer in exporter.fused.layers], model.name)
            return None
        if options.method == "prune":
            return prune(model, options.sparsity)
        if options.method == "cluster":
            return cluster(model, options.clusters)
        aware = quantize_aware(model, self._calibration)
        return Training(aware, "quantize") if options.engine == "tfmot" else aware

    def train(self, training):
        """Trains what `prepare` returned, and returns the model."""
        options = self._options
        steps = min(options.steps or np.inf, self._task.steps)
        rate = self.rate
        batches, shown = self._task.training_batches(0), "accuracy"
        if options.method == "qat" and self.words is WORDS["classify"]:
            # The file shall say what the float model says: its scores teach more, and faster, than the labels.
            batches = batches.map(lambda images, *_: (images, self._model(images, training=False)))
            shown = "agreement"
        self._console.print(f"{options.method}: {options.epochs} x {steps} steps, learning rate {rate:g}")
        with progress_bar(self._console) as bar:
            task = bar.add_task(options.method, total=options.epochs * steps, rate="")

            def on_step(logs):
                accuracy = f"  {shown} {logs['accuracy']:.2%}" if "accuracy" in logs else ""
                bar.update(task, advance=1, rate=f"loss {logs['loss']:.3f}{accuracy}")

            fit = training.fit if isinstance(training, Training) else functools.partial(self._fit, training)
            model = fit(batches, options.epochs, steps, rate, on_step=on_step)
        if not all(np.isfinite(values).all() for values in model.get_weights()):
            raise UserError(f"The training diverged: choose a --learning-rate below {rate:g}.")
        return model

    def _fit(self, model, batches, epochs, steps, rate, on_step):
        """Trains a Keras model as `Training.fit` does, and returns it."""
        decay = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
        # A finished classifier gives probabilities, and other networks what their loss takes.
        of_classifiers = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}
        objective = of_classifiers if self.words is WORDS["classify"] else self._task.objective()
        model.compile(keras.optimizers.Adam(decay), **objective)
        shown = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: on_step(logs))
        model.fit(batches, epochs=epochs, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[shown])
        return model

    def errors(self):
        """Returns `layer_errors`."""
        with progress_bar(self._console) as bar:
            task = bar.add_task("error of each layer", total=None, rate="")
            return layer_errors(self._model, self._calibration, lambda: bar.advance(task))


def show(report, console):
    """Prints the tables of a report."""
    table = rich.table.Table(
        rich.table.Column("file", no_wrap=True),
        caption=f"on {report['images']} test images; agreement with the Keras model; kB of the file, and zipped",
    )
    words = next(words for words in WORDS.values() if words.figure in report["files"][0])
    for name in (words.title, "agreement", "kB", "zipped", "ms", "zeros"):
        table.add_column(name, justify="right")
    for row in report["files"]:
        table.add_row(
            row["file"],
            "" if row[words.figure] is None else f"{row[words.figure]:.2%}",
            "" if row["agreement"] is None else f"{row['agreement']:.2%}",
            *(f"{row[name] / 1e3:.0f}" for name in ("bytes", "zipped_bytes")),
            f"{row['latency_ms']:.2f}",
            f"{row['sparsity']:.0%}",
        )
    console.print(table)
    if "layer_errors" in report:
        table = rich.table.Table("layer", caption="the worst layers in int8; --keep-float NAME leaves one in float")
        for name in ("error", "agreement"):
            table.add_column(name, justify="right")
        for row in report["layer_errors"][:_SHOWN_ERRORS]:
            table.add_row(row["layer"], f"{row['error']:.4f}", f"{row['top1_agreement']:.2%}")
        console.print(table)
