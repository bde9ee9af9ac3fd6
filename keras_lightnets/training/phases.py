"""The phases of fine-tuning: the new head on a frozen backbone, then all layers; or everything at once from scratch."""

import keras

from keras_lightnets.errors import UserError
from keras_lightnets.training.batches import Batches, normalised
from keras_lightnets.training.checkpoint import KeepEpochs

HEAD = ("head_dropout", "predictions")
_DROPOUT = 0.2
# Peak learning rates of AdamW: of random weights, of a new head alone, of a trained network.
_RATES = {"scratch": 4e-3, "head": 4e-3, "all": 1e-3}
_WEIGHT_DECAY = 0.02
_WARM_UP = 0.1


def build(options, classes):
    """Returns the backbone with a new classifier of `classes` classes."""
    record, shape = options.record, (options.size, options.size, 3)
    try:
        base = record.builder(
            **record.kwargs, include_top=False, weights=options.weights, input_shape=shape, pooling="avg"
        )
    except ValueError as error:
        raise UserError(f"Cannot build {options.model}: {error}") from error
    x = keras.layers.Dropout(_DROPOUT, name=HEAD[0])(base.output)
    x = keras.layers.Dense(classes, activation="softmax", name=HEAD[1])(x)
    return keras.Model(base.input, x, name=base.name)


def train(model, options, images, checkpoint, progress):
    """Runs the epochs that are left.

    Args:
        model: the model as built; a resumed run continues the checkpoint's instead.
        options: `Options`.
        images: dict from split name to `Images`.
        checkpoint: an opened `Checkpoint`.
        progress: a `Progress`.

    Returns:
        The model of the epoch with the best validation accuracy, without its optimizer.
    """
    validation = normalised(images["validation"], options.record.preprocessing), images["validation"].labels
    done = len(checkpoint.history)
    if done:
        model = keras.saving.load_model(checkpoint.last)
    first = 0
    for phase, epochs in options.phases:
        last, start = first + epochs, max(first, done)
        if start < last:
            batches = Batches(images["train"], options)
            if start == first:
                _set_trainable(model, phase)
                _compile(model, _RATES[phase], steps=epochs * len(batches))
            # TensorFlow traces a training step twice, longer than an epoch of small images, if it creates variables:
            # one evaluation creates those of the metrics, `_compile` those of the optimizer.
            model.evaluate(*(part[:1] for part in validation), verbose=0)
            # Keras peeks at the first batch before any callback runs, and would shuffle the batches themselves.
            batches.shuffle(start)
            model.fit(
                batches,
                shuffle=False,
                validation_data=validation,
                initial_epoch=start,
                epochs=last,
                verbose=0,
                callbacks=[
                    _Randomness(batches, options.seed),
                    KeepEpochs(checkpoint, phase),
                    progress.epochs(phase, len(batches)),
                ],
            )
        first = last
    return keras.saving.load_model(checkpoint.best, compile=False)


class _Randomness(keras.callbacks.Callback):
    """Ties the randomness of an epoch to its number, so that a resumed run meets the same."""

    def __init__(self, batches, seed):
        super().__init__()
        self._batches, self._seed = batches, seed

    def on_epoch_begin(self, epoch, logs=None):
        self._batches.shuffle(epoch)
        # Model files do not hold the state of random generators.
        self.model.get_layer(HEAD[0]).seed_generator.state.assign([self._seed, epoch])


def _set_trainable(model, phase):
    for layer in model.layers:
        # A batch normalisation that is not trainable also runs on its stored statistics, which few images would spoil.
        norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = phase == "scratch" or layer.name in HEAD or (phase == "all" and not norm)


def _compile(model, rate, steps):
    warm_up = int(_WARM_UP * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 10, max(1, steps - warm_up), warmup_target=rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=_WEIGHT_DECAY)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
