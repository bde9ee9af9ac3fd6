"""Latency of TFLite files on one thread: python -m benchmarks.tflite_latency.

Every network as float, small (int8 classifier) and int8 file against the conversion of its port to stock layers, and
against keras.applications' MobileNetV2(0.35). All files of a network take turns of a few runs, as a camera feeds them;
the figure is the shortest run. Two columns say what is left: the same graph with ReLU6 in place of Dynamic Shift-Max
and no shuffles, and the time of its multiply-adds at the rate of one large 1x1 convolution on this machine. With
`--authors NAME=CLONE` and PyTorch installed the authors' code runs too, eagerly, and through ONNX Runtime where onnx
and onnxruntime are installed.
"""

import argparse
import importlib.util
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets import complexity
from keras_lightnets.export import to_tflite
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.layers import ChannelShuffle, DynamicShiftMax
from keras_lightnets.quiet import quiet
from tools.naive import naive_port
from tools.networks import BASELINE, KERAS, OURS, authors_network
from tools.seeded import calibrated_scales, seed_weights
from tools.timing import BURST, report, shortest

KINDS = {"float": None, "small": "dynamic", "int8": "int8"}
AUTHORS = ("authors' PyTorch, eager", "authors' ONNX Runtime")


def plain_conversion(model, path, images=None):
    """Converts `model` as TensorFlow's tutorials do; with `images` to int8."""
    with tempfile.TemporaryDirectory() as folder, quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32")]
        model.export(folder, verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if images is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[None]] for image in images)
            converter.inference_input_type = converter.inference_output_type = tf.int8
        path.write_bytes(converter.convert())
    return TFLiteModel(path)


def relu6_twin(model):
    """The same graph, another network: no Dynamic Shift-Max, no shuffle."""

    def plain(layer):
        if isinstance(layer, DynamicShiftMax):
            return keras.layers.ReLU(6.0, name=layer.name)
        if isinstance(layer, ChannelShuffle):
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=plain)


def matrix_rate(folder):
    """Multiply-adds in a millisecond of a 1x1 convolution from 256 to 256 channels of 28x28 pixels."""
    inputs = keras.Input((28, 28, 256))
    conv = plain_conversion(keras.Model(inputs, keras.layers.Conv2D(256, 1)(inputs)), folder / "rate.tflite")
    return 28 * 28 * 256 * 256 / min(conv.invoke_ms() for _ in range(200))


def authors_runs(network, size, folder):
    """Returns callables that run a PyTorch network once on one thread, eagerly and as ONNX file."""
    import torch

    torch.set_num_threads(1)
    network, image = network.eval(), torch.zeros(1, 3, size, size)

    def eager():
        with torch.inference_mode():
            network(image)

    runs = {AUTHORS[0]: eager}
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        path = folder / "authors.onnx"
        try:
            with quiet(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(network, image, path, dynamo=False)
        except RuntimeError as error:
            print("PyTorch cannot export this network:", str(error).splitlines()[0])
            return runs
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: image.numpy()}
        runs[AUTHORS[1]] = lambda: session.run(None, feed)
    return runs


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(OURS), choices=list(OURS), metavar="NAME")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--authors", nargs="+", default=[], metavar="NAME=CLONE")
    options = parser.parse_args()
    clones = dict(pair.split("=", 1) for pair in options.authors)
    shape = {"weights": None, "input_shape": (options.size, options.size, 3)}
    images = np.random.RandomState(0).standard_normal((16, *shape["input_shape"])).astype("float32")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rate = matrix_rate(folder)
        peers = {peer: plain_conversion(build(**shape), folder / "peer.tflite") for peer, build in KERAS.items()}
        for name in options.networks:
            model = OURS[name](**shape)
            seed_weights(model, calibrated_scales(model, images[:1]))
            files = {**peers, "naive": plain_conversion(naive_port(model), folder / "naive.tflite")}
            files["naive int8"] = plain_conversion(naive_port(model), folder / "naive8.tflite", images)
            reports = {}
            for kind, quantization in {**KINDS, "twin": None}.items():
                path = folder / f"{kind}.tflite"
                reports[kind] = to_tflite(relu6_twin(model) if kind == "twin" else model, path, quantization, images)
                files[kind] = TFLiteModel(path)
            runs = {file: runner.invoke_ms for file, runner in files.items()}
            if name in clones:
                runs |= authors_runs(authors_network(name, clones[name]), options.size, folder)
            times = shortest(runs, options.rounds)
            limit = complexity(model).madds / rate
            for kind in KINDS:
                rows.append(
                    [
                        f"{name}, {kind}",
                        f"{times[kind]:.2f}",
                        f"{reports[kind].size_bytes / 1e6:.2f}",
                        str(reports[kind].partitions),
                        f"{times[kind] / times['naive']:.2f}",
                        f"{times[kind] / times['naive int8']:.2f}",
                        f"{times[kind] / times[BASELINE]:.2f}",
                        f"{times[kind] / times['keras MobileNetV3Small']:.2f}",
                        f"{times[kind] / times['twin']:.2f}",
                        f"{times[kind] / limit:.1f}",
                        *(f"{times[kind] / times[run]:.2f}" if run in times else "" for run in AUTHORS),
                    ]
                )
    columns = ["file", "ms", "MB", "partitions", "/ naive float", "/ naive int8", "/ MobileNetV2(0.35)"]
    columns += ["/ MobileNetV3Small", "/ ReLU6 twin", "/ its multiply-adds", *(f"/ {run}" for run in AUTHORS)]
    runs = f"shortest of {options.rounds} times {BURST} runs"
    note = f"TFLite latency, {options.size}x{options.size}, one thread, batch 1, {runs}"
    report("tflite_latency", note, columns, rows)


if __name__ == "__main__":
    main()
