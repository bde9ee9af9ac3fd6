"""What a run says on the terminal."""

import contextlib
import datetime
import time

import keras
import numpy as np
import rich.box
import rich.console
import rich.progress
import rich.table
import rich.text

from keras_lightnets.data.listing import listed
from keras_lightnets.training.card import export_rows


def progress_bar(console):
    """Returns a `rich.progress.Progress` whose tasks say in the field `rate` how the work goes."""
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.fields[rate]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class Progress:
    """Prints the course of a run to a `rich.console.Console`."""

    def __init__(self, console=None):
        """Prints to `console`, or with None nothing."""
        self._console = console or rich.console.Console(quiet=True)

    def _say(self, text, style=None):
        # Brackets and colons in names are no markup.
        self._console.print(text, style=style, markup=False, emoji=False, highlight=False)

    def split(self, folder, seed):
        """Shows how many images of each class went where."""
        table = rich.table.Table("class", title=f"Split by seed {seed}", title_justify="left")
        for part in folder.splits:
            table.add_column(part, justify="right")
        for number, name in enumerate(folder.classes):
            table.add_row(
                rich.text.Text(name), *(str((split.labels == number).sum()) for split in folder.splits.values())
            )
        table.add_section()
        table.add_row("all", *(str(len(split.labels)) for split in folder.splits.values()))
        self._left_out(folder)
        self._console.print(table)

    def contents(self, data, seed):
        """Shows how many annotated images went where, and the objects of each class, where they were counted."""
        if data.contents is None:
            return
        table = rich.table.Table("class", title=f"Split by seed {seed}", title_justify="left")
        for part in data.contents:
            table.add_column(part, justify="right")
        for number, name in enumerate(data.classes):
            table.add_row(rich.text.Text(name), *(str(part.objects[number]) for part in data.contents.values()))
        table.add_section()
        for name in ("background", "images"):
            table.add_row(name, *(str(getattr(part, name)) for part in data.contents.values()))
        self._left_out(data)
        self._console.print(table)

    def _left_out(self, data):
        if data.left_out:
            self._say(f"Left out: {listed(data.left_out)}.", style="yellow")

    @contextlib.contextmanager
    def decoding(self, count):
        """Shows a bar while images are decoded. Yields the function to call after each."""
        with progress_bar(self._console) as bar:
            task = bar.add_task("reading images", total=count, rate="")
            yield lambda: bar.advance(task)

    def bad_images(self, messages):
        """Names the images that were left out."""
        for message in messages:
            self._say(f"left out: {message}", style="yellow")
        if messages:
            self._say(f"{len(messages)} images left out")

    def phases(self, options):
        """Says how the network will be trained."""
        if options.weights is None:
            self._say(f"{options.model} from random weights: all layers, {options.epochs} epochs.")
        else:
            self._say(
                f"{options.model} from {options.weights}: {options.frozen_epochs} epochs of the new head on the frozen "
                f"backbone, then {options.epochs} of all layers. The backbone's batch normalisation keeps its "
                "statistics."
            )

    def resuming(self, unit, done):
        """Says after how many units, "epoch" or "step", a run continues, if after any."""
        if done:
            self._say(f"Resuming after {unit} {done}.")

    def plan(self, run, data):
        """Says what a `Run` will train, on what, and how the work is divided."""
        config, distribution = run.config, run.distribution
        images = ", ".join(f"{split.count} {part}" for part, split in data.splits.items())
        each = config.batch_size // distribution.replicas
        lines = [
            f"{config.model}, {config.size}x{config.size}, {len(data.classes)} classes; images: {images}.",
            f"Strategy {distribution.name}: {distribution.workers} workers, {distribution.replicas} replicas; "
            f"batch {config.batch_size} = {distribution.replicas} x {each}; worker w decodes every record of number "
            f"w modulo {distribution.workers}.",
            f"Learning rate {config.peak_rate:g} = {config.learning_rate:g} x {config.batch_size} / "
            f"{config.base_batch}, {config.optimizer}, {config.schedule}; {config.epochs} epochs of {run.task.steps} "
            "steps.",
        ]
        for line in lines:
            self._say(line)
        self._left_out(data)
        if data.splits["validation"] is data.splits["test"]:
            self._say("No images are held out: the test images are watched, and the last epoch is kept.")
        self.resuming("step", run.checkpoint.step)

    def epochs(self, run, phase, begin):
        """Returns the callback that shows the epochs of a phase of a `Run` from the step `begin` on."""
        return _EpochLines(self._console, run, phase, begin)

    def step(self, name):
        """Says what is being exported."""
        self._say(f"writing {name}")

    def result(self, report, output):
        """Shows the table of the exported files."""
        header, rows = export_rows(report)
        title = f"On {report['exports'][0]['samples']} held-out images"
        table = rich.table.Table(
            title=title, title_justify="left", box=rich.box.SIMPLE_HEAD, padding=0, show_edge=False
        )
        for name in header:
            table.add_column(name, justify="left" if name == "file" else "right", no_wrap=name == "file")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)
        self._say(f"Everything is in {output}: start with model_card.md.")


class _EpochLines(keras.callbacks.Callback):
    def __init__(self, console, run, phase, begin):
        super().__init__()
        self._console, self._task, self._phase, self._begin = console, run.task, phase, begin
        self._batch_size = run.config.batch_size

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.monotonic()
        self._done = max(self._begin - epoch * self._task.steps, 0)
        self._bar = progress_bar(self._console)
        self._line = self._bar.add_task(f"epoch {epoch + 1}", total=self._task.steps, completed=self._done, rate="")
        self._bar.start()

    def on_train_batch_end(self, batch, logs=None):
        rate = (batch + 1) * self._batch_size / (time.monotonic() - self._start)
        self._bar.update(self._line, completed=self._done + batch + 1, rate=f"{rate:.0f} images/s")

    def on_test_begin(self, logs=None):
        self._seconds = time.monotonic() - self._start
        self._bar.stop()

    def on_epoch_end(self, epoch, logs=None):
        # On several workers numbers have one dimension.
        figures = self._task.figures({name: float(np.mean(value)) for name, value in logs.items()})
        rate = (self._task.steps - self._done) * self._batch_size / self._seconds
        left = (self.params["epochs"] - epoch - 1) * (time.monotonic() - self._start)
        self._console.print(
            f"epoch {epoch + 1:3d}  {self._phase.name:7s}  {self._task.line(figures)}  {rate:.0f} img/s"
            + (f"  {datetime.timedelta(seconds=round(left))} left" if left else ""),
            highlight=False,
        )
