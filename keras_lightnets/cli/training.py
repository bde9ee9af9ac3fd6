"""The commands of `keras-lightnets` that train, measure and shrink networks."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import rich.table
import typer

from keras_lightnets.cli.output import open_console
from keras_lightnets.errors import UserError, interruptions

runs = typer.Typer()

Data = Annotated[str, typer.Option(help="tfds:NAME, tfrecord:GLOB, or a folder with one folder of images per class.")]
_Recipe = Annotated[str, typer.Option(help="A name from `keras-lightnets recipes`, or a .toml file.")]
_Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting. Repeatable.")]


@runs.command()
def recipes(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False):
    """List the training recipes with their source, cost and published accuracy."""
    from keras_lightnets import training

    about = {name: training.load_recipe(name).about for name in training.recipes()}
    if as_json:
        print(json.dumps(about, indent=2))
        return
    table = rich.table.Table("name", "published", "hardware and time", "source")
    for name, row in about.items():
        figure = next(row[key] for key in ("top1", "AP", "mIoU") if key in row)
        table.add_row(name, figure, row["hardware"], row["source"])
    open_console().print(table)


@runs.command()
def train(
    context: typer.Context,
    recipe: _Recipe,
    data: Data,
    output: Annotated[str, typer.Option(help="Folder to write. The same command continues a stopped run.")],
    strategy: Annotated[str, typer.Option(help="auto, none, mirrored, multiworker or tpu.")] = "auto",
    model: Annotated[str | None, typer.Option(help="Another network than the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Another number of epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Another batch size. The learning rate follows.")] = None,
    size: Annotated[int | None, typer.Option(help="Another side of the input in pixels.")] = None,
    weights: Annotated[str | None, typer.Option(help="Backbone weights to start from.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, batches, augmentation and weights.")] = 0,
    set_: _Set = None,
    release: Annotated[Path | None, typer.Option(help="Folder of released models to add the result to.")] = None,
    optimized: Annotated[Path | None, typer.Option(help="Folder of optimize --method qat, for --release.")] = None,
):
    """Train by a recipe, on one machine or many, and export the result, every file verified."""
    from keras_lightnets import training

    others = ("recipe", "set_", "release", "optimized")
    given = {name: value for name, value in _written(context).items() if name not in others}
    config = training.load_recipe(recipe, **_settings(set_, given))
    # Here, so that wrong settings are told at once.
    from keras_lightnets.training.distribution import WorkerLostError

    try:
        with interruptions():
            training.train(config, open_console(), release, optimized)
    except WorkerLostError as error:
        # TensorFlow cannot leave a broken cluster: the process starts again, meets the restarted worker and resumes.
        print(f"{error} Waiting for it to come back.", file=sys.stderr)
        os.dup2(sys.stderr.fileno(), 2)
        os.execv(sys.executable, sys.orig_argv)
    except KeyboardInterrupt:
        raise UserError(f"Interrupted: start the same command again to continue {output}.") from None


@runs.command()
def evaluate(
    model: Annotated[Path, typer.Option(help="A .keras or .tflite file that keras-lightnets wrote.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder for evaluation.json, classes.csv and pictures.")],
    split: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the split (default: that of the run).")] = None,
    holdout: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the training images held out.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Measure a model file, class by class: accuracy, average precision of boxes, or overlap of masks."""
    from keras_lightnets.evaluation.evaluating import evaluate

    result = evaluate(model, data, output, split, seed, holdout)
    if as_json:
        print(json.dumps(result, indent=2))
        return
    names = [name for name in result["classes"][0] if name != "class"]
    table = rich.table.Table("class", *names)
    for row in result["classes"]:
        table.add_row(row["class"], *map(_share, (row[name] for name in names)))
    console = open_console()
    console.print(table)
    console.print(f"{result['images']} images: {_FIGURES[result['task']](result)}", highlight=False)


def _share(value):
    """Returns a figure as text: shares in percent, counts as they are, nothing for None."""
    return "" if value is None else f"{value:.2%}" if isinstance(value, float) else str(value)


_FIGURES = {
    "classify": lambda result: (
        f"top-1 {result['top1']:.2%}, top-5 {result['top5']:.2%}, cross-entropy {result['loss']:.3f}, expected "
        f"calibration error {result['calibration_error']:.3f}"
    ),
    "detect": lambda result: (
        ", ".join(f"{name} {_share(value)}" for name, value in result.items() if name.startswith("AP"))
        + f"; {result['missed']} objects missed and {result['wrong']} wrong boxes at a score of 0.3"
    ),
    "segment": lambda result: f"mIoU {_share(result['mean_iou'])}, {_share(result['pixel_accuracy'])} of the pixels",
}


