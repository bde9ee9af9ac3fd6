"""Training time of single primitives against stock Keras layers: python -m benchmarks.primitives.

One forward and backward pass, batch 128, at shapes that the networks have for images of 64x64. Both sides take turns.
"""

import tensorflow as tf

from keras_lightnets import layers
from tools.naive import stock_layer
from tools.timing import in_turns, ratio, report, shown

BATCH, ROUNDS = 128, 20
# A layer, and the height and channels of its input.
CASES = {
    "1x1, 972 to 174": (lambda: layers.GroupedConv2D(174, use_bias=False), 2, 972),
    "1x1 of one pixel, 504 to 42": (lambda: layers.GroupedConv2D(42), 1, 504),
    "1x1 in 4 groups, 16 to 64": (lambda: layers.GroupedConv2D(64, groups=4, use_bias=False), 4, 16),
    "1x1 in 8 groups, 64 to 256": (lambda: layers.GroupedConv2D(256, groups=8, use_bias=False), 2, 64),
    "1x1 in 3 groups, 240 to 60": (lambda: layers.GroupedConv2D(60, groups=3, use_bias=False), 4, 240),
    "1x1 in 8 groups, 384 to 96": (lambda: layers.GroupedConv2D(96, groups=8, use_bias=False), 4, 384),
    "depthwise 3x1, stride 2, 8 to 16": (lambda: layers.AxialDepthwiseConv2D(3, "height", 2, 2), 16, 8),
    "depthwise 1x5, 64": (lambda: layers.AxialDepthwiseConv2D(5, "width"), 4, 64),
    "shuffle in 4 groups, 16": (lambda: layers.ChannelShuffle(4), 16, 16),
    "shuffle in 3 groups, 240": (lambda: layers.ChannelShuffle(3), 4, 240),
    "Dynamic Shift-Max, 32": (lambda: layers.DynamicShiftMax(8, 8), 8, 32),
    "Dynamic Shift-Max, 256": (lambda: layers.DynamicShiftMax(8, 16), 2, 256),
    "SiLU, 96": (lambda: layers.SiLU(), 32, 96),
    "batch normalisation, 2": (lambda: layers.BatchNormalization(), 32, 2),
    "batch normalisation, 32": (lambda: layers.BatchNormalization(), 8, 32),
    "batch normalisation, 240": (lambda: layers.BatchNormalization(), 4, 240),
}


def _step(layer, x):
    layer.build(x.shape)
    variables = [variable.value for variable in layer.trainable_variables]
    weights = tf.random.normal(layer.compute_output_shape(x.shape))

    @tf.function(jit_compile=False, autograph=False)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * weights)
        return tape.gradient(loss, [x, *variables])

    return step


def main():
    """Prints the table."""
    rows = []
    for name, (make, side, channels) in CASES.items():
        x = tf.random.normal((BATCH, side, side, channels))
        times = in_turns({"ours": _step(make(), x), "stock": _step(stock_layer(make()), x)}, ROUNDS)
        best = {kind: min(values) for kind, values in times.items()}
        rows.append(
            [
                name,
                f"{side}x{side}",
                f"{best['stock']:.2f}",
                f"{best['ours']:.2f}",
                shown(ratio(times, "ours", "stock")),
            ]
        )
    columns = ["primitive", "map", "stock layers, best ms", "ours, best ms", "times the speed"]
    report("primitives", f"Forward and backward pass of one layer, batch {BATCH}", columns, rows)


if __name__ == "__main__":
    main()
