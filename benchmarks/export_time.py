"""Time to export a network to TFLite: python -m benchmarks.export_time.

Fusing, tracing and conversion to float, without the check against the Keras model, against the plain conversion of
its port to stock layers; both take turns.
"""

import tempfile
from pathlib import Path

from benchmarks.tflite_latency import plain_conversion
from keras_lightnets.export import fuse
from keras_lightnets.kernels.export_scope import export_scope
from tools.naive import naive_port
from tools.networks import OURS
from tools.timing import in_turns, ratio, report, shown

ROUNDS = 3


def main():
    """Prints the table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        for name, build in OURS.items():
            model = build(weights=None)
            port = naive_port(model)

            def ours(model=model):
                with export_scope():
                    plain_conversion(fuse(model), path)

            runs = {
                "ours": ours,
                "naive": lambda port=port: plain_conversion(port, path),
                "fuse": lambda m=model: fuse(m),
            }
            times = in_turns(runs, ROUNDS, warm_up=0)
            seconds = [f"{min(times[run]) / 1e3:.1f}" for run in ("fuse", "ours", "naive")]
            rows.append([name, *seconds, shown(ratio(times, "naive", "ours"))])
    columns = ["network", "fusing, s", "export, s", "naive export, s", "ours over naive"]
    report("export_time", "Time to export to TFLite, best of three, 224x224", columns, rows)


if __name__ == "__main__":
    main()
