"""The training loop: `model.fit`, begun at any step, with everything that happens around its batches and epochs."""

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.data.pipeline import evaluation_batches, evaluation_steps, steps_per_epoch, training_batches
from keras_lightnets.errors import UserError
from keras_lightnets.files import replacing
from keras_lightnets.training.checkpoint import best_epoch
from keras_lightnets.training.distribution import WorkerLostError
from keras_lightnets.training.logs import write_logs
from keras_lightnets.training.optimizers import learning_rate, make_optimizer


class Phase(NamedTuple):
    """Some epochs under one schedule: name, number of epochs, peak learning rate, and what marks the trained layers."""

    name: str
    epochs: int
    rate: float
    prepare: Callable = lambda model: None


def run_phases(model, phases, data, config, distribution, checkpoint, progress):
    """Runs the steps that are left, and keeps the best epoch, or with `holdout` 0 the last, in the checkpoint.

    Args:
        model: the model, with logits as output, built in the scope of the strategy.
        phases: list of `Phase`.
        data: `Data`.
        config: `Config`.
        distribution: `Distribution`.
        checkpoint: an opened `Checkpoint`.
        progress: a `Progress`.

    Raises:
        UserError: if the loss or a weight stops being finite, an image cannot be read, a file cannot be written, or
            another worker is lost.
    """
    first = 0
    try:
        for phase in phases:
            _run_phase(model, phase, first, data, config, distribution, checkpoint, progress)
            first += phase.epochs
    except tf.errors.OpError as error:
        if distribution.workers > 1 and not isinstance(
            error, (tf.errors.InvalidArgumentError, tf.errors.DataLossError)
        ):
            raise WorkerLostError(f"Another worker was lost after step {checkpoint.step}.") from error
        for source in data.splits.values():
            source.check()
        raise


def _run_phase(model, phase, first_epoch, data, config, distribution, checkpoint, progress):
    classes, train, validation = len(data.classes), data.splits["train"], data.splits["validation"]
    steps, last_epoch = steps_per_epoch(train, config), first_epoch + phase.epochs
    if checkpoint.step >= last_epoch * steps or _out_of_patience(checkpoint, config):
        return
    with distribution.strategy.scope():
        phase.prepare(model)
    trainee = distribution.trainee(model)
    with distribution.strategy.scope():
        trainee.compile(
            make_optimizer(config, model, learning_rate(config, phase.rate, phase.epochs, steps)),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
            weighted_metrics=[
                "accuracy",
                keras.metrics.CategoricalCrossentropy(name="cross_entropy", from_logits=True),
            ],
            steps_per_execution=config.steps_per_execution,
            # Keras leaves it out under a strategy too, where it knows of one.
            jit_compile="auto" if distribution.replicas == 1 else False,
        )
    watched = {
        "x": distribution.dataset(
            lambda **shard: evaluation_batches(validation, classes, config.evaluation, **shard).repeat(),
            config.batch_size,
        ),
        "steps": evaluation_steps(validation, config.batch_size),
    }
    with distribution.strategy.scope():
        # TensorFlow traces a training step twice if it creates variables; this creates those of the metrics.
        trainee.evaluate(watched["x"], steps=config.steps_per_execution, verbose=0)
        while checkpoint.step < last_epoch * steps and not _out_of_patience(checkpoint, config):
            checkpoint.restore(trainee, phase.name)
            epoch, done = divmod(checkpoint.step, steps)
            begin = checkpoint.step
            batches = distribution.dataset(
                lambda begin=begin, **shard: training_batches(train, classes, config, begin, **shard), config.batch_size
            )
            # An epoch begun before is finished on its own, as `fit` gives each epoch the same number of steps.
            trainee.fit(
                batches,
                initial_epoch=epoch,
                epochs=epoch + 1 if done else last_epoch,
                steps_per_epoch=steps - done,
                validation_data=watched["x"],
                validation_steps=watched["steps"],
                shuffle=False,
                verbose=0,
                callbacks=_callbacks(model, phase, epoch, done, steps, config, distribution, checkpoint, progress),
            )


