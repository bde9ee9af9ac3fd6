"""What a run says on the terminal."""

import contextlib
import time

import keras
import rich.box
import rich.progress
import rich.table

from keras_lightnets.training.card import export_rows


def _bar(console):
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class Progress:
    """Prints the course of a run to a `rich.console.Console`."""

    def __init__(self, console):
        """Prints to `console`."""
        self._console = console

    def split(self, folder, seed):
        """Shows how many images of each class went where."""
        table = rich.table.Table("class", title=f"Split by seed {seed}", title_justify="left")
        for part in folder.splits:
            table.add_column(part, justify="right")
        for number, name in enumerate(folder.classes):
            table.add_row(name, *(str((split.labels == number).sum()) for split in folder.splits.values()))
        table.add_section()
        table.add_row("all", *(str(len(split.labels)) for split in folder.splits.values()))
        self._console.print(table)

    @contextlib.contextmanager
    def decoding(self, count):
        """Shows a bar while images are decoded; yields the function to call after each."""
        with _bar(self._console) as bar:
            task = bar.add_task("reading images", total=count)
            yield lambda: bar.advance(task)

    def bad_images(self, messages):
        """Names the images that were left out."""
        for message in messages:
            self._console.print(f"left out: {message}", style="yellow", highlight=False)
        if messages:
            self._console.print(f"{len(messages)} images left out")

    def phases(self, options, done):
        """Says how the network will be trained."""
        if options.weights is None:
            self._console.print(f"{options.model} from random weights: all layers, {options.epochs} epochs.")
        else:
            self._console.print(
                f"{options.model} from {options.weights}: {options.frozen_epochs} epochs of the new head on the frozen "
                f"backbone, then {options.epochs} of all layers. Batch normalisation keeps its stored statistics."
            )
        if done:
            self._console.print(f"Resuming after epoch {done}.")

    def epochs(self, phase, steps):
        """Returns the callback that shows the epochs of a phase."""
        return _EpochLines(self._console, phase, steps)

    def step(self, name):
        """Says what is being exported."""
        self._console.print(f"writing {name}")

    def result(self, report, output):
        """Shows the table of the exported files."""
        header, rows = export_rows(report)
        title = f"On {report['images']['test']} held-out images"
        table = rich.table.Table(
            title=title, title_justify="left", box=rich.box.SIMPLE_HEAD, padding=0, show_edge=False
        )
        for name in header:
            table.add_column(name, justify="left" if name == "file" else "right", no_wrap=name == "file")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)
        self._console.print(f"Everything is in {output}: start with model_card.md.")


class _EpochLines(keras.callbacks.Callback):
    def __init__(self, console, phase, steps):
        super().__init__()
        self._console, self._phase, self._steps = console, phase, steps

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.monotonic()
        self._bar = _bar(self._console)
        self._task = self._bar.add_task(f"epoch {epoch + 1}", total=self._steps)
        self._bar.start()

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update(self._task, completed=batch + 1)

    def on_test_begin(self, logs=None):
        self._bar.stop()

    def on_epoch_end(self, epoch, logs=None):
        self._console.print(
            f"epoch {epoch + 1:3d}  {self._phase:7s}  loss {logs['loss']:.3f}  accuracy {logs['accuracy']:6.2%}  "
            f"validation {logs['val_accuracy']:6.2%}  {time.monotonic() - self._start:5.1f} s",
            highlight=False,
        )
