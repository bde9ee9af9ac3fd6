"""The package as users get it."""

import importlib
import inspect
import io
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import threading
import venv
import zipfile
from pathlib import Path

import keras
import pytest
import rich.console
from typer.testing import CliRunner

import keras_lightnets as kl
from keras_lightnets.cli.main import app
from keras_lightnets.cli.output import open_console
from keras_lightnets.errors import UserError
from keras_lightnets.quiet import quiet
from keras_lightnets.training.progress import Progress
from tests.public_names import missing_names

ROOT = Path(__file__).parents[1]
NOT_NEEDED = (
    "ai_edge_litert",
    "typer",
    "keras_lightnets.export",
    "keras_lightnets.optimization",
    "keras_lightnets.training",
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The files that git would hand to somebody else, untouched by builds of this folder."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone of the repository")
    files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(files, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split("\0")
    folder = tmp_path_factory.mktemp("clone")
    for name in filter(None, names):
        if os.path.lexists(ROOT / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The Python of an empty environment, which finds the packages of this one too."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return folder / "bin" / "python"


def _run(cwd, *command, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**kept, **environment})
    assert result.returncode == 0, result.stderr
    return result.stdout


def _install(python, *arguments):
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-build-isolation"]
    _run(python.parent, *pip, "--force-reinstall", *arguments)


def test_wheel_works_from_another_directory(clone, environment, tmp_path):
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    _run(tmp_path, *wheel, tmp_path, clone)
    (wheel,) = tmp_path.glob("keras_lightnets-*.whl")
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"keras_lightnets"}
    _install(environment, wheel)
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
    found = json.loads(_run(tmp_path, environment, "-c", code))
    house = Path(found["file"]).parent
    assert house.is_relative_to(environment.parents[1])
    assert found["parameters"] == 128_910
    assert found["labels"] == ["n02504458", "African_elephant"]
    assert found["classes"] == 10
    assert not set(NOT_NEEDED) & set(found["modules"])
    for name in ("training/recipes/cifar10.toml", "design/rank_curves.csv"):
        assert (house / name).is_file()
    released = json.loads((ROOT / "saved_models" / "manifest.json").read_text())
    weights = [path.parent.name for path in (house / "saved_models").rglob("*.weights.h5")]
    assert sorted(weights) == sorted(released)
    names = json.loads(_run(tmp_path, environment, ROOT / "tests" / "public_names.py"))
    assert names == {"file": found["file"], "missing": []}


@pytest.mark.slow
@pytest.mark.chosen
def test_clone_and_editable_install_work_from_another_directory(clone, environment, tmp_path):
    code = "import keras_lightnets as kl; print(kl.__file__, len(kl.list_models()))"
    expected = f"{clone}/keras_lightnets/__init__.py {len(kl.list_models())}\n"
    assert _run(tmp_path, sys.executable, "-c", code, PYTHONPATH=str(clone)) == expected
    _install(environment, "--editable", clone)
    assert _run(tmp_path, environment, "-c", code) == expected
    assert "MicroNetM0" in _run(tmp_path, environment.with_name("keras-lightnets"), "list")


def test_every_public_name_of_0_1_0_is_here():
    assert missing_names() == []


# The MobileNets have the signatures of keras.applications, which are not annotated.
NOT_ANNOTATED = {"MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small", "decode_predictions"}


def test_public_functions_are_annotated():
    names = json.loads((ROOT / "tests" / "public_names.json").read_text())["names"]
    functions = [getattr(importlib.import_module(module), name) for module in names for name in names[module]]
    bare = {
        function.__name__
        for function in filter(inspect.isfunction, functions)
        if {*inspect.signature(function).parameters, "return"} != set(function.__annotations__)
    }
    assert bare == NOT_ANNOTATED


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


def test_a_closed_output_and_the_settings_of_keras_end_in_no_traceback(tmp_path):
    command = f"{shlex.quote(sys.executable)} -m keras_lightnets list --json"
    closed = subprocess.run(["bash", "-c", f"{command} >&-"], cwd=ROOT, capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first"}')
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    refused = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "keras.json says channels_first" in refused.stderr


def test_what_needs_no_keras_does_not_import_it(tmp_path):
    for name in ("keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("raise AssertionError")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    for arguments in (["list"], ["weights", "--json"], ["recipes"], ["--help"], ["optimize", "--help"]):
        command = [sys.executable, "-m", "keras_lightnets.cli.main", *arguments]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert (result.returncode, result.stderr) == (0, "") and result.stdout


@pytest.mark.slow
@pytest.mark.chosen
def test_the_command_knows_every_class_that_a_model_file_names():
    """It does not import the package as a whole, which registers them."""
    code = """
import sys
sys.argv = ["bin/keras-lightnets"]
import keras_lightnets.evaluation.opening
import keras
print("MicroNetM0" in vars(keras_lightnets), *keras.saving.get_custom_objects())
"""
    whole, *names = _run(ROOT, sys.executable, "-c", code, PYTHONPATH=str(ROOT)).split()
    known = {name for name in keras.saving.get_custom_objects() if name.startswith("keras_lightnets>")}
    assert whole == "False" and known and known <= set(names)


def test_names_are_printed_as_they_are():
    written = io.StringIO()
    for console in (open_console(), rich.console.Console()):
        console.file = written
        Progress(console).bad_images(["[bold]cat[/bold] :smile: is no image"])
    assert written.getvalue().count("left out: [bold]cat[/bold] :smile: is no image") == 2


def test_list_is_json_if_asked():
    records = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    assert {"MicroNetM0", "ReXNet-alpha=1.0"} <= {record["name"] for record in records}


@pytest.mark.parametrize(
    ("task", "name", "published"),
    [("detect", "ssdlite:ReXNet-alpha=1.3", 27.3), ("segment", "lraspp:MicroNetM0", None)],
)
def test_list_of_heads(task, name, published):
    listed = CliRunner().invoke(app, ["list", "--task", task]).stdout
    assert name in listed and "published" in listed
    records = json.loads(CliRunner().invoke(app, ["list", "--task", task, "--json"]).stdout)
    assert {record["name"]: record["published"] for record in records}[name] == published
    with pytest.raises(UserError, match="`task` must be 'classify', 'detect' or 'segment'. Received: task='boxes'"):
        kl.list_models("boxes")


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


def test_two_threads_leave_the_output_where_it_was(capfd):
    inside, leave = threading.Event(), threading.Event()

    def second():
        with quiet():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=second)
    with quiet():
        thread.start()
        assert not inside.wait(0.2)
    inside.wait()
    leave.set()
    thread.join()
    os.write(1, b"later")
    assert capfd.readouterr() == ("later", "")


def test_quiet_keeps_what_explains_an_error():
    with pytest.raises(ZeroDivisionError) as caught, quiet():
        print("the reason", file=sys.stderr)
        raise ZeroDivisionError
    assert caught.value.__notes__ == ["the reason\n"]