def _callbacks(model, phase, epoch, done, steps, config, distribution, checkpoint, progress):
    swap = [keras.callbacks.SwapEMAWeights()] if config.ema else []
    course = _Course(model, phase, (epoch, done), steps, config, distribution, checkpoint, swap)
    callbacks = [*swap, course, progress.epochs(phase.name, steps, done, config)]
    if distribution.chief and importlib.util.find_spec("tensorboard"):
        callbacks.append(keras.callbacks.TensorBoard(Path(config.output) / "tensorboard", write_graph=False))
    return callbacks


def _out_of_patience(checkpoint, config):
    if not config.patience or not checkpoint.history:
        return False
    return len(checkpoint.history) - best_epoch(checkpoint.history)["epoch"] >= config.patience


class _Course(keras.callbacks.Callback):
    """Counts steps, stops on numbers that are not finite, and saves checkpoints, logs and the best weights."""

    def __init__(self, network, phase, begin, steps, config, distribution, checkpoint, swap):
        super().__init__()
        self._network, self._phase, self._begin, self._steps = network, phase, begin, steps
        self._config, self._distribution, self._checkpoint, self._swap = config, distribution, checkpoint, swap

    def on_epoch_begin(self, epoch, logs=None):
        self._done = self._begin[1] if epoch == self._begin[0] else 0
        self._first_step = epoch * self._steps + self._done
        self._start = time.monotonic()
        if self._done:
            self._checkpoint.restore_metrics(self.model)

    def on_train_batch_end(self, batch, logs=None):
        step = self._first_step + batch + 1
        loss = float(np.mean(logs["loss"]))
        if not np.isfinite(loss):
            self._stop("The loss", step)
        every = self._config.checkpoint_steps
        # The epoch's end has its own.
        if step // every > (step - self._config.steps_per_execution) // every and step % self._steps:
            self._save(step)

    def on_test_begin(self, logs=None):
        self._seconds = time.monotonic() - self._start

    def on_epoch_end(self, epoch, logs=None):
        numbers = {name: float(np.mean(value)) for name, value in logs.items()}
        images = (self._steps - self._done) * self._config.batch_size
        self._checkpoint.history.append(
            {
                "epoch": epoch + 1,
                "phase": self._phase.name,
                "loss": numbers["loss"],
                "accuracy": numbers["accuracy"],
                "val_loss": numbers["val_cross_entropy"],
                "val_accuracy": numbers["val_accuracy"],
                "learning_rate": float(self.model.optimizer.learning_rate),
                "seconds": self._seconds,
                "images_per_second": images / self._seconds,
            }
        )
        history = self._checkpoint.history
        if not self._config.holdout or best_epoch(history) is history[-1]:
            # It goes first: a run killed between the two repeats the epoch and comes to the same files.
            for swap in self._swap:
                swap.on_test_begin()
            self._checkpoint.keep(self._network)
            for swap in self._swap:
                swap.on_test_end()
        self._save((epoch + 1) * self._steps)
        if self._distribution.chief:
            write_logs(history, Path(self._config.output))
        if _out_of_patience(self._checkpoint, self._config):
            self.model.stop_training = True

    def _save(self, step):
        try:
            self._checkpoint.save(self.model, step, self._phase.name)
        except FloatingPointError:
            self._stop("A weight", step)

    def _stop(self, what, step):
        output = Path(self._config.output)
        self._checkpoint.restore(self.model, self._phase.name)
        kept = "no earlier step was kept"
        if self._checkpoint.step:
            path = output / "last_good.weights.h5"
            if self._distribution.chief:
                with replacing(path) as temporary:
                    self._network.save_weights(temporary)
            kept = f"the weights of step {self._checkpoint.step} are in {path}"
        raise UserError(
            f"{what} is not finite at step {step}; {kept}. Lower learning_rate, lengthen warmup_epochs, or set "
            "clip_norm."
        )
