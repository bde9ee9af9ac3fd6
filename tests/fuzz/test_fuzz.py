"""A few hundred damaged files of every format; `make fuzz` opens thousands."""

import random

import pytest

from tests.fuzz import broken, running
from tests.fuzz.mutations import damage
from tests.fuzz.targets import TARGETS

SEED = "default"


def test_damaged_files_are_refused_or_read_as_they_are(tmp_path):
    assert running.run([(name, 0, target.quick) for name, target in TARGETS.items()], SEED, tmp_path) == []


@pytest.mark.slow
def test_every_way_to_fail_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SECONDS", 2)
    # Starts sooner.
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    tasks = [(name, 7, 8) for name in broken.TARGETS]
    faults = {name: what for name, _, what in running.run(tasks, SEED, tmp_path, table=broken.__name__)}
    assert {name: what.split(":")[0].split(" at ")[0] for name, what in faults.items()} == {
        "nameless": "the file is not named",
        "lines": "more than one line",
        "long": "a line that nobody reads",
        "wrong": "wrong",
        "traceback": "KeyError",
        "crash": "died",
        "hang": "hung for 2 s",
        "greedy": "MemoryError",
    }
    assert faults["crash"] == "died: SIGSEGV"


@pytest.mark.parametrize("name", ["a.json", "a.toml", "a.txt"])
def test_a_seed_makes_the_same_file_again(name):
    content = b'[{"a": [1, 2.5, "b"]}]' if name == "a.json" else b'a = 1\nb = "c"\n'
    damaged = [[damage(name, content, random.Random(number)) for number in range(50)] for _ in range(2)]
    assert damaged[0] == damaged[1]
    assert len(set(damaged[0])) > 25
