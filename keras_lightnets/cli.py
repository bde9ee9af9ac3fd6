"""The `keras-lightnets` command."""

import _thread
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Annotated

import rich.console
import rich.table
import typer

from keras_lightnets.cli_studies import Data, studies
from keras_lightnets.errors import UserError

app = typer.Typer(
    help="Ultra-light image classifiers: from a folder of images to a verified .tflite.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _commands():
    """Ultra-light image classifiers: from a folder of images to a verified .tflite."""


@app.command(name="list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False):
    """List every variant with its cost and its published accuracy."""
    from keras_lightnets import list_models

    if as_json:
        names = ("name", "input_size", "params", "madds", "top1", "top1_source", "weights")
        print(json.dumps([{name: getattr(record, name) for name in names} for record in list_models()], indent=2))
        return
    table = rich.table.Table("name", caption="top-1: ImageNet, as published; docs/cards names the sources")
    for name in ("params", "MAdds", "top-1", "weights"):
        table.add_column(name, justify="right")
    for record in list_models():
        accuracy = "" if record.top1 is None else f"{record.top1:.1f} %"
        weights = ", ".join(record.weights[:1])
        table.add_row(record.name, f"{record.params / 1e6:.2f} M", f"{record.madds / 1e6:.1f} M", accuracy, weights)
    rich.console.Console().print(table)


@app.command()
def profile(
    model: Annotated[str, typer.Argument(help="A name from `keras-lightnets list`, or a .keras file.")],
    size: Annotated[int | None, typer.Option(min=1, help="Another side of the input in pixels.")] = None,
    measure: Annotated[bool, typer.Option(help="Time every layer in TFLite on this machine too.")] = False,
    output: Annotated[Path | None, typer.Option(help="File to write: .md, .csv or .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Count what one image costs, layer by layer: parameters, multiply-adds, memory, and measured time."""
    from keras_lightnets.export.profiling import profile

    console = rich.console.Console(quiet=as_json)
    with console.status("Counting" + " and measuring" * measure):
        cost, times = profile(model, size, measure, output)
    if as_json:
        print(json.dumps({**json.loads(cost.to_json()), "tflite": times and times.to_dict()}, indent=2))
        return
    table = rich.table.Table(rich.table.Column("layer", no_wrap=True), "output", "part", box=None)
    for name in ("params", "MAdds", "kB", *(["ms"] if times else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in cost.layers:
        # All of them are in the file.
        if layer.madds or layer.part == "unknown" or layer.milliseconds:
            shape = "x".join(map(str, layer.output_shape[1:]))
            madds = "?" if layer.part == "unknown" else f"{layer.madds + layer.mix_madds:,}"
            numbers = f"{layer.params:,}", madds, f"{layer.bytes_moved / 1e3:.0f}"
            spent = "" if layer.milliseconds is None else f"{layer.milliseconds:.3f}"
            table.add_row(layer.name, shape, layer.part, *numbers, *([spent] if times else []))
    console.print(table)
    table = rich.table.Table("part", box=None)
    for name in (*(["ms"] if times else []), "params", "MAdds", "share", "MB moved"):
        table.add_column(name, justify="right")
    for part, total in cost.parts.items():
        madds = total.madds + total.mix_madds
        spent = "" if total.milliseconds is None else f"{total.milliseconds:.3f}"
        share = f"{madds / (cost.madds + cost.mix_madds or 1):.1%}"
        numbers = f"{total.params:,}", f"{madds:,}", share, f"{total.bytes_moved / 1e6:.2f}"
        table.add_row(part or "without weights", *([spent] if times else []), *numbers)
    console.print(table)
    console.print(cost.summary(), highlight=False, soft_wrap=True)
    if times:
        console.print(times.summary(), highlight=False, soft_wrap=True)


@app.command(name="cost-table")
def cost_table(
    name: Annotated[str | None, typer.Argument(help="Name of the table; without one, the names are listed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Count a published cost table again, and compare."""
    from keras_lightnets.design.cost_tables import TABLES, cost_table

    if name is None:
        titles = {key: table.title for key, table in TABLES.items()}
        lines = [f"{key}: {title}" for key, title in titles.items()]
        print(json.dumps(titles, indent=2) if as_json else "\n".join(lines))
        return
    checked = cost_table(name)
    if as_json:
        print(json.dumps(checked.to_dict(), indent=2))
        return
    table = rich.table.Table("", title=checked.title, caption="in brackets: as printed, where that is another figure")
    for column in checked.columns:
        table.add_column(column, justify="right")
    table.add_column("why it differs")
    for row in checked.rows:
        table.add_row(row.name, *(cell.shown() for cell in row.cells), row.why)
    rich.console.Console().print(table)


_Recipe = Annotated[str, typer.Option(help="A name from `keras-lightnets recipes`, or a .toml file.")]
_Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting; repeatable.")]


@app.command()
def recipes(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False):
    """List the training recipes with their source, cost and published accuracy."""
    from keras_lightnets import training

    about = {name: training.load_recipe(name).about for name in training.recipes()}
    if as_json:
        print(json.dumps(about, indent=2))
        return
    table = rich.table.Table("name", "published top-1", "hardware and time", "source")
    for name, row in about.items():
        table.add_row(name, row["top1"], row["hardware"], row["source"])
    rich.console.Console().print(table)


@app.command()
def train(
    recipe: _Recipe,
    data: Data,
    output: Annotated[str, typer.Option(help="Folder to write; started again with the same command, a run goes on.")],
    strategy: Annotated[str, typer.Option(help="auto, none, mirrored, multiworker or tpu.")] = "auto",
    model: Annotated[str | None, typer.Option(help="Another network than the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Another number of epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Another batch; the learning rate follows.")] = None,
    size: Annotated[int | None, typer.Option(help="Another side of the input in pixels.")] = None,
    weights: Annotated[str | None, typer.Option(help="Backbone weights to start from.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, batches, augmentation and weights.")] = 0,
    set_: _Set = None,
    release: Annotated[Path | None, typer.Option(help="Folder of released models to add the result to.")] = None,
):
    """Train by a recipe, on one machine or many, and export the result, every file verified."""
    from keras_lightnets import training
    from keras_lightnets.training.distribution import WorkerLostError

    given = {"model": model, "epochs": epochs, "batch_size": batch_size, "size": size, "weights": weights}
    config = training.load_recipe(
        recipe,
        **{name: value for name, value in given.items() if value is not None},
        **_pairs(set_),
        data=data,
        output=output,
        strategy=strategy,
        seed=seed,
    )
    try:
        training.train(config, rich.console.Console(), release)
    except WorkerLostError as error:
        # TensorFlow cannot leave a broken cluster: the process begins anew, meets the restarted worker and resumes.
        print(f"{error} Waiting for it to come back.", file=sys.stderr)
        os.dup2(sys.stderr.fileno(), 2)
        os.execv(sys.executable, sys.orig_argv)
    except KeyboardInterrupt:
        raise UserError(f"Interrupted: start the same command again to go on with {output}.") from None


@app.command()
def evaluate(
    model: Annotated[Path, typer.Option(help="A .keras or .tflite file that keras-lightnets wrote.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder for evaluation.json, classes.csv and confusion.png.")],
    split: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    holdout: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the training images held out.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Measure a model file: top-1, top-5, calibration, class by class, confusion matrix."""
    from keras_lightnets.training.evaluate import evaluate

    result = evaluate(model, data, output, split, seed, holdout)
    if as_json:
        print(json.dumps(result, indent=2))
        return
    table = rich.table.Table("class", "images", "recall", "precision")
    for row in result["classes"]:
        shares = ("" if row[name] is None else f"{row[name]:.2%}" for name in ("recall", "precision"))
        table.add_row(row["class"], str(row["images"]), *shares)
    console = rich.console.Console()
    console.print(table)
    console.print(
        f"{result['images']} images: top-1 {result['top1']:.2%}, top-5 {result['top5']:.2%}, cross-entropy "
        f"{result['loss']:.3f}, expected calibration error {result['calibration_error']:.3f}",
        highlight=False,
    )


@app.command()
def compare(
    output: Annotated[Path, typer.Option(help="Folder for comparison.json, .csv and .png; costs.* with --costs.")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Folders of finished runs, or networks to train by the recipe; with --costs, patterns."),
    ] = None,
    costs: Annotated[bool, typer.Option(help="Published accuracy against cost and latency instead.")] = False,
    recipe: Annotated[str | None, typer.Option(help="Recipe for the networks that are trained.")] = None,
    data: Annotated[str | None, typer.Option(help="Data for them, as in `train`.")] = None,
    set_: _Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Compare several networks: accuracy against multiply-adds, parameters and latency."""
    if costs:
        if recipe or data or set_:
            raise UserError("--costs takes published accuracies; --recipe, --data and --set train networks.")
        _compare_costs(runs or [], output, as_json)
        return
    from keras_lightnets import training
    from keras_lightnets.training.compare import compare

    if (recipe is None) != (data is None):
        raise UserError("--recipe and --data go together.")
    config = training.load_recipe(recipe, **_pairs(set_), data=data) if recipe else None
    console = rich.console.Console(quiet=as_json)
    rows = compare(runs or [], output, config, console)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = rich.table.Table("name", caption="int8: on up to 2000 test images; latency: one image, one thread, float32")
    for name in ("top-1", "top-5", "int8 top-1", "parameters", "MAdds", "latency"):
        table.add_column(name, justify="right")
    for row in rows:
        int8 = "" if row["int8_top1"] is None else f"{row['int8_top1']:.2%}"
        cost = f"{row['parameters'] / 1e6:.2f} M", f"{row['madds'] / 1e6:.1f} M", f"{row['latency_ms']:.2f} ms"
        table.add_row(row["name"], f"{row['top1']:.2%}", f"{row['top5']:.2%}", int8, *cost)
    console.print(table)


def _compare_costs(patterns, output, as_json):
    from keras_lightnets.design import compare_costs

    console = rich.console.Console(quiet=as_json)
    rows = compare_costs(patterns, output, console)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = rich.table.Table(
        rich.table.Column("name", no_wrap=True),
        caption="*: no other is cheaper and better; latency: one image, one thread, float32",
        box=None,
    )
    for name in ("published top-1", "MAdds", "parameters", "latency", "file"):
        table.add_column(name, justify="right")
    for row in rows:
        front = {cost: "*" if cost in row["pareto"] else " " for cost in ("madds", "params", "latency_ms")}
        cost = (
            f"{row['madds'] / 1e6:.1f} M {front['madds']}",
            f"{row['params'] / 1e6:.2f} M {front['params']}",
            f"{row['latency_ms']:.2f} ms {front['latency_ms']}",
        )
        table.add_row(row["name"], f"{row['top1']:.1f} %", *cost, f"{row['size_bytes'] / 1e6:.1f} MB")
    console.print(table)


@app.command(context_settings={"ignore_unknown_options": True})
def launch(
    command: Annotated[list[str], typer.Argument(help="The command, such as: -- train --recipe cifar10 ...")],
    workers: Annotated[int, typer.Option(min=2, help="Number of processes.")] = 2,
):
    """Run a command on several workers of this machine, to try a distributed run."""
    from keras_lightnets.training.launch import launch

    sys.exit(launch(workers, command))


def _pairs(settings):
    pairs = [setting.partition("=") for setting in settings or ()]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise UserError(f"--set takes NAME=VALUE. Received: {wrong[0]}")
    return {name: value for name, _, value in pairs}


@app.command()
def finetune(
    model: Annotated[str, typer.Option(help="A name from `keras-lightnets list`, such as MicroNetM0.")],
    data: Annotated[str, typer.Option(help="Folder with one folder of images per class, or train/ and test/ of them.")],
    output: Annotated[str, typer.Option(help="Folder to write.")],
    weights: Annotated[str | None, typer.Option(help="Backbone weights to start from (default: from scratch).")] = None,
    size: Annotated[int, typer.Option(help="Side of the input in pixels.")] = 224,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs with all layers trained.")] = 20,
    frozen_epochs: Annotated[int, typer.Option(min=0, help="Epochs of the head alone before (with --weights).")] = 5,
    batch_size: Annotated[int, typer.Option(min=2, help="Images per step.")] = 32,
    flip: Annotated[bool, typer.Option(help="Mirror half of the training images.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, batches and weights.")] = 0,
    skip_bad_images: Annotated[bool, typer.Option(help="Leave out images that cannot be read.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run.")] = False,
):
    """Train a classifier on a folder of images and export it, every file verified."""
    from keras_lightnets import training

    options = training.Options(
        model, data, output, weights, size, epochs, frozen_epochs, batch_size, flip, seed, skip_bad_images
    )
    try:
        training.finetune(options, resume, rich.console.Console())
    except KeyboardInterrupt:
        kept = (Path(output) / "checkpoint" / "last.npz").exists()
        hint = f"the last epoch is kept in {output}; go on with --resume" if kept else "no epoch was finished"
        raise UserError(f"Interrupted: {hint}.") from None


@app.command()
def optimize(
    model: Annotated[str, typer.Option(help="A .keras file that keras-lightnets wrote.")],
    data: Data,
    method: Annotated[str, typer.Option(help="ptq, qat, prune or cluster.")],
    output: Annotated[str, typer.Option(help="Folder to write.")],
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of training.")] = 2,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches per epoch (default: all).")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per step.")] = 128,
    learning_rate: Annotated[float | None, typer.Option(help="Peak rate of Adam.")] = None,
    sparsity: Annotated[float, typer.Option(help="Share of zeros after pruning.")] = 0.5,
    clusters: Annotated[int, typer.Option(help="Values per kernel after clustering.")] = 16,
    engine: Annotated[str, typer.Option(help="keras or tfmot, what trains for qat.")] = "keras",
    keep_float: Annotated[list[str] | None, typer.Option(help="A layer to leave float (ptq); repeatable.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, batches and augmentation.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Quantise, prune or cluster a trained model, and measure what it costs."""
    from keras_lightnets.optimization import optimize as optimization

    options = optimization.Options(
        model,
        data,
        output,
        method,
        epochs,
        steps,
        batch_size,
        learning_rate,
        sparsity,
        clusters,
        engine,
        tuple(keep_float or ()),
        seed,
    )
    console = rich.console.Console(quiet=as_json)
    try:
        report = optimization.optimize(options, console)
    except KeyboardInterrupt:
        raise UserError(f"Interrupted: {model} is as it was.") from None
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        optimization.show(report, console)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    model: Annotated[Path, typer.Option(help="A .tflite or .keras file that keras-lightnets wrote.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Classify image files."""
    from keras_lightnets.export.prediction import classify

    results = classify(model, images, top)
    if as_json:
        print(json.dumps(results, indent=2))
        return
    table = rich.table.Table("image", "class", "score")
    for result in results:
        for position, (name, score) in enumerate(result["classes"]):
            table.add_row(result["image"] if position == 0 else "", name, f"{score:.3f}")
    rich.console.Console().print(table)


@app.command(name="convert-weights")
def convert_weights(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="A weights file, or a name of `keras-lightnets weights`.")
    ],
    model: Annotated[str, typer.Option(help="A name from `keras-lightnets list`, such as ReXNet-alpha=1.3.")],
    output: Annotated[
        Path, typer.Option(help="File to write: .weights.h5 or .safetensors; without such an ending, both.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Convert a checkpoint of PyTorch or Keras, check the result and write its card."""
    from keras_lightnets.quiet import quiet
    from keras_lightnets.weights import convert

    with quiet() if as_json else contextlib.nullcontext():
        report = convert(source, model, output)
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for path, digest in report["files"].items():
        print(f"{path}  sha256 {digest}")
    print(f"{report['card']}\nChecked: {report['check']}.")


@app.command()
def weights(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False):
    """List the weights that are known: where they lie, their licence, and what of that is unverified."""
    from keras_lightnets.weights import list_weights

    records = list_weights()
    if as_json:
        print(json.dumps([record._asdict() for record in records], indent=2))
        return
    table = rich.table.Table(caption="--json has addresses, hashes and licences")
    for name in ("name", "for", "format", "top-1", "unverified"):
        table.add_column(name, overflow="fold")
    for record in records:
        accuracy = "" if record.top1 is None else f"{record.top1:.1f} %"
        kind = record.format if record.by_name else f"{record.format}, by path"
        table.add_row(record.name, record.shown, kind, accuracy, ", ".join(record.unverified))
    rich.console.Console().print(table)


app.add_typer(studies)

# Typer has no public name for it.
_UsageError = typer.BadParameter.__base__


def main():
    """Runs the command; bad input ends in one line on standard error and exit status 1."""
    # Libraries log to the descriptor of standard error from C++; what Python writes there still arrives.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Whoever ends a job politely is answered as Ctrl-C is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False))
    except _UsageError as error:
        fail(f"{error.format_message().rstrip('.')}. See {error.ctx.command_path} --help.")
    except UserError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}." if error.filename else str(error))
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted")


def _interrupt_again(unraisable):
    """Repeats an interruption that fell into a destructor, whose exceptions Python drops; others are shown as usual."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Later, as this function is no better place.
        threading.Timer(0.1, _thread.interrupt_main, [signal.SIGTERM]).start()
    else:
        sys.__unraisablehook__(unraisable)


def fail(message):
    """Ends the command with one line on standard error."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
