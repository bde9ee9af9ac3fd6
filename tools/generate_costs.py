"""Writes docs/costs.md, the published cost tables counted again: python -m tools.generate_costs."""

from keras_lightnets.design import cost_table
from keras_lightnets.design.published import TABLES
from tools import DOCS

PAGE = DOCS / "costs.md"
_HEAD = """# The published cost tables, counted again

Each table is what `keras_lightnets.complexity` counts in the networks of this package, or a formula of
`keras_lightnets.design` gives, with the published figure in brackets where it is another. A count agrees if it rounds
to the published figure or is cut off to it; **bold** figures differ, and the last column says why. Multiply-adds are
those of convolutions, dense layers and Dynamic Shift-Max's mixing at batch 1. This page is generated: `make costs`.
"""


def page():
    """Returns the page."""
    return "\n".join([_HEAD, *(cost_table(name).to_markdown() for name in TABLES)])


def main():
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
