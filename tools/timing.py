"""Times several things side by side, in turns, so that a busy moment of the machine strikes all alike."""

import json
import os
import platform
import re
import statistics
import sys
import time
from pathlib import Path

import rich.console
import rich.table

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
# Runs of one thing before it is the turn of the next.
BURST = 10


def in_turns(runs, rounds, warm_up=2, settle=0):
    """Runs every callable of the dict `runs` once a round; returns a dict of lists of milliseconds.

    Before that, in its turn, it runs `settle` times untimed, so that caches hold its own data and not its forerunner's.
    """
    for run in runs.values():
        for _ in range(warm_up):
            run()
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            for _ in range(settle):
                run()
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def shortest(runs, rounds):
    """The shortest milliseconds of every callable of the dict `runs`, which take turns of `BURST` calls."""
    times = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            for _ in range(BURST):
                start = time.perf_counter()
                run()
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(values) for name, values in times.items()}


def ratio(times, of, to):
    """How many times the time of `of` goes into that of `to`, round by round: median and quartiles."""
    ratios = [there / here for here, there in zip(times[of], times[to], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"median": middle, "low": low, "high": high}


def shown(value):
    """A ratio as text: median (lower to upper quartile)."""
    return f"{value['median']:.2f} ({value['low']:.2f}-{value['high']:.2f})"


def report(name, note, columns, rows):
    """Prints a table and writes it, with the machine it was measured on, to `results/<name>.json`.

    Args:
        name: str, of the benchmark.
        note: str, what was measured.
        columns: list of str.
        rows: list of lists of str.
    """
    table = rich.table.Table(*columns, title=note)
    for row in rows:
        table.add_row(*row)
    rich.console.Console(width=140).print(table)
    RESULTS.mkdir(exist_ok=True)
    # Clones lie elsewhere on other machines.
    arguments = [re.sub("=.*", "=CLONE", argument) for argument in sys.argv[1:]]
    content = {
        "command": " ".join(["python -m", sys.modules["__main__"].__spec__.name, *arguments]),
        "machine": machine(),
        "note": note,
        "columns": columns,
        "rows": rows,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def machine():
    """Processor, cores and Python, as text."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
