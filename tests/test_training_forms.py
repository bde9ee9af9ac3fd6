"""The fast forms of the layers train like stock Keras layers, with and without oneDNN, compiled, and in bfloat16."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
NETWORKS = ("MicroNetM0", "MicroNetM3", "ShuffleNet", "ReXNet")
WAYS = {
    "ours": ("ours", {}, 1e-3),
    "without oneDNN": ("ours", {"TF_ENABLE_ONEDNN_OPTS": "0"}, 1e-3),
    "XLA": ("xla", {}, 1e-3),
    "bfloat16": ("mixed_bfloat16", {}, 0.08),
}


def losses(way, variables):
    command = [sys.executable, "-m", "tests.training_losses", way, *NETWORKS]
    environment = {**os.environ, **variables}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def expected():
    return losses("stock", {})


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_losses_of_stock_layers(name, expected):
    way, variables, tolerance = WAYS[name]
    found = losses(way, variables)
    for network in NETWORKS:
        assert np.ptp(expected[network]) > 10 * tolerance * expected[network][0] or name == "bfloat16"
        np.testing.assert_allclose(found[network], expected[network], rtol=tolerance, err_msg=network)
