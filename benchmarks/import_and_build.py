"""Time to import the package and to build its networks: python -m benchmarks.import_and_build.

The import is what `import keras_lightnets` adds to `import keras` in fresh processes that take turns. Building is per
layer of the network, against keras.applications' MobileNetV2.
"""

import statistics
import subprocess
import sys

import keras

import keras_lightnets as kl
from tools.timing import in_turns, ratio, report, shown

ROUNDS = 9
_TIMED = "import time; import keras; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def _seconds(statement):
    command = [sys.executable, "-c", _TIMED.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main():
    """Prints both tables."""
    added = [_seconds("import keras_lightnets") for _ in range(ROUNDS)]
    low, middle, high = statistics.quantiles(added, n=4)
    rows = [["import keras_lightnets", f"{1e3 * middle:.0f} ({1e3 * low:.0f}-{1e3 * high:.0f})"]]
    report("import", "What the import adds to `import keras`", ["statement", "ms, median and quartiles"], rows)
    builders = {
        name: getattr(kl, name)
        for name in dir(kl.applications)
        if name[0].isupper() and callable(getattr(kl, name, None))
    }
    baseline = "keras MobileNetV2"
    builders = {baseline: keras.applications.MobileNetV2, **builders}
    layers = {name: len(build(weights=None).layers) for name, build in builders.items()}
    runs = {name: lambda build=build: build(weights=None) for name, build in builders.items()}
    times = in_turns(runs, ROUNDS, warm_up=1)
    per_layer = {name: [value / layers[name] for value in values] for name, values in times.items()}
    rows = [
        [name, str(layers[name]), f"{min(times[name]):.0f}", shown(ratio(per_layer, baseline, name))]
        for name in builders
    ]
    columns = ["network", "layers", "best ms", "time per layer over the baseline's"]
    report("build", f"Building a network; baseline: {baseline}", columns, rows)


if __name__ == "__main__":
    main()
