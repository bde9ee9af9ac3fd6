"""Model files of any origin: opened and checked, or refused in one line."""

import functools
from pathlib import Path

import keras
import numpy as np

import keras_lightnets.applications.pyramid
import keras_lightnets.layers  # noqa: F401  (they register the classes that model files name)
from keras_lightnets.detection import Anchors, decode_detections
from keras_lightnets.errors import UserError
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.export.metadata import anchors_in, metadata_of
from keras_lightnets.graph import functional, operations
from keras_lightnets.weights.readers import check_archive

NETWORKS = {"classify": "image classifier", "detect": "detector", "segment": "segmenter"}


def load_keras(path):
    """Returns the model in a `.keras` file, as a functional `keras.Model`.

    Raises:
        UserError: if the file does not exist, is damaged, or is no functional model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    try:
        check_archive(path)
        model = functional(keras.saving.load_model(path, compile=False))
    # What Keras raises for damaged files is not documented.
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(f"{path} is not a Keras model that can be loaded: {reason:.300}") from error
    for layer in operations(model):
        if isinstance(layer, keras.layers.Layer) and not all(np.isfinite(each).all() for each in layer.get_weights()):
            raise UserError(f"{path} is damaged: its layer {layer.name} has weights that are NaN or infinite.")
    return model


class ModelFile:
    """A network in a `.keras` or `.tflite` file.

    Args:
        path: str or Path.
        tasks: what it may be for, among `NETWORKS`. Defaults to classifiers alone.

    Attributes:
        path: Path.
        network: the `keras.Model` or `TFLiteModel`.
        task: "classify", "detect" or "segment".
        classes: int, number of classes. None for a detector that gives whole detections.

    Raises:
        UserError: if the file does not exist, is damaged or of another kind, or holds another network.
    """

    def __init__(self, path, tasks=("classify",)):
        self.path = Path(path)
        if self.path.suffix not in (".keras", ".tflite"):
            raise UserError(f"{self.path} is neither a .tflite nor a .keras file.")
        if self.path.suffix == ".tflite":
            self.network = TFLiteModel(self.path)
            inputs, outputs = [self.network.input_shape], self.network.output_shapes
        else:
            self.network = load_keras(self.path)
            inputs, outputs = ([tuple(x.shape) for x in ends] for ends in (self.network.inputs, self.network.outputs))
        self.task = _task(outputs) if len(inputs) == 1 and len(inputs[0]) == 4 else None
        if self.task not in tasks:
            wanted = " or ".join(f"no {NETWORKS[task]}" for task in tasks)
            raise UserError(f"{self.path} is {wanted}: it has the inputs {inputs} and outputs {outputs}.")
        self.input_shape, self.classes = inputs[0], outputs[-1][-1] if len(outputs) < 3 else None
        if self.task == "detect" and isinstance(self.network, keras.Model):
            # The first is the background.
            self.classes -= 1

    @functools.cached_property
    def metadata(self):
        """The `Metadata` inside the file. Raises a UserError if there are none, or they do not fit the network."""
        metadata = metadata_of(self.path)
        if metadata.task != self.task:
            raise UserError(f"{self.path} says that its task is to {metadata.task}, but its outputs {self.task}.")
        if self.classes not in (None, len(metadata.labels)):
            raise UserError(f"{self.path} names {len(metadata.labels)} labels, but has {self.classes} classes.")
        sides = {side for side in self.input_shape[1:3] if side is not None}
        if sides - {metadata.size} or self.input_shape[3] != 3:
            taken = "x".join(map(str, self.input_shape[1:]))
            raise UserError(
                f"{self.path} says that its images are {metadata.size}x{metadata.size}x3, but takes {taken}."
            )
        return metadata

    def predict(self, images, verbose=0):
        """Returns the scores `(n, classes)` of images, as `keras.Model.predict` does.

        Args:
            images: float array `(n, height, width, channels)` or a `tf.data.Dataset` of such batches.
            verbose: int, as in Keras. Defaults to 0.

        Raises:
            UserError: if a score is not finite.
        """
        if isinstance(self.network, keras.Model):
            scores = self.network.predict(images, verbose=verbose)
        else:
            batches = [images] if isinstance(images, np.ndarray) else images.as_numpy_iterator()
            scores = np.concatenate([self.network.predict(batch) for batch in batches])
        self._check_finite(scores)
        return scores

    def detect(self, images, **options):
        """Returns the detections of a batch of images as `decode_detections` does.

        Args:
            images: float array `(n, height, width, channels)`.
            **options: arguments of `decode_detections`. A file that gives whole detections has its own.

        Raises:
            UserError: if an output is not finite, or the file does not tell its anchors.
        """
        outputs = self._outputs(images)
        if len(outputs) == 4:
            boxes, labels, count, scores = outputs
            return {"boxes": boxes, "labels": labels.astype(int), "scores": scores, "count": count.astype(int)}
        scores = "classes" if isinstance(self.network, keras.Model) else "scores"
        return decode_detections(dict(zip(("boxes", scores), outputs, strict=True)), self._anchors, **options)

    def segment(self, images):
        """Returns the class of every pixel of a batch of images, an int array `(n, height, width)`.

        Args:
            images: float array `(n, height, width, channels)`.

        Raises:
            UserError: if an output is not finite.
        """
        return self._outputs(images)[0].argmax(-1)

    @functools.cached_property
    def _anchors(self):
        own = isinstance(self.network, keras.Model)
        about = anchors_in(self.network).get("anchors") if own else self.metadata.anchors
        if about is None:
            raise UserError(f"{self.path} does not tell its anchors. Export it again with keras-lightnets.")
        return Anchors(**about).anchors

    def _outputs(self, images):
        if isinstance(self.network, keras.Model):
            outputs = keras.tree.flatten(self.network.predict_on_batch(images))
        else:
            outputs = keras.tree.flatten(self.network.predict(images))
        for output in outputs:
            self._check_finite(output)
        return outputs

    def _check_finite(self, outputs):
        if not np.isfinite(outputs).all():
            raise UserError(f"{self.path} gives scores that are not finite: its weights are damaged, or it diverged.")


def _task(outputs):
    """Returns what a network with outputs of some shapes is for, or None."""
    ranks = tuple(map(len, outputs))
    tasks = {(2,): "classify", (4,): "segment", (3, 3): "detect", (3, 2, 1, 2): "detect"}
    return None if tasks.get(ranks) == "detect" and outputs[0][-1] != 4 else tasks.get(ranks)
