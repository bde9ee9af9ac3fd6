"""Writes docs/costs.md, the published cost tables counted again: python -m tools.generate_costs."""

from keras_lightnets.design import cost_table
from keras_lightnets.design.published import TABLES
from tools import DOCS

PAGE = DOCS / "costs.md"
_HEAD = """# The published cost tables, counted again

`keras_lightnets.complexity` counts each table in the networks of this package. For single layers, a formula of
`keras_lightnets.design` counts. A published figure that differs stands in brackets. A count agrees if it rounds to the
published figure, or is cut off to it. **Bold** figures differ, and the last column says why. Multiply-adds of
convolutions, dense layers and the mix of Dynamic Shift-Max count, at batch 1. `make costs` generates this page.
"""


def page():
    """Returns the page."""
    return "\n".join([_HEAD, *(cost_table(name).to_markdown() for name in TABLES)])


def main():
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
