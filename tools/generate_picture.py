"""Draws what `make demo` prints at its end as docs/demo.svg.

Run it after the demo: python -m tools.generate_picture
"""

import json
from pathlib import Path

import rich.console

from keras_lightnets.training.progress import Progress


def main():
    """Writes docs/demo.svg from demo/out/report.json."""
    root = Path(__file__).parents[1]
    console = rich.console.Console(record=True, width=80)
    Progress(console).result(json.loads((root / "demo" / "out" / "report.json").read_text()), "demo/out")
    console.save_svg(str(root / "docs" / "demo.svg"), title="make demo")


if __name__ == "__main__":
    main()
