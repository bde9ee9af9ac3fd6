"""Writes docs/performance.md from the results of the benchmarks: python -m benchmarks.performance_page."""

import json
from pathlib import Path

from benchmarks.timing import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_HEAD = """# Performance

Measured side by side in one run each; ratios carry over between machines better than times. This page is generated:
run the commands, then `python -m benchmarks.performance_page`.
"""


def main():
    """Writes the page."""
    parts = [_HEAD]
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        rows = [result["columns"], ["---"] * len(result["columns"]), *result["rows"]]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        parts.append(f"## {result['note']}\n\n`{result['command']}` on {result['machine']}\n\n{table}\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
