"""What one fused operator for Dynamic Shift-Max would give in TFLite: python -m benchmarks.shift_max_operator.

Every MicroNet stands beside two networks that are not it, but have the cost of an engine with the operator. In the
one-pass twin each Dynamic Shift-Max computes its coefficients and then multiplies every pixel once, as one operator
would that reads and writes the map once. The ReLU6 twin has no activation outside the convolutions: the least that is
possible. All files take turns on one thread.
"""

import argparse
import tempfile
from pathlib import Path

import keras
from keras import ops

from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.layers import ChannelShuffle, DynamicShiftMax
from tools.networks import BASELINE, KERAS, OURS
from tools.timing import BURST, report, shortest

NETWORKS = [name for name in OURS if name.startswith("MicroNet")]


class OnePass(DynamicShiftMax):
    """Computes all coefficients of Dynamic Shift-Max, and scales each channel by their largest."""

    def call(self, inputs):
        """Reads the map for the average, and reads and writes it once."""
        coefficients = ops.relu6(self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2)))) + 3.0)
        parts = ops.reshape(coefficients, (1, 2 * self.pieces, inputs.shape[-1]))
        return inputs * ops.reshape(ops.max(parts, axis=1), (1, 1, 1, -1))


def twin(model, replace):
    """Returns `model` without shuffles, its Dynamic Shift-Max replaced by what `replace` makes of the layer."""

    def rebuilt(layer):
        if isinstance(layer, DynamicShiftMax):
            return replace(layer)
        if isinstance(layer, ChannelShuffle):
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=rebuilt)


TWINS = {
    "one-pass twin": lambda layer: OnePass.from_config(layer.get_config()),
    "ReLU6 twin": lambda layer: keras.layers.ReLU(6.0, name=layer.name),
}


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS, metavar="NAME")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    shape = {"weights": None, "input_shape": (options.size, options.size, 3)}
    rows = []
    with tempfile.TemporaryDirectory() as folder:

        def file(model, name):
            path = Path(folder) / f"{name}.tflite"
            with Exporter(model) as exporter:
                path.write_bytes(exporter.convert())
            return TFLiteModel(path)

        baseline = file(KERAS[BASELINE](**shape), "baseline")
        for name in options.networks:
            model = OURS[name](**shape)
            files = {BASELINE: baseline, "file": file(model, "own")}
            files |= {kind: file(twin(model, replace), kind) for kind, replace in TWINS.items()}
            times = shortest({kind: runner.invoke_ms for kind, runner in files.items()}, options.rounds)
            shares = [f"{times[kind] / times[BASELINE]:.2f}" for kind in ("file", *TWINS)]
            rows.append([name, f"{times['file']:.2f}", *shares, f"{times['file'] / times['one-pass twin']:.2f}"])
    columns = ["network", "ms", "/ MobileNetV2(0.35)", "with one pass", "with none", "times the speed by one pass"]
    runs = f"shortest of {options.rounds} times {BURST} runs"
    report(
        "shift_max_operator",
        f"One operator for Dynamic Shift-Max, {options.size}x{options.size}, {runs}",
        columns,
        rows,
    )


if __name__ == "__main__":
    main()
