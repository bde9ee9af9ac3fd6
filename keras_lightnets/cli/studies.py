"""The commands of `keras-lightnets` that study how networks are designed."""

import json
from pathlib import Path
from typing import Annotated

import rich.table
import typer

from keras_lightnets.cli.output import open_console
from keras_lightnets.cli.training import Data

studies = typer.Typer()

_Size = Annotated[int, typer.Option(min=8, help="Side of the images in pixels.")]
_Images = Annotated[int, typer.Option(min=0, help="Training images, 0 for all but the tenth that measures accuracy.")]
_Epochs = Annotated[int, typer.Option(min=1, help="Epochs of each training.")]
_Batch = Annotated[int, typer.Option(min=2, help="Images per step.")]
_Rate = Annotated[float, typer.Option(help="Peak learning rate.")]
_Seeds = Annotated[int, typer.Option(min=1, help="How often each network is trained.")]
_Workers = Annotated[int | None, typer.Option(min=1, help="Processes (default: one a processor core).")]
_Features = Annotated[int, typer.Option(min=1, help="Filters of the last convolution.")]


@studies.command(name="channel-search")
def channel_search(
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder to write. The same command continues a stopped run.")],
    max_params: Annotated[int, typer.Option(min=1, help="Most trainable parameters.")],
    max_madds: Annotated[int, typer.Option(min=1, help="Most multiply-adds.")],
    blocks: Annotated[int, typer.Option(min=2, help="Number of blocks.")] = 5,
    downsample: Annotated[list[int] | None, typer.Option(help="Block that halves the image. Repeatable.")] = None,
    candidates: Annotated[int, typer.Option(min=3, help="Networks to train.")] = 40,
    method: Annotated[str, typer.Option(help="random or evolution.")] = "random",
    population: Annotated[int, typer.Option(min=2, help="Networks of a generation of evolution.")] = 10,
    spend: Annotated[float, typer.Option(min=0, max=1, help="Share of both limits to use at least.")] = 0.9,
    stem: Annotated[int, typer.Option(min=1, help="Filters of the first convolution.")] = 16,
    expansion: Annotated[int, typer.Option(min=1, help="Expansion of a block.")] = 6,
    activation: Annotated[str, typer.Option(help="Nonlinearity after a block's first convolution.")] = "relu6",
    features: _Features = 1024,
    size: _Size = 32,
    images: _Images = 0,
    epochs: _Epochs = 30,
    batch_size: _Batch = 64,
    learning_rate: _Rate = 0.05,
    seeds: _Seeds = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of images and candidates.")] = 0,
    workers: _Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Search for the channels of a network of inverted bottlenecks under limits of cost (ReXNet)."""
    from keras_lightnets import design

    network = {"stem": stem, "expansion": expansion, "activation": activation, "features": features}
    network |= {"downsample": downsample} if downsample else {}
    training = design.Training(size, images, epochs, batch_size, learning_rate, seeds, seed)
    console = open_console(quiet=as_json)
    found = design.channel_search(
        output,
        data,
        max_params,
        max_madds,
        blocks=blocks,
        candidates=candidates,
        method=method,
        population=population,
        training=training,
        spend=spend,
        workers=workers,
        console=console,
        **network,
    )
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = rich.table.Table("channels", caption=f"{len(found['candidates'])} networks; all are in {output}")
    for name in ("accuracy", "over seeds", "parameters", "MAdds"):
        table.add_column(name, justify="right")
    for row in found["candidates"][:10]:
        accuracy = f"{row['accuracy']:.2%}", f"± {row['std']:.2%}"
        table.add_row("-".join(map(str, row["channels"])), *accuracy, f"{row['params']:,}", f"{row['madds']:,}")
    console.print(table)
    console.print(f"The best one: {found['best']}", highlight=False)


@studies.command(name="factor-analysis")
def factor_analysis(
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder to write. The same command continues a stopped run.")],
    max_madds: Annotated[int, typer.Option(min=1, help="Most multiply-adds of each network.")],
    features: _Features = 1024,
    size: _Size = 32,
    images: _Images = 0,
    epochs: _Epochs = 30,
    batch_size: _Batch = 64,
    learning_rate: _Rate = 0.05,
    seeds: _Seeds = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of images.")] = 0,
    workers: _Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Compare expansion, channel ratio and nonlinearity at equal cost (ReXNet's Table 2)."""
    from keras_lightnets import design

    training = design.Training(size, images, epochs, batch_size, learning_rate, seeds, seed)
    console = open_console(quiet=as_json)
    found = design.factor_analysis(output, data, max_madds, training, features, workers, console)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = rich.table.Table("network", "channels", caption=f"mean and standard deviation over seeds; all in {output}")
    for name in ("MAdds", "accuracy", "nuclear norm"):
        table.add_column(name, justify="right")
    for row in found["rows"]:
        accuracy = f"{row['accuracy']:.2%} ± {row['accuracy_std']:.2%}"
        norm = f"{row['nuclear_norm']:.0f} ± {row['nuclear_norm_std']:.0f}"
        table.add_row(row["name"], "-".join(map(str, row["channels"])), f"{row['madds']:,}", accuracy, norm)
    console.print(table)


@studies.command(name="rank-study")
def rank_study(
    output: Annotated[Path, typer.Option(help="Folder for ranks.csv, ranks.json and ranks.png.")],
    layer: Annotated[
        list[str] | None,
        typer.Option(help="conv1x1, conv3x3, bottleneck_conv or bottleneck_depthwise. Repeatable (default: all)."),
    ] = None,
    nonlinearity: Annotated[list[str] | None, typer.Option(help="Such as SiLU. Repeatable (default: all).")] = None,
    networks: Annotated[int, typer.Option(min=1, help="Random layers a point.")] = 100,
    inputs: Annotated[str, typer.Option(help="uniform in [0, 1], or normal.")] = "uniform",
    weights: Annotated[str, typer.Option(help="normal, or uniform within 1 / sqrt(fan_in).")] = "normal",
    norm: Annotated[str, typer.Option(help="identity or batch.")] = "identity",
    channels: Annotated[tuple[int, int], typer.Option(help="Fewest and most output channels.")] = (10, 100),
    samples: Annotated[int, typer.Option(min=1, help="Input vectors, or images with --side above 1.")] = 256,
    side: Annotated[int, typer.Option(min=1, help="Height and width of the images.")] = 1,
    expansion: Annotated[int, typer.Option(min=1, help="Expansion of the bottlenecks.")] = 2,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    tolerance: Annotated[
        float | None, typer.Option(help="Share of the largest singular value that counts (default: rounding).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sizes, weights and inputs.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
):
    """Measure the rank of random layers against their ratio of channels (ReXNet's Figure 1)."""
    from keras_lightnets import design

    given = {"layers": layer, "nonlinearities": nonlinearity}
    choices = design.RankChoices(inputs, weights, norm, channels, samples, side, expansion, dtype, tolerance)
    console = open_console(quiet=as_json)
    study = design.rank_study(
        output,
        **{name: value for name, value in given.items() if value},
        networks=networks,
        choices=choices,
        seed=seed,
        console=console,
    )
    if as_json:
        print(json.dumps(study, indent=2))
        return
    shown = (0.1, 0.4, 0.7)
    table = rich.table.Table("layer", "nonlinearity", caption=f"rank / output channels (published); all in {output}")
    for ratio in shown:
        table.add_column(f"{ratio:g}", justify="right")
    cells: dict[tuple, list[str]] = {}
    for row in study["curves"]:
        if row["ratio"] in shown:
            published = "" if row["published"] is None else f" ({row['published']:.2f})"
            cells.setdefault((row["layer"], row["nonlinearity"]), []).append(f"{row['rank']:.2f}{published}")
    for names, texts in cells.items():
        table.add_row(*names, *texts)
    console.print(table)


@studies.command(name="cost-table")
def cost_table(
    name: Annotated[str | None, typer.Argument(help="Name of the table. Without one, the names are listed.")] = None,
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
    open_console().print(table)
