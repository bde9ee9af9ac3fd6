"""A `.tflite` file on one thread of the LiteRT interpreter, floats in and out."""

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_lightnets.errors import UserError
from keras_lightnets.export import trial
from keras_lightnets.quiet import quiet

_SECONDS_PER_FILE = 1.0
_LEAST_RUNS, _MOST_RUNS = 10, 200
# The largest networks take a second, and the child process two to start on a busy machine.
_TRIAL_SECONDS = 120
# The files, by path, size and time of writing, that this process wrote itself or that ran in a child process.
_sound: set[tuple] = set()


class TFLiteModel:
    """A `.tflite` model with one image input.

    LiteRT ends the process at some damaged files, so that a file from elsewhere runs in a child process first.

    Args:
        path: str or Path of the file.
        reference_kernels: bool, whether to run TFLite's slow reference kernels in the place of XNNPACK's. Defaults to
            False.

    Raises:
        UserError: if the file does not exist, is not a TFLite model, does not run, or does not have one image input.
    """

    def __init__(self, path, reference_kernels=False):
        path = Path(path)
        _check_start(path)
        if _identity(path) not in _sound:
            _try_in_child(path)
            vouch_for(path)
        try:
            with quiet():
                kernels = OpResolverType.BUILTIN_REF if reference_kernels else OpResolverType.AUTO
                self._interpreter = Interpreter(
                    model_path=str(path), num_threads=1, experimental_op_resolver_type=kernels
                )
                self._interpreter.allocate_tensors()
                # The delegate takes its share of the graph at the first run.
                self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise _damaged(path, str(error).splitlines()[0]) from error
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1 or len(inputs[0]["shape"]) != 4:
            raise UserError(f"{path} is not an image model: it needs one image input.")
        (self._input,), self._outputs = inputs, self._ordered_outputs(path)
        if any(shape[:1] != (1,) for shape in (self.input_shape, *self.output_shapes)):
            raise UserError(f"{path} is not for one image: its outputs have the shapes {self.output_shapes}.")

    def _ordered_outputs(self, path):
        """The outputs in the order of the Keras model, which their names in the signature have and the file has not."""
        details = self._interpreter.get_output_details()
        if not details:
            raise _damaged(path, "it has no outputs")
        signatures = self._interpreter.get_signature_list()
        if len(details) == 1 or len(signatures) != 1:
            return details
        named = self._interpreter.get_signature_runner(next(iter(signatures))).get_output_details()
        ordered = [named[name] for name in in_order(named)]
        if {output["index"] for output in ordered} != {output["index"] for output in details}:
            raise _damaged(path, "its signature has other outputs than its graph")
        return ordered

    @property
    def input_shape(self):
        """`(1, height, width, channels)`."""
        return tuple(int(side) for side in self._input["shape"])

    @property
    def io(self):
        """The name of the type of the input, such as "uint8"."""
        return np.dtype(self._input["dtype"]).name

    @property
    def output_shapes(self):
        """The shapes of the outputs, with their batch of 1."""
        return [tuple(int(side) for side in output["shape"]) for output in self._outputs]

    @property
    def ends(self):
        """The dtype, scale and zero point of the input and of each output, dicts. The scale of a float is 0."""
        details = (self._input, *self._outputs)
        return [
            {"dtype": np.dtype(end["dtype"]).name, **dict(zip(("scale", "zero"), end["quantization"], strict=True))}
            for end in details
        ]

    @property
    def operators(self):
        """Names of the operators, those inside a delegate too. Each `DELEGATE` is one partition."""
        # The public interface has no list of operators.
        return [operator["op_name"] for operator in self._interpreter._get_ops_details()]  # noqa: SLF001

    def predict(self, images):
        """Returns float32 outputs for float images `(batch, height, width, channels)`.

        Returns:
            An array `(batch, ...)`, or a list of them if the model has several outputs.
        """
        rows = [self._run(image[None]) for image in np.asarray(images)]
        outputs = [np.concatenate(parts) for parts in zip(*rows, strict=True)]
        return outputs[0] if len(outputs) == 1 else outputs

    def _run(self, image):
        scale, zero = self._input["quantization"]
        if scale:
            limits = np.iinfo(self._input["dtype"])
            image = np.clip(np.round(image / scale) + zero, limits.min, limits.max)
        self._interpreter.set_tensor(self._input["index"], image.astype(self._input["dtype"]))
        self._interpreter.invoke()
        return [self._output(details) for details in self._outputs]

    def _output(self, details):
        output = self._interpreter.get_tensor(details["index"])
        scale, zero = details["quantization"]
        return (output.astype("float32") - zero) * scale if scale else output.copy()

    def invoke_ms(self):
        """Runs once on what is in the input, and returns the milliseconds it took."""
        start = time.perf_counter()
        self._interpreter.invoke()
        return 1e3 * (time.perf_counter() - start)


def in_order(names):
    """Returns the names of the outputs of a signature in the order of the Keras model, by number or as in its dict."""
    numbered = all(re.fullmatch(r"output_\d+", name) for name in names)
    return sorted(names, key=lambda name: (len(name), name) if numbered else name)


def vouch_for(path):
    """Notes that a file needs no trial: this process wrote it."""
    _sound.add(_identity(path))


def _identity(path):
    path = Path(path)
    about = path.stat()
    return path.resolve(), about.st_size, about.st_mtime_ns


def _check_start(path):
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    with path.open("rb") as file:
        if file.read(8)[4:] != b"TFL3":
            raise UserError(f"{path} is not a TFLite model: it does not start as one. Export it with keras-lightnets.")


def _try_in_child(path):
    """Raises a `UserError` if a file does not run in another process."""
    # Run by its path, `trial` imports nothing of this package.
    command = [sys.executable, "-P", trial.__file__, str(path)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        raise _damaged(path, f"it runs for more than {_TRIAL_SECONDS} seconds") from None
    if run.returncode:
        reason = run.stdout.strip().splitlines()
        raise _damaged(path, reason[-1] if reason else f"it ends the process that runs it (status {run.returncode})")


def _damaged(path, reason):
    return UserError(f"{path} is damaged or uses operators LiteRT lacks: {reason}. Export it again.")


def latencies(models):
    """Times several models side by side, so that a busy moment of the machine strikes all alike.

    Args:
        models: list of `TFLiteModel`.

    Returns:
        List of median milliseconds of one image on one thread.
    """
    if not models:
        return []
    once = [min(model.invoke_ms() for _ in range(3)) for model in models]
    runs = int(np.clip(1e3 * _SECONDS_PER_FILE * len(models) / sum(once), _LEAST_RUNS, _MOST_RUNS))
    rounds = [[model.invoke_ms() for model in models] for _ in range(runs)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]
