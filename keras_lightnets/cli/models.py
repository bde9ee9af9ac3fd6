"""The commands of `keras-lightnets` about single networks and their files."""

import contextlib
import json
from pathlib import Path
from typing import Annotated

import rich.table
import typer

from keras_lightnets.cli.output import open_console
from keras_lightnets.errors import UserError

models = typer.Typer()


@models.command(name="list")
def list_(
    task: Annotated[
        str, typer.Option(help="classify, detect (SSDLite on the networks) or segment (LR-ASPP).")
    ] = "classify",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """List every variant with its cost and its published accuracy."""
    from keras_lightnets.applications.catalog import list_models

    records = list_models(task)
    if as_json:
        names = [name for name in records[0]._fields if name not in _NOT_LISTED]
        print(json.dumps([{name: getattr(record, name) for name in names} for record in records], indent=2))
        return
    if task == "classify":
        _print_classifiers(records)
    else:
        _print_heads(records)


_NOT_LISTED = ("family", "call", "kwargs", "preprocessing", "pyramid")


def _print_classifiers(records):
    table = rich.table.Table(
        "name",
        caption="top-1: ImageNet, as published; docs/cards names the sources. "
        "Detectors: keras-lightnets list --task detect. Segmenters: --task segment.",
    )
    for name in ("params", "MAdds", "top-1", "weights"):
        table.add_column(name, justify="right")
    for record in records:
        weights = ", ".join(record.weights[:1])
        table.add_row(record.name, *_costs(record), _percent(record.top1), weights)
    open_console().print(table)


def _print_heads(records):
    measure = {"detect": "AP", "segment": "mIoU"}[records[0].task]
    classes, size = records[0].classes, records[0].input_size
    table = rich.table.Table(
        "name",
        caption=f"{classes} classes, {size}x{size} pixels. {measure}: as published; docs/cards names the sources.",
    )
    for name in ("params", "MAdds", measure):
        table.add_column(name, justify="right")
    for record in records:
        table.add_row(record.name, *_costs(record), _percent(record.published))
    open_console().print(table)


def _costs(record):
    return f"{record.params / 1e6:.2f} M", f"{record.madds / 1e6:.1f} M"


def _percent(share):
    return "" if share is None else f"{share:.1f} %"


@models.command()
def profile(
    model: Annotated[
        str,
        typer.Argument(
            help="A name from `keras-lightnets list`, one such as keras:EfficientNetB0, ssdlite:MobileNetV2 or "
            "lraspp:MobileNetV2, or a .keras file."
        ),
    ],
    size: Annotated[int | None, typer.Option(min=1, help="Another side of the input in pixels.")] = None,
    measure: Annotated[bool, typer.Option(help="Time every layer in TFLite on this machine too.")] = False,
    micro: Annotated[bool, typer.Option("--micro", help="State the RAM that a microcontroller needs.")] = False,
    output: Annotated[Path | None, typer.Option(help="File to write: .md, .csv or .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Count what one image costs, layer by layer: parameters, multiply-adds, memory, and measured time."""
    if micro:
        if size or measure or output:
            raise UserError("--micro runs a .tflite file as it is: leave out --size, --measure and --output.")
        _profile_micro(model, as_json)
        return
    from keras_lightnets.evaluation.profiling import profile

    console = open_console(quiet=as_json)
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
        sums = f"{total.params:,}", f"{madds:,}", share, f"{total.bytes_moved / 1e6:.2f}"
        table.add_row(part or "without weights", *([spent] if times else []), *sums)
    console.print(table)
    console.print(cost.summary(), highlight=False, soft_wrap=True)
    if times:
        console.print(times.summary(), highlight=False, soft_wrap=True)


def _profile_micro(path, as_json):
    from keras_lightnets.evaluation.micro import measure_arena

    arena = measure_arena(path)
    if as_json:
        print(json.dumps(arena._asdict(), indent=2))
        return
    total, activations, file = (f"{size / 1e3:.1f} kB" for size in arena)
    print(
        f"{path}: an arena of {total} of RAM, {activations} of it for activations, and {file} of flash for the file. "
        "Measured in TensorFlow Lite Micro with pointers of 64 bits."
    )


@models.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    model: Annotated[Path, typer.Option(help="A .tflite or .keras file that keras-lightnets wrote.")],
    top: Annotated[int | None, typer.Option(min=1, help="How many classes to name (default: 3).")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for photos with boxes or masks drawn on them (default: predictions).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Classify image files, or draw what a detector or segmenter finds on them.

    To open the same .keras file in Python, import keras_lightnets first.
    """
    from keras_lightnets.evaluation.prediction import predict

    results = predict(model, images, top, output)
    if as_json:
        print(json.dumps(results, indent=2))
        return
    boxed = any("objects" in result for result in results)
    scores = "share of pixels" if not boxed and "picture" in results[0] else "score"
    table = rich.table.Table("image", "class", scores, *(["left, top, width, height"] if boxed else []))
    for result in results:
        rows = [(row["class"], row["score"], row["box"]) for row in result["objects"]] if boxed else result["classes"]
        for position, (name, score, *box) in enumerate(rows):
            sides = [", ".join(f"{side:.0f}" for side in each) for each in box]
            table.add_row(result["image"] if position == 0 else "", name, f"{score:.3f}", *sides)
        if not rows:
            table.add_row(result["image"], "nothing", "", "")
    console = open_console()
    console.print(table)
    for result in results:
        if "picture" in result:
            console.print(f"drawn: {result['picture']}", highlight=False, soft_wrap=True)


@models.command(name="try")
def try_(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that finetune wrote, or a .tflite file.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine. 0 takes a free one.")] = 8000,
):
    """Serve a page on this machine that runs the exported files in your browser, on photos or the camera."""
    from keras_lightnets.evaluation.browser import open_server, write_page

    with open_console().status("Writing the page"):
        folder, left_out = write_page(output)
    for line in left_out:
        print(line)
    with open_server(folder, port) as server:
        print(f"Open http://127.0.0.1:{server.server_port}/ in a browser; Ctrl-C ends it.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


@models.command(name="convert-weights")
def convert_weights(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="A weights file, or a name of `keras-lightnets weights`.")
    ],
    model: Annotated[str, typer.Option(help="A name from `keras-lightnets list`, such as ReXNet-alpha=1.3.")],
    output: Annotated[
        Path, typer.Option(help="File to write: .weights.h5 or .safetensors. Without such an ending, both.")
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


@models.command()
def weights(
    check: Annotated[
        str | None, typer.Option(metavar="NAME", help="Download these weights, check them and say what was found.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """List the weights that are known: where they lie, their licence, and what of that is unverified."""
    from keras_lightnets.weights import list_weights

    if check is not None:
        _check_weights(check, as_json)
        return
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
    open_console().print(table)


def _check_weights(name, as_json):
    from keras_lightnets.quiet import quiet
    from keras_lightnets.weights import check_weights

    with quiet() if as_json else contextlib.nullcontext():
        found = check_weights(name)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for file in found:
        print(f"{file['name']}: {file['url'] or 'part of the package'}")
        print(f"{file['path']}: {file['size']:,} bytes, sha256 {file['sha256']}")
        print(f"The publisher's hash: {file['published'] or 'none published'}")
        print(f"{file['tensors']} tensors with the names of {file['layout']}, each used once by {file['network']}")
        print(f"Verified by this, and unverified in the record: {', '.join(file['settled']) or 'nothing'}")
