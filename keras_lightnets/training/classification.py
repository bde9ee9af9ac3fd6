"""Learning the class of an image: what the training loop asks about the task."""

import keras
import numpy as np

from keras_lightnets.data.pipeline import evaluation_batches, training_batches
from keras_lightnets.evaluation.measures import predict_source, summarize
from keras_lightnets.export.tflite import QUANTIZATIONS
from keras_lightnets.training.delivery import calibration_images, some_images
from keras_lightnets.training.task import Task


class Classification(Task):
    """The batches, the loss, the figures and the files of a classifier.

    Attributes:
        files: dict from the name of each `.tflite` file to the arguments of `to_tflite` that make it.
    """

    files = {f"model_{kind or 'float32'}.tflite": {"quantization": kind} for kind in QUANTIZATIONS}

    def training_batches(self, first_step, **shard):
        """Returns the training batches from a step on, without end, as `data.pipeline.training_batches` does."""
        return training_batches(self.data.splits["train"], len(self.data.classes), self.config, first_step, **shard)

    def validation_batches(self, **shard):
        """Returns the validation batches, again and again."""
        images, classes = self.data.splits["validation"], len(self.data.classes)
        return evaluation_batches(images, classes, self.config.evaluation, **shard).repeat()

    def objective(self):
        """Returns the loss and the metrics, as arguments of `keras.Model.compile`."""
        smoothing = self.config.label_smoothing
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

    def finished_model(self):
        """Returns the network as users get it, its weights not loaded yet."""
        return self._build(self.config, len(self.data.classes), activation="softmax")

    def test(self, model):
        """Returns what `summarize` finds on the test images, and the accuracy beside it."""
        scores, labels = predict_source(model, self.data.splits["test"], len(self.data.classes), self.config.evaluation)
        return {"test_accuracy": float(np.mean(scores.argmax(-1) == labels)), "test": summarize(scores, labels)}

    def samples(self):
        """Returns test images, drawn by the seed, that every exported file is compared on, and their classes."""
        return some_images(self.data.splits["test"], len(self.data.classes), self.config)

    def calibration_images(self):
        """Returns parts of training images for the ranges of activations, without mixing or distortion."""
        return calibration_images(self.data, self.config)

    def compared(self, reference, labels):
        """Returns the accuracy of the model of a `Reference` on its samples."""
        return reference.accuracy()

    def picture(self, model, output):
        """Draws nothing: a classifier says nothing about places."""
