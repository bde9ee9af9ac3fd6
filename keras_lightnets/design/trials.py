"""Many small trainings of `BottleneckNet`s: several seeds each, over several processes, resumed after a kill."""

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import rich.console
import rich.progress
import tensorflow as tf

from keras_lightnets.data.opening import open_data
from keras_lightnets.data.pipeline import Evaluation, evaluation_batches
from keras_lightnets.design.worker import BATCH, Training, prepare_process, read, train
from keras_lightnets.errors import UserError
from keras_lightnets.files import locked, read_json, reading, replacing, write_json
from keras_lightnets.preprocessing import RAW
from keras_lightnets.training.settings import typed

_HOLDOUT = 0.1


class Trials:
    """A folder of trainings.

    Args:
        output: str or Path of the folder. What was finished in it is not repeated.
        data: data set, as in `training.open_data`. A tenth of its training images measures the accuracy.
        training: `Training`.
        settings: dict of JSON values that decide the results too.

    Attributes:
        image: dict of the arguments of `BottleneckNet` that the data decide.

    Raises:
        UserError: if the folder holds results of other settings, or the data cannot be opened or are too few.
    """

    def __init__(self, output, data, training, settings):
        for name, kind in Training.__annotations__.items():
            value = typed(name, getattr(training, name), kind)
            if value < 0 or (value == 0 and name not in ("images", "seed")):
                raise UserError(f"`{name}` must be positive. Received: {name}={value}")
        self._training, self._folder = training, Path(output)
        self._images = self._folder / "images.npz"
        self._way_out = f"Remove {self._folder}, or choose another folder."
        self._settings = json.loads(json.dumps({"data": data, **training._asdict(), **settings}))
        path = self._folder / "settings.json"
        if path.exists():
            _refuse_change(self._folder, read_json(path, self._way_out), self._settings)
            with reading(self._images, self._way_out), np.load(self._images) as arrays:
                classes = int(arrays["classes"])
        else:
            self._new = _load(data, training)
            classes = self._new["classes"]
        self.image = {"input_shape": (training.size, training.size, 3), "classes": classes}

    def run(self, networks, workers, console):
        """Trains the networks that are not trained yet.

        Args:
            networks: dict from a name to the arguments of `BottleneckNet`, without the arguments in `image`.
            workers: int, number of processes, each with its share of the processor cores, or None: one a core.
            console: `rich.console.Console` for a progress bar, or None.

        Returns:
            A dict from each name to a dict of lists with one number a seed: "accuracy" and "nuclear_norm".

        Raises:
            UserError: if a process is ended from outside.
        """
        paths = {name: self._folder / "trials" / f"{name}.json" for name in networks}
        (self._folder / "trials").mkdir(parents=True, exist_ok=True)
        with locked(self._folder / "trials" / "lock", "Wait for it to end, or choose another folder."):
            self._begin()
            if left := [name for name, path in paths.items() if len(read(path)["accuracy"]) < self._training.seeds]:
                self._train({name: networks[name] for name in left}, paths, workers, console)
        return {name: read(path) for name, path in paths.items()}

    def _begin(self):
        """Writes what a resumed run needs. The settings come last and stand for all of it."""
        path = self._folder / "settings.json"
        if path.exists():
            # Another process may have begun meanwhile.
            _refuse_change(self._folder, read_json(path, self._way_out), self._settings)
            return
        with replacing(self._images) as temporary:
            np.savez(temporary, **self._new)
        write_json(path, self._settings)

    def _train(self, networks, paths, workers, console):
        cores = len(os.sched_getaffinity(0))
        workers = min(workers or cores, len(networks))
        console = console or rich.console.Console(quiet=True)
        bar = rich.progress.Progress(
            *rich.progress.Progress.get_default_columns(),
            rich.progress.MofNCompleteColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        initial = prepare_process, (max(1, cores // workers),)
        # Forked processes cannot use TensorFlow.
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), *initial)
        with bar, pool:
            task = bar.add_task("networks", total=len(paths), completed=len(paths) - len(networks))
            futures = [
                pool.submit(train, {**network, **self.image}, self._training, self._images, paths[name])
                for name, network in networks.items()
            ]
            try:
                for future in as_completed(futures):
                    future.result()
                    bar.advance(task)
            except BrokenProcessPool:
                raise UserError(
                    f"A process of the search was ended, perhaps for lack of memory. Start the same command again "
                    f"to continue {self._folder}, with fewer workers."
                ) from None
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def _refuse_change(folder, before, after):
    if changed := [name for name in {**before, **after} if before.get(name) != after.get(name)]:
        raise UserError(
            f"{folder} holds results with {changed[0]}={before.get(changed[0])}, not {after.get(changed[0])}: continue "
            "with the same settings, or choose another folder."
        )


def _load(data, training):
    """Returns a random choice of training images, and all that are held out of them, as uint8 arrays."""
    opened = open_data(data, training.seed, _HOLDOUT)
    order = tf.constant([training.seed, 0], tf.int64)
    arrays = {"classes": len(opened.classes)}
    for part, most in (("train", training.images), ("validation", 0)):
        source = opened.splits[part]
        count = min(most or source.count, source.count)
        if part == "train" and count < max(most, training.batch_size):
            raise UserError(f"{data} has {source.count} training images; {max(most, training.batch_size)} are needed.")
        chosen = source._replace(count=count, ordered=lambda _, s=source, n=count: s.ordered(order).take(n))
        batches = evaluation_batches(chosen, len(opened.classes), Evaluation(training.size, 1.0, RAW, BATCH))
        try:
            pixels, labels, _ = zip(*batches.as_numpy_iterator(), strict=True)
        except tf.errors.OpError:
            source.check()
            raise
        arrays[f"{part}_pixels"] = np.concatenate(pixels)[:count].round().astype("uint8")
        arrays[f"{part}_labels"] = np.concatenate(labels)[:count].argmax(axis=-1)
    return arrays
