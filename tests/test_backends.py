"""One network of each family gives its golden logits on JAX and on PyTorch."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.zoo import ZOO, by_cost

ROOT = Path(__file__).parents[1]
# The cheapest variant of every module.
CASES = [
    min((case for case in ZOO if case.build.__module__ == module), key=by_cost).id
    for module in dict.fromkeys(case.build.__module__ for case in ZOO)
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ("jax", "torch"))
def test_golden_logits(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-m", "tests.backend_smoke", *CASES]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines() == [f"{backend} {case}" for case in CASES]
