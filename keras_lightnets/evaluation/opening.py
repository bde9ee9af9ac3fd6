"""Model files, whoever wrote them: opened and checked, or refused in one line."""

import functools
from pathlib import Path

import keras
import numpy as np

import keras_lightnets.applications.pyramid
import keras_lightnets.detection
import keras_lightnets.layers  # noqa: F401  (they register the classes that model files name)
from keras_lightnets.errors import UserError
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.export.metadata import metadata_of
from keras_lightnets.graph import functional, operations
from keras_lightnets.weights.readers import check_archive


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
    """An image classifier in a `.keras` or `.tflite` file.

    Args:
        path: str or Path.

    Attributes:
        path: Path.
        network: the `keras.Model` or `TFLiteModel`.

    Raises:
        UserError: if the file does not exist, is damaged or of another kind, or holds no image classifier.
    """

    def __init__(self, path):
        self.path = Path(path)
        if self.path.suffix not in (".keras", ".tflite"):
            raise UserError(f"{self.path} is neither a .tflite nor a .keras file.")
        if self.path.suffix == ".tflite":
            self.network = TFLiteModel(self.path)
            inputs, outputs = [self.network.input_shape], self.network.output_shapes
        else:
            self.network = load_keras(self.path)
            inputs, outputs = ([tuple(x.shape) for x in ends] for ends in (self.network.inputs, self.network.outputs))
        if len(inputs) != 1 or len(inputs[0]) != 4 or len(outputs) != 1 or len(outputs[0]) != 2:
            raise UserError(f"{self.path} is no image classifier: it has the inputs {inputs} and outputs {outputs}.")
        self.input_shape, self.classes = inputs[0], outputs[0][1]

    @functools.cached_property
    def metadata(self):
        """The `Metadata` inside the file; a UserError if there are none, or they do not fit the network."""
        metadata = metadata_of(self.path)
        if len(metadata.labels) != self.classes:
            raise UserError(f"{self.path} names {len(metadata.labels)} labels, but has {self.classes} outputs.")
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
        if not np.isfinite(scores).all():
            raise UserError(f"{self.path} gives scores that are not finite: its weights are damaged, or it diverged.")
        return scores
