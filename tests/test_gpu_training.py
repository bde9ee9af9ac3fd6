"""The benchmark for a GPU measures what is missing, and takes its steps on a CPU too."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu_training

ROOT = Path(__file__).parents[1]


def test_a_run_goes_on(tmp_path, monkeypatch):
    output, asked, tables = tmp_path / "gpu.jsonl", [], []
    known = ["MicroNetM0", "jax", gpu_training.STOCK, "2.00", "4.00", "2.00 (1.90-2.10)"]
    lines = [{"setting": setting, "device": "H", "row": known} for setting in ("64x64, batch 8", "32x32, batch 8")]
    output.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    monkeypatch.setattr(gpu_training, "_run", lambda *pair: asked.append(pair))
    monkeypatch.setattr(gpu_training, "report", lambda *table: tables.append(table))
    command = ["gpu_training", "--networks", "MicroNetM0", "MicroNetM2", "--backends", "jax", "--size", "32"]
    command += ["--batch", "8", "--authors", "MicroNetM0=clone", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", command)
    gpu_training.main()
    expected = [("MicroNetM0", gpu_training.BASELINE), ("MicroNetM2", gpu_training.STOCK)]
    expected += [("MicroNetM2", gpu_training.BASELINE)]
    expected += [("MicroNetM0", gpu_training.EAGER), ("MicroNetM0", gpu_training.COMPILED)]
    assert sorted(asked) == sorted(("jax", *pair) for pair in expected)
    ((name, note, columns, rows),) = tables
    assert (name, note) == ("gpu", "Training step on H, 32x32, batch 8, by SGD")
    assert rows == [known] and len(columns) == len(known)


@pytest.mark.slow
def test_one_step(tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    output = tmp_path / "gpu.jsonl"
    command = [sys.executable, "-m", "benchmarks.gpu_training", "--pair", "MicroNetM0", gpu_training.STOCK]
    command += ["--size", "32", "--batch", "2", "--rounds", "2", "--output", str(output)]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    (line,) = map(json.loads, output.read_text().splitlines())
    assert line["row"][:3] == ["MicroNetM0", "torch", gpu_training.STOCK] and line["setting"] == "32x32, batch 2"
    assert all(float(milliseconds) > 0 for milliseconds in line["row"][3:5])
