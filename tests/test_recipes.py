"""The settings of a run: recipes, what is refused, schedules, weight decay."""

import dataclasses
import datetime
import typing

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.optimization import optimizing
from keras_lightnets.training import Options, load_recipe, recipes
from keras_lightnets.training.config import Config
from keras_lightnets.training.optimizers import decayed_paths, learning_rate, make_optimizer


@pytest.mark.parametrize("name", recipes())
def test_recipes_say_what_they_are(name):
    config = load_recipe(name)
    figure = {"classify": "top1", "detect": "AP", "segment": "mIoU"}[config.task]
    assert set(config.about) == {"command", "source", "hardware", figure} and all(config.about.values())
    assert f"--recipe {name} " in config.about["command"]
    if name.endswith("_imagenet"):
        assert float(config.about["top1"].split()[0]) == config.record.top1
        assert config.holdout == 0 and config.size == config.record.input_size


SETTINGS_REFUSALS = {
    "unknown name": ({"epoch": 3}, "there is no setting 'epoch'. Nearest: epochs"),
    "wrong type": ({"epochs": "many"}, "epochs must be of type int. Received: epochs='many'"),
    "a fraction": ({"epochs": "2.5"}, "epochs must be of type int"),
    "unknown model": ({"model": "MicroNet0"}, "There is no model 'MicroNet0'"),
    "unknown optimizer": ({"optimizer": "adam"}, "`optimizer` must be one of sgd, rmsprop, adamw"),
    "parameter server": ({"strategy": "ParameterServer"}, "is not supported by Keras 3: use mirrored or multiworker"),
    "central storage": ({"strategy": "central_storage"}, "is not supported by Keras 3"),
    "unknown strategy": ({"strategy": "both"}, "`strategy` must be one of auto, none, mirrored, multiworker, tpu"),
    "unknown task": ({"task": "find"}, "`task` must be one of classify, detect, segment. Received: task='find'"),
    "for classifiers": ({"task": "detect"}, "label_smoothing=0.1 is for the task classify; this one is detect"),
    "for detectors": ({"head_width": 0.5}, "head_width=0.5 is for the task detect or segment; this one is class"),
    "no epochs": ({"epochs": 0}, "`epochs` must be at least 1"),
    "smoothing": ({"label_smoothing": 1.0}, r"`label_smoothing` must be in \[0, 1\)"),
    "crop": ({"crop_area": 0.0}, r"`crop_area` must be in \(0, 1\]"),
    "infinite": ({"epochs": "inf"}, "epochs must be of type int"),
    "not a number": ({"learning_rate": "nan"}, "learning_rate must be of type float"),
    "infinite rate": ({"learning_rate": float("inf")}, "learning_rate must be of type float"),
    "negative": ({"warmup_epochs": -1}, "`warmup_epochs` must be at least 0"),
    "no rate": ({"learning_rate": 0.0}, "`learning_rate` must be positive"),
    "huge": ({"epochs": 10**400}, "`epochs` must be at most 2147483647"),
    "huge size": ({"size": 10**6}, r"`size` must be in \[1, 8192\]"),
    "huge float": ({"momentum": 10**400}, "momentum must be of type float"),
    "deep": ({"epochs": "[" * 5000}, "epochs must be of type int"),
    "two settings in one": ({"epochs": "3\nsize = 8"}, "epochs must be of type int"),
    "a bool for a number": ({"epochs": True}, "epochs must be of type int"),
    "a number for a bool": ({"flip": "1"}, "flip must be of type bool"),
    "a list for a text": ({"optimizer": ["sgd"]}, "optimizer must be of type str"),
    "a number for weights": ({"weights": 5}, "weights must be of type str"),
    "text for a table": ({"about": "x"}, "about must be of type dict"),
    "a date in a table": ({"about": {"year": datetime.date(2017, 1, 1)}}, "about must be of type dict.*datetime"),
    "no number in a table": ({"about": {"top1": float("nan")}}, "about must be of type dict.*nan"),
}


