"""Checks what ruff and import-linter do not: python -m tools.house.

No file has over 400 lines, no function over 80, and no two files import each other, directly or by way of others.
"""

import ast
import graphlib
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = ("keras_lightnets", "tools", "benchmarks", "tests")
LINES, FUNCTION_LINES = 400, 80


def too_long(path, text):
    """Yields what is too long in a Python file, a line each."""
    if (lines := text.count("\n")) > LINES:
        yield f"{path}: {lines} lines, more than {LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines, more than {FUNCTION_LINES}"


def circle(imports):
    """Yields a circle of files, if there is one; `imports` is a dict from each file to those it imports."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        yield f"files import each other: {' <- '.join(error.args[1])}"


def main():
    """Prints every fault; exits with 1 if there are any."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    faults = [fault for path in paths for fault in too_long(path.relative_to(ROOT), path.read_text("utf-8"))]
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    faults += circle({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    print("\n".join(faults or ["The files are short and import each other in no circle."]))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
