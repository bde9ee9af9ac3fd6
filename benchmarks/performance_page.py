"""Writes docs/performance.md from the results of the benchmarks: python -m benchmarks.performance_page."""

import json
from pathlib import Path

from tools.timing import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_HEAD = """# Performance

Each table was measured side by side in one run. Ratios carry over between machines better than times. Run the commands,
then `python -m benchmarks.performance_page` to write this page.
"""

_LIMITS = """## What binds

* MicroNet, inference. Dynamic Shift-Max takes about half of the time. It is seven passes over the pixels and a rotation
  of the channels, each of which reads and writes the whole map. The ReLU6 of the twin is computed inside the
  convolutions. One operator that reads a pixel once and writes it once would bring the networks near their twins. The
  rest of M0 is the classifier: its 3.5 MB are read for every image. The small file has it in int8.
* ShuffleNet, inference. The twin without shuffles is no faster. What is left is the convolution in groups, which runs
  at a third of the rate of a dense one. The 20 or 40 outputs of a group fill the 16 lanes of a register badly. It would
  need an engine that computes several groups side by side.
* ReXNet, inference. SiLU is two operators, LOGISTIC and MUL, and no single exact one exists. With ReLU6 instead, the
  network takes a sixth less time. The engine would need SiLU as an activation of its convolutions.
* Int8 is for size and for accelerators. On these cores, small networks are faster in float32, and large ones in int8.
* MicroNet, training. The operators of M0 are too small to be split over cores. The baseline gains 1.4 times from a
  second core, so the ratio is larger on one core. To use both cores for M0, set
  `TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=2`.
* ReXNet, training. The matrix products and depthwise convolutions equal the port to stock layers. The gradient of SiLU
  is four operators where one would do.
"""


def main():
    """Writes the page."""
    parts = [_HEAD]
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        rows = [result["columns"], ["---"] * len(result["columns"]), *result["rows"]]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        parts.append(f"## {result['note']}\n\n`{result['command']}` on {result['machine']}\n\n{table}\n")
    PAGE.write_text("\n".join([*parts, _LIMITS]), encoding="utf-8")


if __name__ == "__main__":
    main()
