"""The benchmark for a GPU takes its steps on a CPU too."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_one_step(tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    output = tmp_path / "gpu.jsonl"
    command = [sys.executable, "-m", "benchmarks.gpu_training", "--pair", "MicroNetM0", "stock layers"]
    command += ["--size", "32", "--batch", "2", "--rounds", "2", "--output", str(output)]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    (line,) = map(json.loads, output.read_text().splitlines())
    assert line["row"][:3] == ["MicroNetM0", "torch", "stock layers"] and line["setting"] == "32x32, batch 2"
    assert all(float(milliseconds) > 0 for milliseconds in line["row"][3:5])
