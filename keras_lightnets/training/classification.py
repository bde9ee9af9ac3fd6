"""Learning the class of an image: what the training loop asks about the task."""

import keras

from keras_lightnets.data.pipeline import evaluation_batches, evaluation_steps, steps_per_epoch, training_batches
from keras_lightnets.training.delivery import deliver


class Classification:
    """The batches, the loss, the figures and the files of a classifier. Another task has the same methods.

    Args:
        config: `Config`.
        data: `Data`.
        build: function from a `Config` and a number of classes to the network with a softmax.

    Attributes:
        steps: int, batches per epoch.
        validation_steps: int, batches that hold every validation image once.
        held_out: bool, whether the validation images are others than the test images.
    """

    def __init__(self, config, data, build):
        self._config, self._data, self._build = config, data, build
        self.steps = steps_per_epoch(data.splits["train"], config)
        self.held_out = data.splits["validation"] is not data.splits["test"]
        self.validation_steps = evaluation_steps(data.splits["validation"], config.batch_size)

    def training_batches(self, first_step, **shard):
        """Returns the training batches from a step on, without end, as `data.pipeline.training_batches` does."""
        return training_batches(self._data.splits["train"], len(self._data.classes), self._config, first_step, **shard)

    def validation_batches(self, **shard):
        """Returns the validation batches, again and again."""
        images, classes = self._data.splits["validation"], len(self._data.classes)
        return evaluation_batches(images, classes, self._config.evaluation, **shard).repeat()

    def objective(self):
        """Returns the loss and the metrics, as arguments of `keras.Model.compile`."""
        smoothing = self._config.label_smoothing
        return {
            "loss": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
            "weighted_metrics": [
                "accuracy",
                keras.metrics.CategoricalCrossentropy(name="cross_entropy", from_logits=True),
            ],
        }

    def figures(self, logs):
        """Returns the figures of an epoch for its history, a dict of float, from the logs of Keras."""
        # The validation loss has no label smoothing.
        figures = {name: logs[name] for name in ("loss", "accuracy", "val_accuracy")}
        return {**figures, "val_loss": logs["val_cross_entropy"]}

    def line(self, figures):
        """Returns the figures of an epoch as text for the terminal."""
        return (
            f"loss {figures['loss']:.3f}  accuracy {figures['accuracy']:6.2%}  "
            f"validation {figures['val_accuracy']:6.2%}"
        )

    def rank(self, epoch):
        """Returns what the best epoch of a history has most of: validation accuracy, then a low validation loss."""
        return epoch["val_accuracy"], -epoch["val_loss"]

    def check(self):
        """Raises a UserError that names the first image that cannot be read."""
        for source in self._data.splits.values():
            source.check()

    def finished_model(self):
        """Returns the network as users get it, its weights not loaded yet."""
        return self._build(self._config, len(self._data.classes))

    def deliver(self, model, about, step):
        """Writes the output folder, and returns its report."""
        return deliver(model, self._config, self._data, about, step)
