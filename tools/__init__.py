"""Generators of pages and pictures, and what tests and benchmarks share."""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
