"""The time of every layer of a model in TFLite, measured."""

import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_lightnets.applications.catalog import find_model
from keras_lightnets.applications.family import HEADS
from keras_lightnets.complexity import complexity
from keras_lightnets.detection import SSDLite
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.cutting import OTHER, cut
from keras_lightnets.evaluation.keras_networks import PREFIX, find_keras
from keras_lightnets.evaluation.opening import load_keras
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.files import replacing
from keras_lightnets.quiet import quiet
from keras_lightnets.segmentation import LRASPP

_BUILDERS = {"ssdlite": SSDLite, "lraspp": LRASPP}


class LayerTimes(NamedTuple):
    """Milliseconds of one image on one thread.

    Attributes:
        layers: dict from the name of a layer to its milliseconds. Layers that were fused into others are absent, and
            what belongs to no layer is "other operators".
        network: float, of the whole file.
        call: float, of a call of the interpreter, which is taken off each layer.
    """

    layers: dict[str, float]
    network: float
    call: float

    def to_dict(self):
        """Returns the milliseconds that stand beside no layer, and the milliseconds of the whole."""
        return {"network_ms": self.network, "call_ms": self.call, "other_operators_ms": self.layers.get(OTHER, 0.0)}

    def summary(self):
        """Returns in a sentence how the layers were measured, and how far that agrees with the whole."""
        total, other = sum(self.layers.values()), self.layers.get(OTHER, 0.0)
        return (
            f"Measured in TFLite, float32, one thread, shortest run: the network {self.network:.3f} ms; its layers, "
            f"each run by itself, {total:.3f} ms together ({total / self.network:.0%}; {other:.3f} ms belong to no "
            f"layer). A call of the interpreter, {self.call:.3f} ms, is taken off each."
        )


def open_model(source, size=None):
    """Returns a network by its name, with random weights, or the model in a `.keras` file.

    Args:
        source: str, a name in `list_models()`, one of keras.applications such as "keras:EfficientNetB0", or the path. A
            detector or segmenter on such a network is "ssdlite:MobileNetV2" or "lraspp:MobileNetV3Large", with the
            classes of `list_models("detect")` and `list_models("segment")`.
        size: int, height and width of its images. Defaults to None: the network's own, 320 of detectors, and 512 of
            segmenters.

    Raises:
        UserError: if there is no such network or file, or it does not take the size.
    """
    head, colon, network = source.partition(":")
    if colon and head in HEADS:
        return _BUILDERS[head](open_model(network, size or HEADS[head].size), HEADS[head].classes)
    if not source.endswith(".keras"):
        if source.startswith(PREFIX):
            build, side = find_keras(source).builder, size
        else:
            record = find_model(source)
            build, side = partial(record.builder, **record.kwargs), size or record.input_size
        try:
            return build(weights=None, input_shape=side and (side, side, 3))
        except ValueError as error:
            raise UserError(f"Cannot build {source}: {error}") from error
    model = load_keras(source)
    if size is None or model.input_shape[1:3] == (size, size):
        return model
    inputs = keras.Input((size, size, model.input_shape[-1]))
    try:
        return keras.Model(inputs, model(inputs), name=model.name)
    except ValueError as error:
        raise UserError(f"{source} does not take images of {size}x{size}: {str(error).splitlines()[0]}") from error


def profile(source, size=None, measure=False, output=None):
    """Counts what a network costs, layer by layer, and measures it.

    Args:
        source: str, a name in `list_models()`, one of keras.applications such as "keras:EfficientNetB0", or the path
            of a `.keras` file.
        size: int, height and width of its images. Defaults to None: the network's own.
        measure: bool, whether to put the milliseconds of TFLite beside the layers. Defaults to False.
        output: str or Path ending in .md, .csv or .json to write the tables to. Defaults to None.

    Returns:
        A `Complexity`, and `LayerTimes` or None.

    Raises:
        UserError: as in `open_model` and `layer_times`, for an `output` of another kind, or one that cannot be written.

    Example:

    >>> cost, times = profile("MicroNetM0", size=64, measure=True)
    """
    kind = output and Path(output).suffix
    if kind not in (None, ".md", ".csv", ".json"):
        raise UserError(f"{output} must end in .md, .csv or .json.")
    model = open_model(source, size)
    cost, times = complexity(model), None
    if measure:
        times = layer_times(model, cost)
        left, layers = dict(times.layers), []
        for layer in cost.layers:
            layers.append(layer._replace(milliseconds=left.pop(layer.name.rpartition("/")[-1], None)))
        cost = cost._replace(layers=tuple(layers))
    if output:
        content = {".md": cost.to_markdown, ".csv": cost.to_csv, ".json": cost.to_json}[kind]()
        with replacing(output) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return cost, times


def layer_times(model, cost, rounds=50):
    """Measures every layer of a model in TFLite, float32, under XNNPACK on one thread.

    The delegate hides its operators, so the file is cut where one layer ends and the next begins. Every piece runs by
    itself. What the delegate fuses within a layer stays fused. A round runs all pieces in their order and the whole
    file. The time of a layer is the shortest of the rounds, which a busy machine interrupts least. The time of a call
    that computes next to nothing is subtracted.

    Args:
        model: a functional `keras.Model` with one image input of known size.
        cost: its `keras_lightnets.complexity`.
        rounds: int, number of rounds. Defaults to 50.

    Returns:
        A `LayerTimes`.

    Raises:
        UserError: if the model cannot be exported.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3))
    >>> times = layer_times(model, keras_lightnets.complexity(model))
    >>> max(times.layers, key=times.layers.get)  # doctest: +SKIP
    'stem_3x1'
    """
    madds = {layer.name.rpartition("/")[-1]: layer.madds for layer in cost.layers}
    with Exporter(model) as exporter:
        content = exporter.convert()
    pieces = cut(content, madds)
    nothing = tf.function(lambda x: x + 1.0, input_signature=[tf.TensorSpec((1, 1, 1, 4))])
    with quiet():
        empty = tf.lite.TFLiteConverter.from_concrete_functions([nothing.get_concrete_function()]).convert()
        runners = [_runner(piece) for piece in (*(piece for _, piece in pieces), content, empty)]
    times = [[_invoke_ms(runner) for runner in runners] for _ in range(rounds + 1)][1:]
    *parts, network, call = map(min, zip(*times, strict=True))
    layers = {}
    for (owner, _), part in zip(pieces, parts, strict=True):
        layers[owner] = layers.get(owner, 0.0) + max(part - call, 0.0)
    return LayerTimes(layers, network, call)


def _runner(content):
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        # The delegate takes numbers of any kind in the same time, but for the tiniest.
        interpreter.set_tensor(details["index"], generator.uniform(0.5, 1, details["shape"]).astype(details["dtype"]))
    interpreter.invoke()
    return interpreter


def _invoke_ms(interpreter):
    start = time.perf_counter()
    interpreter.invoke()
    return 1e3 * (time.perf_counter() - start)
