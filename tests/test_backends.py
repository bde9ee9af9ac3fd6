"""On JAX and PyTorch one network of each family gives its golden logits, and the forms of kernels equal Keras' own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backend_forms import CASES as FORMS
from tools.zoo import ZOO, by_cost

ROOT = Path(__file__).parents[1]
# The cheapest variant of every module.
CASES = [
    min((case for case in ZOO if case.build.__module__ == module), key=by_cost).id
    for module in dict.fromkeys(case.build.__module__ for case in ZOO)
]


def run(backend, module, *arguments):
    """The lines that a module of the tests prints on a backend."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", f"tests.{module}", *arguments]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.chosen
@pytest.mark.parametrize("backend", ("jax", "torch"))
def test_golden_logits(backend):
    assert run(backend, "backend_smoke", *CASES) == [f"{backend} {case}" for case in CASES]


@pytest.mark.parametrize("backend", ("jax", pytest.param("torch", marks=pytest.mark.slow)))
def test_forms_of_the_kernels(backend):
    assert run(backend, "backend_forms") == [f"{backend} {case}" for case in FORMS]
