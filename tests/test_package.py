"""The package as users get it."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keras_lightnets.cli.main import app
from keras_lightnets.quiet import quiet

ROOT = Path(__file__).parents[1]
NOT_NEEDED = (
    "ai_edge_litert",
    "typer",
    "keras_lightnets.export",
    "keras_lightnets.optimization",
    "keras_lightnets.training",
)


def _python(code, cwd, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stderr
    return result


def test_wheel_works_from_another_directory(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(ROOT)], check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("keras_lightnets-*.whl")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert sorted(path.name for path in site.iterdir() if not path.name.endswith(".dist-info")) == [
        "bin",
        "keras_lightnets",
    ]
    for name in ("training/recipes/cifar10.toml", "design/rank_curves.csv"):
        assert (site / "keras_lightnets" / name).is_file()
    released = json.loads((ROOT / "saved_models" / "manifest.json").read_text())
    weights = [path.parent.name for path in (site / "keras_lightnets" / "saved_models").rglob("*.weights.h5")]
    assert sorted(weights) == sorted(released)
    code = """
import json, sys
import keras_lightnets as kl
model = kl.MicroNetM0(weights=None, include_top=False, pooling="avg")
print(json.dumps({
    "file": kl.__file__,
    "parameters": kl.complexity(model).params,
    "labels": kl.applications.decoding.imagenet_classes()[386],
    "classes": kl.MicroNetM0(weights="cifar10").output_shape[1],
    "modules": sorted(sys.modules),
}))
"""
    result = _python(code, tmp_path, PYTHONPATH=str(site))
    found = json.loads(result.stdout)
    assert Path(found["file"]).is_relative_to(site)
    assert found["parameters"] == 128_910
    assert found["labels"] == ["n02504458", "African_elephant"]
    assert found["classes"] == 10
    assert not set(NOT_NEEDED) & set(found["modules"])


def test_commands_have_help_and_a_wrong_option_is_one_line():
    command = [sys.executable, "-m", "keras_lightnets.cli.main", "train", "--recipes", "cifar10"]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith("error: No such option: --recipes") and refused.stderr.endswith(" train --help.\n")
    result = CliRunner().invoke(app, ["--help"])
    ours = ("train", "finetune", "evaluate", "compare", "launch", "recipes", "predict", "list", "optimize")
    studies = ("channel-search", "rank-study", "factor-analysis")
    for command in (*ours, *studies, "convert-weights", "weights"):
        assert f" {command} " in result.stdout
        text = CliRunner().invoke(app, [command, "--help"]).stdout
        assert "Usage" in text and "--help" in text


def test_list_is_json_if_asked():
    records = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    assert {"MicroNetM0", "ReXNet-alpha=1.0"} <= {record["name"] for record in records}


def test_the_root_links_show_the_house():
    for name in ("applications", "saved_models", "training"):
        assert (ROOT / name).resolve() == ROOT / "keras_lightnets" / name


def test_a_logger_made_in_quiet_speaks_afterwards(capfd):
    with quiet():
        handler = logging.StreamHandler()
        handler.emit(logging.makeLogRecord({"msg": "diverted"}))
        os.write(2, b"diverted too")
    handler.emit(logging.makeLogRecord({"msg": "later"}))
    assert capfd.readouterr() == ("", "later\n")


def test_quiet_keeps_what_explains_an_error():
    with pytest.raises(ZeroDivisionError) as caught, quiet():
        print("the reason", file=sys.stderr)
        raise ZeroDivisionError
    assert caught.value.__notes__ == ["the reason\n"]
