"""A `.tflite` file on one thread of the LiteRT interpreter, floats in and out."""

import statistics
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from keras_lightnets.errors import UserError
from keras_lightnets.quiet import quiet

_SECONDS_PER_FILE = 1.0
_LEAST_RUNS, _MOST_RUNS = 10, 200


class TFLiteModel:
    """A `.tflite` classifier with one image input and one output.

    Args:
        path: str or Path of the file.

    Raises:
        UserError: if the file does not exist, is not a TFLite model, or does not have one input and one output.
    """

    def __init__(self, path):
        path = Path(path)
        if not path.is_file():
            raise UserError(f"{path} does not exist.")
        with path.open("rb") as file:
            if file.read(8)[4:] != b"TFL3":
                raise UserError(
                    f"{path} is not a TFLite model: it does not start as one. Export it with keras-lightnets."
                )
        try:
            with quiet():
                self._interpreter = Interpreter(model_path=str(path), num_threads=1)
                self._interpreter.allocate_tensors()
                # The delegate takes its share of the graph at the first run.
                self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"{path} is damaged or uses operators LiteRT lacks: {str(error).splitlines()[0]}"
            ) from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0]["shape"]) != 4:
            raise UserError(f"{path} is not an image classifier: it needs one image input and one output.")
        self._input, self._output = inputs[0], outputs[0]

    @property
    def input_shape(self):
        """`(1, height, width, channels)`."""
        return tuple(int(side) for side in self._input["shape"])

    @property
    def operators(self):
        """Names of the operators, those inside a delegate too; each `DELEGATE` is one partition."""
        # The public interface has no list of operators.
        return [operator["op_name"] for operator in self._interpreter._get_ops_details()]

    def predict(self, images):
        """Returns float32 outputs `(batch, classes)` for float images `(batch, height, width, channels)`."""
        return np.concatenate([self._run(image[None]) for image in np.asarray(images)])

    def _run(self, image):
        scale, zero = self._input["quantization"]
        if scale:
            limits = np.iinfo(self._input["dtype"])
            image = np.clip(np.round(image / scale) + zero, limits.min, limits.max)
        self._interpreter.set_tensor(self._input["index"], image.astype(self._input["dtype"]))
        self._interpreter.invoke()
        output = self._interpreter.get_tensor(self._output["index"])
        scale, zero = self._output["quantization"]
        return (output.astype("float32") - zero) * scale if scale else output.copy()

    def invoke_ms(self):
        """Runs once on what is in the input, and returns the milliseconds it took."""
        start = time.perf_counter()
        self._interpreter.invoke()
        return 1e3 * (time.perf_counter() - start)


def latencies(models):
    """Times several models side by side, so that a busy moment of the machine strikes all alike.

    Args:
        models: list of `TFLiteModel`.

    Returns:
        List of median milliseconds of one image on one thread.
    """
    once = [min(model.invoke_ms() for _ in range(3)) for model in models]
    runs = int(np.clip(1e3 * _SECONDS_PER_FILE * len(models) / sum(once), _LEAST_RUNS, _MOST_RUNS))
    rounds = [[model.invoke_ms() for model in models] for _ in range(runs)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]
