"""Writes docs/performance.md from the results of the benchmarks: python -m benchmarks.performance_page."""

import json
from pathlib import Path

from tools.timing import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_HEAD = """# Performance

This page shows how fast the networks run in TFLite, train, export and build, beside their rivals. Each table was
measured side by side in one run. Ratios carry over between machines better than times. Run the commands, then
`python -m benchmarks.performance_page` to write this page.

A column "/ X" has the time divided by the time of X: below 1 is faster than X. *Small* files have an int8 classifier
(`"dynamic"`). *Naive* files are converted from stock Keras layers. The *ReLU6 twin* has ReLU6 in place of Dynamic
Shift-Max, and no shuffles. *Its multiply-adds* is the time of as many multiply-adds in one large 1x1 convolution.
"""

_LIMITS = """## On a GPU

`python -m benchmarks.gpu_training` needs JAX, PyTorch and a GPU, and no TensorFlow. It times training steps of
MicroNet-M0 and M2, ShuffleNet and ReXNet at 224x224 and batch 256. Their rivals are their ports to stock layers and
MobileNetV2(0.35). With `--authors NAME=CLONE` the authors' PyTorch code runs too, eager and compiled. Every pair of
networks has a process of its own. Its result is written to `benchmarks/results/gpu_training.jsonl` at once. The same
command continues with the pairs that are missing. `--size 32 --batch 2 --rounds 2` tries it on a CPU.

The table above has the pairs that were measured before the time on the GPU was over. Up to seven other processes
compiled on the 16 cores meanwhile. A step in JAX is one program, which the GPU runs alone. A step in PyTorch waits for
the processor at every operator, so these times depend on the other processes. Only large ratios count there. PyTorch
ran the stock port of ShuffleNet faster than our form, which is chosen by times on a CPU.

## One operator for Dynamic Shift-Max

If you can register a custom operator, or write the engine, Dynamic Shift-Max is the one to begin with.
`python -m benchmarks.shift_max_operator` measures the gain. It replaces each Dynamic Shift-Max by one multiplication of
the map. That costs what the operator would: the coefficients, and one read and one write of every pixel. It also
measures the twin without activations outside the convolutions, which no operator can beat. In the table of TFLite
latency above, the column "/ ReLU6 twin" is this upper bound.

## What limits the speed

* MicroNet, inference. Dynamic Shift-Max takes about half of the time. It is seven passes over the pixels and a rotation
  of the channels, each of which reads and writes the whole map. The ReLU6 of the twin is computed inside the
  convolutions. One operator that reads a pixel once and writes it once would bring the networks near their twins. The
  rest of M0 is the classifier: its 3.5 MB are read for every image. The small file has it in int8.
* MicroNet, other forms. Two other forms of Dynamic Shift-Max were timed, one layer at a time, in all layers of M1 and
  the five largest of M2. In one, a second convolution gives the shifted channels. In the other, each piece is one
  product with a kernel made for the image. No form was faster by more than copies of
  the same file differed. So the fuser does not choose by timing. In M3 each Dynamic Shift-Max follows a depthwise
  convolution, where these forms do not exist. The average could be taken before the depthwise convolution, but the map
  there is as large or larger.
* ShuffleNet, inference. The twin without shuffles is at most a tenth faster. What is left is the convolution in groups,
  which runs at a third of the rate of a dense one. The 20 or 40 outputs of a group fill the 16 lanes of a register
  badly. It would need an engine that computes several groups side by side.
* ReXNet, inference. SiLU is two operators, LOGISTIC and MUL, and no single exact one exists. With ReLU6 instead, the
  network takes a sixth less time. The engine would need SiLU as an activation of its convolutions.
* Int8 is for size and for accelerators. On the processor of the table, only ReXNet is a little faster in int8. An Intel
  Xeon ran ShuffleNet and ReXNet much faster in int8, and MicroNet faster in float32.
* MicroNet, training. The operators of M0 are too small to be split over cores. The baseline gains 1.4 times from a
  second core, so the ratio is larger on one core. Two forms that could use the second core were tried, and neither is
  faster: the table "Two cores for a training step" above. Whole operators side by side have one thread each.
  They take less processor time, and as much or more wall time. Two replicas of half a batch take 1.6 to 2.2 times the
  processor time, as every operator runs twice. So the default stays.
* ReXNet, training. The matrix products and depthwise convolutions equal the port to stock layers. The gradient of SiLU
  is four operators where one would do.
"""


def _place(path):
    """Results that decide between networks come first."""
    return not path.stem.startswith("tflite"), not path.stem.startswith("training"), path.stem


def main():
    """Writes the page."""
    parts = [_HEAD]
    for path in sorted(RESULTS.glob("*.json"), key=_place):
        result = json.loads(path.read_text(encoding="utf-8"))
        rows = [result["columns"], ["---"] * len(result["columns"]), *result["rows"]]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        parts.append(f"## {result['note']}\n\n`{result['command']}` on {result['machine']}\n\n{table}\n")
    PAGE.write_text("\n".join([*parts, _LIMITS]), encoding="utf-8")


if __name__ == "__main__":
    main()