@runs.command()
def compare(
    output: Annotated[Path, typer.Option(help="Folder for comparison.json, .csv and .png, or costs.* with --costs.")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Folders of runs, or networks to train by the recipe. With --costs: patterns, keras:NAME."),
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
    from keras_lightnets.training.compare import FIGURES, compare

    if (recipe is None) != (data is None):
        raise UserError("--recipe and --data go together.")
    config = training.load_recipe(recipe, **_settings(set_, {"data": data})) if recipe else None
    console = open_console(quiet=as_json)
    rows = compare(runs or [], output, config, console)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    first, second = next(figures for figures in FIGURES.values() if figures[0] in rows[0])
    table = rich.table.Table("name", caption="int8: on up to 2000 test images; latency: one image, one thread, float32")
    titles = {"top1": "top-1", "top5": "top-5", "mean_iou": "mIoU", "pixel_accuracy": "pixels"}
    shown = [titles.get(name, name) for name in (first, second)]
    for name in (*shown, f"int8 {shown[0]}", "parameters", "MAdds", "latency"):
        table.add_column(name, justify="right")
    for row in rows:
        int8 = "" if row[f"int8_{first}"] is None else f"{row[f'int8_{first}']:.2%}"
        cost = f"{row['parameters'] / 1e6:.2f} M", f"{row['madds'] / 1e6:.1f} M", f"{row['latency_ms']:.2f} ms"
        table.add_row(row["name"], f"{row[first]:.2%}", f"{row[second]:.2%}", int8, *cost)
    console.print(table)


def _compare_costs(patterns, output, as_json):
    from keras_lightnets.design import compare_costs

    console = open_console(quiet=as_json)
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


@runs.command(context_settings={"ignore_unknown_options": True})
def launch(
    command: Annotated[list[str], typer.Argument(help="The command, such as: -- train --recipe cifar10 ...")],
    workers: Annotated[int, typer.Option(min=2, help="Number of processes.")] = 2,
):
    """Run a command on several workers of this machine, to try a distributed run."""
    from keras_lightnets.training.launch import launch

    sys.exit(launch(workers, command))


def _written(context):
    """Returns the options that the user wrote, without defaults."""
    return {
        name: value for name, value in context.params.items() if context.get_parameter_source(name).name != "DEFAULT"
    }


def _settings(pairs, options):
    """Returns the settings of "NAME=VALUE" texts and of options, which must not name the same."""
    settings = dict(options)
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set takes NAME=VALUE. Received: {pair}")
        if name in settings:
            raise UserError(f"{name} is given twice. Leave out --set {pair}, or the other.")
        settings[name] = value
    return settings


@runs.command()
def finetune(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="A name from `keras-lightnets list`, such as MicroNetM0.")],
    data: Annotated[str, typer.Option(help="Folder of class folders, or of images with their boxes or masks.")],
    output: Annotated[str, typer.Option(help="Folder to write.")],
    task: Annotated[str, typer.Option(help="classify, detect (SSDLite) or segment (LR-ASPP).")] = "classify",
    weights: Annotated[str | None, typer.Option(help="Backbone weights to start from (default: from scratch).")] = None,
    size: Annotated[int, typer.Option(help="Side of the input in pixels.")] = 224,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs with all layers trained.")] = 20,
    frozen_epochs: Annotated[int, typer.Option(min=0, help="Epochs of the head alone before (with --weights).")] = 5,
    batch_size: Annotated[int, typer.Option(min=2, help="Images per step.")] = 32,
    flip: Annotated[bool, typer.Option(help="Mirror half of the training images.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, batches and weights.")] = 0,
    skip_bad_images: Annotated[bool, typer.Option(help="Leave out images that cannot be read.")] = False,
    head_width: Annotated[
        float, typer.Option(help="Channels of a detector's or segmenter's head, 1 as published.")
    ] = 1.0,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run.")] = False,
):
    """Train a network on a folder of images and export it, every file verified."""
    from keras_lightnets import training

    given = {name: value for name, value in context.params.items() if name != "resume"}
    try:
        with interruptions():
            training.finetune(training.Options(**given), resume, open_console())
    except KeyboardInterrupt:
        kept = (Path(output) / "checkpoint" / "last.npz").exists()
        hint = f"the last epoch is kept in {output}, continue with --resume" if kept else "no epoch was finished"
        raise UserError(f"Interrupted: {hint}.") from None


@runs.command()
def optimize(
    context: typer.Context,
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
    keep_float: Annotated[list[str] | None, typer.Option(help="A layer to leave float (ptq). Repeatable.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of batches and augmentation.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Quantise, prune or cluster a trained model, and measure what it costs."""
    from keras_lightnets.optimization import optimizing

    given = {name: value for name, value in context.params.items() if name != "as_json"}
    options = optimizing.Options(**given | {"keep_float": tuple(keep_float or ())})
    console = open_console(quiet=as_json)
    try:
        with interruptions():
            report = optimizing.optimize(options, console)
    except KeyboardInterrupt:
        raise UserError(f"Interrupted: {model} is as it was.") from None
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        optimizing.show(report, console)
