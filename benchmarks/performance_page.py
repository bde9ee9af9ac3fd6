"""Writes docs/performance.md from the results of the benchmarks: python -m benchmarks.performance_page."""

import json
from pathlib import Path

from tools.timing import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_HEAD = """# Performance

Measured side by side in one run each; ratios carry over between machines better than times. This page is generated:
run the commands, then `python -m benchmarks.performance_page`.
"""

_LIMITS = """## What binds

* MicroNet, inference. Beside its twin with ReLU6, which XNNPACK computes inside the convolutions, Dynamic Shift-Max is
  about half of the time: seven passes over the pixels and a rotation of the channels, each reading and writing the
  whole map. One operator that reads a pixel once and writes it once would bring the networks near their twins. The
  rest of M0 is the classifier, whose 3.5 MB are read once an image: hence the small file.
* ShuffleNet, inference. Without its shuffles (the twin) it is no faster: what is left is the convolution in groups,
  which runs at a third of the rate of a dense one, as 20 or 40 outputs of a group fill the 16 lanes of a register
  badly. It would need an engine that computes several groups side by side.
* ReXNet, inference. SiLU is two operators, LOGISTIC and MUL, and no single exact one exists; with ReLU6 in its place
  the network takes a sixth less. The engine would need SiLU as an activation of its convolutions.
* Int8 is for size and for accelerators; on these cores the float files of small networks are faster, and those of the
  larger ones slower.
* MicroNet, training. The operators of M0 are too small to be split over cores, while those of the baseline gain 1.4
  times from a second one, so that the ratio is larger on one core. With one thread for an operator and several
  operators at a time (`TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=2`) it uses both.
* ReXNet, training. Its matrix products and depthwise convolutions are those of the port to stock layers. SiLU's
  gradient is four operators where one would do.
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
