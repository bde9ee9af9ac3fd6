"""Training time of GroupedConv2D against keras.layers.Conv2D(groups=...): python -m benchmarks.grouped_conv.

One forward and backward pass of single layers at shapes of MicroNet and ShuffleNet, both sides interleaved, median of
20 rounds; the last column is the ratio of the two.
"""

import statistics
import time

import keras
import rich.console
import rich.table
import tensorflow as tf

from keras_lightnets.layers import GroupedConv2D

# Channels, filters, groups, side of the map.
LAYERS = ((16, 64, 4, 14), (64, 256, 8, 7), (96, 384, 12, 7), (240, 60, 3, 14), (384, 96, 8, 14))
BATCH, ROUNDS = 32, 20


def _step(layer, x):
    layer.build(x.shape)

    @tf.function(jit_compile=False)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, [x, layer.kernel.value])

    step()
    return step


def _milliseconds(step):
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)


def main():
    """Prints the table."""
    table = rich.table.Table("layer", "Keras, ms", "ours, ms", "Keras / ours")
    for channels, filters, groups, side in LAYERS:
        x = tf.random.normal((BATCH, side, side, channels))
        kinds = (keras.layers.Conv2D, GroupedConv2D)
        steps = [_step(kind(filters, 1, groups=groups, use_bias=False), x) for kind in kinds]
        rounds = [[_milliseconds(step) for step in steps] for _ in range(ROUNDS)]
        theirs, ours = (statistics.median(times) for times in zip(*rounds, strict=True))
        name = f"{side}x{side}, {channels} to {filters}, {groups} groups"
        table.add_row(name, f"{theirs:.2f}", f"{ours:.2f}", f"{theirs / ours:.1f}")
    rich.console.Console().print(table)


if __name__ == "__main__":
    main()