@pytest.mark.parametrize("name", SETTINGS_REFUSALS)
def test_settings_refusals(name):
    values, message = SETTINGS_REFUSALS[name]
    with pytest.raises(UserError, match=message):
        load_recipe("cifar10", **values).record  # noqa: B018


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('model = "MicroNetM0"\nepochs = 7\nflip = false\n')
    assert load_recipe(str(path), epochs="9") == Config("MicroNetM0", epochs=9, flip=False)
    with pytest.raises(UserError, match="There is no recipe 'cifar'. Nearest: cifar10"):
        load_recipe("cifar")


RECIPES = {
    "not UTF-8": (b'model = "\xff"', "r.toml is not valid TOML"),
    "no TOML": (b"model", "r.toml is not valid TOML"),
    "deep": (b"model = " + b"[" * 100_000, "r.toml is not valid TOML"),
    "a number of a million digits": (b"model = " + b"1" * 1_000_000, "r.toml is not valid TOML"),
    "a number": (b"model = 5", "r.toml: model must be of type str. Received: model=5"),
    "a table": (b"model = {a=1}", "r.toml: model must be of type str"),
    "a strategy of another type": (b'model = "MicroNetM0"\nstrategy = 3', "r.toml: strategy must be of type str"),
    "infinite": (b'model = "MicroNetM0"\nsize = inf', "r.toml: size must be of type int. Received: size=inf"),
    "no model": (b"size = 3", "r.toml names no model"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_that_are_refused(name, tmp_path):
    content, message = RECIPES[name]
    (tmp_path / "r.toml").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_recipe(tmp_path / "r.toml")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_every_setting_declares_its_range():
    for settings in (Config, Options, optimizing.Options):
        for field in dataclasses.fields(settings):
            number = {int, float} & {field.type, *typing.get_args(field.type)}
            assert "interval" in field.metadata or not number or field.name in ("sparsity", "clusters"), field.name


SCHEDULES = {
    "cosine": ({}, {0: 1.0, 50: 0.5, 100: 0.0}),
    "linear": ({"schedule": "linear"}, {0: 1.0, 25: 0.75, 100: 0.0}),
    "step": ({"schedule": "step", "step_epochs": 3.0, "step_factor": 0.1}, {0: 1.0, 29: 1.0, 30: 0.1, 60: 0.01}),
    "warm-up": ({"schedule": "linear", "warmup_epochs": 2.0}, {0: 0.1, 10: 0.55, 20: 1.0, 60: 0.5, 100: 0.0}),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    settings, expected = SCHEDULES[name]
    rate = learning_rate(Config("MicroNetM0", **settings), 1.0, epochs=10, steps_per_epoch=10)
    assert {step: float(rate(step)) for step in expected} == pytest.approx(expected, abs=1e-6)


def test_what_is_decayed():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(keras.layers.DepthwiseConv2D(3, name="dw")(x))
    model = keras.Model(image, keras.layers.Dense(2, name="fc")(keras.layers.GlobalAveragePooling2D()(x)))
    pointwise = {"conv/kernel", "fc/kernel"}
    assert decayed_paths(model, "pointwise") == pointwise
    assert decayed_paths(model, "kernels") == pointwise | {"dw/kernel"}
    assert len(decayed_paths(model, "all")) == len(model.trainable_variables)
    for optimizer in ("sgd", "rmsprop"):
        config = Config("MicroNetM0", optimizer=optimizer, momentum=0.0, rho=0.0, epsilon=1e-12, weight_decay=0.5)
        before = model.get_layer("fc").kernel.numpy(), model.get_layer("fc").bias.numpy()
        gradients = [tf.zeros_like(variable) + 0.25 for variable in model.trainable_variables]
        make_optimizer(config, model, 0.1).apply(gradients, model.trainable_variables)
        step = 0.25 + 0.5 * before[0]
        expected = step if optimizer == "sgd" else np.sign(step)
        np.testing.assert_allclose(before[0] - model.get_layer("fc").kernel, 0.1 * expected, atol=1e-6)
        expected = 0.25 if optimizer == "sgd" else 1.0
        np.testing.assert_allclose(before[1] - model.get_layer("fc").bias, 0.1 * expected, atol=1e-6)
