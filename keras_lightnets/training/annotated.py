"""What detectors and segmenters have in common as tasks of the training loop."""

import dataclasses

import keras

from keras_lightnets.data.annotations import evaluation_batches, training_batches
from keras_lightnets.data.pipeline import Evaluation
from keras_lightnets.export.images import CALIBRATION_IMAGES
from keras_lightnets.preprocessing import RAW
from keras_lightnets.training.task import Task

# Exports are run one image at a time, and what they return is kept.
_COMPARED_IMAGES = 2000
_COMPARED_PIXELS = 2**25
_SHOWN_IMAGES = 12


class AnnotatedTask(Task):
    """The batches and the files of a network that learns from boxes or masks.

    Attributes:
        files: dict from the name of each `.tflite` file to the arguments of `to_tflite` that make it.
    """

    # "dynamic" is about the layers of a classifier.
    files: dict[str, dict] = {
        f"model_{kind or 'float32'}.tflite": {"quantization": kind} for kind in (None, "float16", "int8")
    }

    def training_batches(self, first_step, **shard):
        """Returns the training batches from a step on, without end."""
        return training_batches(self.data.splits["train"], self.config.task, self.config, first_step, **shard)

    def validation_batches(self, **shard):
        """Returns the validation batches, again and again."""
        return self.batches(self.data.splits["validation"], **shard).repeat()

    def batches(self, source, **shard):
        """Returns every image of a `Source` once."""
        return evaluation_batches(source, self.config.task, self.config.evaluation, **shard)

    def finished_model(self):
        """Returns the network as users get it, its weights not loaded yet."""
        return self._build(self.config, len(self.data.classes))

    def samples(self):
        """Returns test images, drawn by the seed, that every exported file is compared on, and their targets."""
        count = min(_COMPARED_IMAGES, max(1, _COMPARED_PIXELS // self.config.size**2))
        return self._drawn(count, self.config.evaluation)

    def shown(self):
        """Returns some of these images as pixels, uint8, their targets, and the same images for the network."""
        plain = Evaluation(self.config.size, 1.0, RAW, self.config.batch_size)
        pixels, targets = self._drawn(_SHOWN_IMAGES, plain)
        return pixels.astype("uint8"), targets, self.config.record.preprocessing(pixels)

    def _drawn(self, count, evaluation):
        source = self.data.splits["test"]
        count = min(count, source.count)
        seed = keras.ops.convert_to_tensor([self.config.seed, 1], "int64")
        chosen = source._replace(count=count, ordered=lambda _: source.ordered(seed).take(count))
        evaluation = evaluation._replace(batch_size=count)
        return next(evaluation_batches(chosen, self.config.task, evaluation).as_numpy_iterator())

    def calibration_images(self):
        """Returns parts of training images for the ranges of activations, without distortion."""
        source = self.data.splits["train"]
        count = min(CALIBRATION_IMAGES, source.count)
        plain = dataclasses.replace(self.config, batch_size=count, steps_per_execution=1, jitter=0.0, erasing=0.0)
        return next(training_batches(source, self.config.task, plain).as_numpy_iterator())[0]
