"""The training loop: `model.fit`, begun at any step, with everything that happens around its batches and epochs."""

import importlib.util
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.files import replacing
from keras_lightnets.training.distribution import WorkerLostError
from keras_lightnets.training.logs import write_logs
from keras_lightnets.training.optimizers import learning_rate, make_optimizer


def run_phases(run):
    """Runs the steps of a `Run` that are left, and keeps the weights of one epoch in its checkpoint.

    Raises:
        UserError: if the loss or a weight stops being finite, an image cannot be read, a file cannot be written, or
            another worker is lost.
    """
    first = 0
    try:
        for phase in run.phases:
            _run_phase(run, phase, first)
            first += phase.epochs
    except tf.errors.OpError as error:
        ours = isinstance(error, (tf.errors.InvalidArgumentError, tf.errors.DataLossError))
        if run.distribution.workers > 1 and not ours:
            raise WorkerLostError(f"Another worker was lost after step {run.checkpoint.step}.") from error
        if isinstance(error, tf.errors.ResourceExhaustedError):
            size = run.config.batch_size
            raise UserError(f"There is not enough memory for a batch of {size}: choose a smaller one.") from error
        run.task.check()
        raise


def _run_phase(run, phase, first_epoch):
    task, checkpoint, distribution = run.task, run.checkpoint, run.distribution
    last_epoch = first_epoch + phase.epochs
    last_step = last_epoch * task.steps
    if checkpoint.step >= last_step or run.out_of_patience:
        return
    trainee = _compiled(run, phase)
    watched = distribution.dataset(task.validation_batches, run.config.batch_size)
    with distribution.strategy.scope():
        # TensorFlow traces a training step twice if it creates variables. This creates the metrics' variables.
        trainee.evaluate(watched, steps=run.config.steps_per_execution, verbose=0)
        while checkpoint.step < last_step and not run.out_of_patience:
            checkpoint.restore(trainee, phase.name)
            begin = checkpoint.step
            epoch, done = divmod(begin, task.steps)
            batches = distribution.dataset(
                lambda begin=begin, **shard: task.training_batches(begin, **shard), run.config.batch_size
            )
            # An epoch begun before is finished on its own, as `fit` gives each epoch the same number of steps.
            trainee.fit(
                batches,
                initial_epoch=epoch,
                epochs=epoch + 1 if done else last_epoch,
                steps_per_epoch=task.steps - done,
                validation_data=watched,
                validation_steps=task.validation_steps,
                shuffle=False,
                verbose=0,
                callbacks=_callbacks(run, phase, begin),
            )


def _compiled(run, phase):
    """Returns what `fit` is called on, compiled for a phase."""
    config, distribution = run.config, run.distribution
    with distribution.strategy.scope():
        phase.prepare(run.model)
    trainee = distribution.trainee(run.model)
    with distribution.strategy.scope():
        trainee.compile(
            make_optimizer(config, run.model, learning_rate(config, phase.rate, phase.epochs, run.task.steps)),
            **run.task.objective(),
            steps_per_execution=config.steps_per_execution,
            # Keras leaves it out under a strategy too, where it knows of one.
            jit_compile="auto" if distribution.replicas == 1 else False,
        )
    return trainee


def _callbacks(run, phase, begin):
    swap = [keras.callbacks.SwapEMAWeights()] if run.config.ema else []
    callbacks = [*swap, _Course(run, phase, begin, swap), run.progress.epochs(run, phase, begin)]
    if run.distribution.chief and importlib.util.find_spec("tensorboard"):
        callbacks.append(keras.callbacks.TensorBoard(Path(run.config.output) / "tensorboard", write_graph=False))
    return callbacks


class _Course(keras.callbacks.Callback):
    """Counts steps, stops on numbers that are not finite, and saves checkpoints, logs and the best weights."""

    def __init__(self, run, phase, begin, swap):
        super().__init__()
        self._run, self._phase, self._begin, self._swap = run, phase, begin, swap

    def on_epoch_begin(self, epoch, logs=None):
        self._first_step = max(epoch * self._run.task.steps, self._begin)
        self._start = time.monotonic()
        if self._first_step % self._run.task.steps:
            self._run.checkpoint.restore_metrics(self.model)

    def on_train_batch_end(self, batch, logs=None):
        config, step = self._run.config, self._first_step + batch + 1
        if not np.isfinite(np.mean(logs["loss"])):
            self._stop("The loss", step)
        every = config.checkpoint_steps
        # The epoch's end has its own.
        if step // every > (step - config.steps_per_execution) // every and step % self._run.task.steps:
            self._save(step)

    def on_test_begin(self, logs=None):
        self._seconds = time.monotonic() - self._start

    def on_epoch_end(self, epoch, logs=None):
        run, last_step = self._run, (epoch + 1) * self._run.task.steps
        history = run.checkpoint.history
        history.append(
            {
                "epoch": epoch + 1,
                "phase": self._phase.name,
                **run.task.figures({name: float(np.mean(value)) for name, value in logs.items()}),
                "learning_rate": float(self.model.optimizer.learning_rate),
                "seconds": self._seconds,
                "images_per_second": (last_step - self._first_step) * run.config.batch_size / self._seconds,
            }
        )
        if run.kept is history[-1]:
            # It goes first: a run killed between the two repeats the epoch and comes to the same files.
            for swap in self._swap:
                swap.on_test_begin()
            run.checkpoint.keep(run.model)
            for swap in self._swap:
                swap.on_test_end()
        self._save(last_step)
        if run.distribution.chief:
            write_logs(history, Path(run.config.output))
        if run.out_of_patience:
            self.model.stop_training = True

    def _save(self, step):
        try:
            self._run.checkpoint.save(self.model, step, self._phase.name)
        except FloatingPointError:
            self._stop("A weight", step)

    def _stop(self, what, step):
        run, kept = self._run, "no earlier step was kept"
        run.checkpoint.restore(self.model, self._phase.name)
        if run.checkpoint.step:
            path = Path(run.config.output) / "last_good.weights.h5"
            if run.distribution.chief:
                with replacing(path) as temporary:
                    run.model.save_weights(temporary)
            kept = f"the weights of step {run.checkpoint.step} are in {path}"
        raise UserError(
            f"{what} is not finite at step {step}; {kept}. Lower learning_rate, lengthen warmup_epochs, or set "
            "clip_norm."
        )
