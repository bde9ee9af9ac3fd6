"""A new architecture is its file, its catalog file, one export line and one golden: all else finds it by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MADE_UP = ROOT / "tests" / "made_up" / "applications"
LINE = "    from keras_lightnets.applications.tinynet import TinyNet as TinyNet\n"
# The golden of a real architecture comes from its reference implementation, the card from `make cards`.
SCRIPT = """
import json, sys
import pytest
from tools import generate_cards
from tools.goldens.derive import FOLDER, IMAGES, STEP, build
from tools.seeded import calibrated_scales, run, seed_weights, seeded_images
from tools.zoo import ZOO

(case,) = (case for case in ZOO if case.id == "TinyNet")
model, images = build(case), seeded_images(IMAGES)
scales = calibrated_scales(model, images)
seed_weights(model, scales)
golden = {"TinyNet": {"scales": scales, "logits": run(model, images)[:, ::STEP].tolist()}}
(FOLDER / "tinynet.json").write_text(json.dumps(golden))
generate_cards.main()
files = [f"tests/test_{name}.py" for name in ("numbers", "goldens", "catalog", "applications")]
checks = "numbers or logits or any_size or card or signature or docstring or by_path"
chosen = f"TinyNet and ({checks}) or public or has_a_golden"
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-k", chosen, *files]))
"""


@pytest.mark.slow
@pytest.mark.chosen
def test_four_places_are_all(tmp_path):
    """Counts, pyramid, golden logits, fusing, card and the contract, with weights by path, are tested in a copy."""
    ignored = shutil.ignore_patterns("__pycache__", "*.weights.h5", "*.tflite")
    for name in ("keras_lightnets", "tests", "tools", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(MADE_UP, tmp_path / "keras_lightnets" / "applications", dirs_exist_ok=True)
    exports = tmp_path / "keras_lightnets" / "applications" / "__init__.py"
    top, line, rest = exports.read_text("utf-8").partition("if TYPE_CHECKING:\n")
    exports.write_text(top + line + LINE + rest, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "KERAS_BACKEND": "tensorflow"}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1].startswith("9 passed"), result.stdout
