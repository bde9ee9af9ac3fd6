"""The examples in the docstrings of public names run."""

import ast
import doctest
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_lightnets
from tests.photos import small_network
from tools import generate_reference

THINGS = {path: thing for things in generate_reference.listed().values() for path, thing in things.items()}
EXAMPLES = {
    path: example
    for path, thing in THINGS.items()
    for example in doctest.DocTestFinder(recurse=False).find(thing, path)
    if example.examples
}
# Hours, or an account: these are called with arguments that exist.
LONG = (
    "design.channel_search",
    "design.compare_costs",
    "design.factor_analysis",
    "training.finetune",
    "training.release",
    "training.train",
    "weights.check_weights",
    "weights.from_hub",
    "weights.push_to_hub",
)
SLOW = (
    "design.cost_table",
    "design.rank_study",
    "export.to_tflite",
    "optimization.cluster",
    "optimization.layer_errors",
    "optimization.prune",
    "optimization.quantize_aware",
    "weights.convert",
)
# Builders and SSDLite run theirs in tests of their own.
ELSEWHERE = [path for path in EXAMPLES if THINGS[path].__name__[:1].isupper() and path.count(".") == 1]


def test_every_public_function_has_an_example():
    functions = [path for path, thing in THINGS.items() if inspect.isfunction(thing)]
    assert [path for path in functions if path not in EXAMPLES] == []


def _short(path):
    return path.removeprefix("keras_lightnets.")


RUN = [path for path in EXAMPLES if _short(path) not in LONG and path not in ELSEWHERE]


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=pytest.mark.slow if _short(path) in SLOW else ()) for path in RUN], ids=_short
)
def test_example(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    model = small_network()
    images = np.random.default_rng(0).normal(size=(16, 16, 16, 3)).astype("float32")
    names = {"keras": keras, "keras_lightnets": keras_lightnets, "np": np, "model": model, "images": images}
    names["batches"] = tf.data.Dataset.from_tensor_slices((images, np.arange(16) % 3)).batch(8)
    if path.endswith("verify"):
        keras_lightnets.export.to_tflite(model, "m0.tflite")
    if path.endswith("weights.convert"):
        keras_lightnets.MicroNetM0(weights=None, include_top=False).save_weights("mine.weights.h5")
    example = EXAMPLES[path]
    example.globs = names
    # What training prints is no result.
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example).failed == 0


@pytest.mark.parametrize("name", LONG)
def test_long_example_has_arguments_that_exist(name):
    path = f"keras_lightnets.{name}"
    calls = [
        node
        for example in EXAMPLES[path].examples
        for node in ast.walk(ast.parse(example.source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name.split(".")[1])
    ]
    assert calls
    for call in calls:
        keywords = {keyword.arg: None for keyword in call.keywords}
        inspect.signature(THINGS[path]).bind(*call.args, **keywords)
