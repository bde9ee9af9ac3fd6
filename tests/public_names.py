"""Prints, as JSON, the public names of version 0.1.0 that the importable package lacks: python tests/public_names.py.

The names, the parameters of what can be called, the classes that saved models name, the commands and their options
stand in public_names.json. Needs nothing but the package, so that an installed one can be asked from anywhere.
"""

import importlib
import inspect
import json
from pathlib import Path


def missing_names():
    """Returns a list of what is gone, a str each."""
    import keras
    from typer.main import get_command

    from keras_lightnets.cli.main import app

    known = json.loads(Path(__file__).with_suffix(".json").read_text())
    modules = {name: importlib.import_module(name) for name in known["names"]}
    gone = [f"{m}.{n}" for m, names in known["names"].items() for n in names if not hasattr(modules[m], n)]
    for path, parameters in known["parameters"].items():
        module, _, name = f"keras_lightnets.{path}".rpartition(".")
        found = inspect.signature(getattr(modules[module], name, lambda: None)).parameters
        gone += [f"{path}({parameter})" for parameter in parameters if parameter not in found]
    registered = keras.saving.get_custom_objects()
    gone += [f"class {name}" for name in known["registered"] if f"keras_lightnets>{name}" not in registered]
    commands = get_command(app).commands
    for command, options in known["commands"].items():
        found = {
            text
            for parameter in getattr(commands.get(command), "params", ())
            for text in [*parameter.opts, *parameter.secondary_opts, parameter.name.upper()]
        }
        gone += [f"{command} {option}" for option in options if option not in found]
    return gone


if __name__ == "__main__":
    import keras_lightnets

    print(json.dumps({"file": keras_lightnets.__file__, "missing": missing_names()}))
