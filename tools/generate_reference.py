"""Writes docs/reference from the docstrings of public names and the options of the commands.

python -m tools.generate_reference
"""

import importlib
import inspect
import sys

import typer

from keras_lightnets.applications.catalog import FAMILIES
from keras_lightnets.cli.main import app
from tools import DOCS

FOLDER = DOCS / "reference"
# Page -> title, what it has, modules whose public names it lists.
PAGES = {
    "networks": (
        "Networks",
        "Builders, what is known of them, and what you can make of a built model.",
        ("keras_lightnets",),
    ),
    "detection": (
        "Detection and segmentation",
        "Detectors and segmenters over any network of the package, and what measures them.",
        ("keras_lightnets.detection", "keras_lightnets.segmentation"),
    ),
    "layers": ("Layers", "Primitives that Keras lacks.", ("keras_lightnets.layers",)),
    "export": ("Export", "Files for servers and phones.", ("keras_lightnets.export",)),
    "optimization": (
        "Optimisation",
        "Quantisation-aware training, pruning and clustering.",
        ("keras_lightnets.optimization",),
    ),
    "training": (
        "Training",
        "What the commands run, and the error that bad input raises.",
        ("keras_lightnets.training", "keras_lightnets.errors"),
    ),
    "design": ("Design", "Cost formulas and the channel studies of the papers.", ("keras_lightnets.design",)),
    "weights": ("Weights", "Published and own weights.", ("keras_lightnets.weights",)),
}
# What is listed apart from its package: page -> public names.
MORE = {
    "networks": (
        "keras_lightnets.complexity.complexity",
        "keras_lightnets.complexity.Complexity",
        "keras_lightnets.complexity.LayerCost",
        "keras_lightnets.complexity.PartCost",
        "keras_lightnets.applications.micronet.decode_predictions",
    ),
    "detection": (
        "keras_lightnets.SSDLite",
        "keras_lightnets.decode_detections",
        "keras_lightnets.COCOMeanAP",
        "keras_lightnets.LRASPP",
    ),
}
_HEAD = "<!-- Generated from docstrings: make reference -->\n\n"


def public_names(package):
    """Returns a dict from the paths of the public functions and classes of a package to the objects."""
    module = importlib.import_module(package)
    names = sorted({*getattr(module, "__all__", ()), *dir(module)})
    found = {f"{package}.{name}": getattr(module, name) for name in names if not name.startswith("_")}
    return {
        path: thing
        for path, thing in found.items()
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__.startswith("keras_lightnets")
    }


def summary(thing):
    """Returns the first paragraph of a docstring in one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def listed():
    """Returns a dict from each page to a dict from public paths to objects; a name is listed where it comes first."""
    apart = {path for paths in MORE.values() for path in paths}
    homes, pages = set(), {}
    for page, (_, _, packages) in PAGES.items():
        found = {path: _thing(path) for path in MORE.get(page, ())}
        for package in packages:
            found |= {path: thing for path, thing in public_names(package).items() if path not in apart}
        pages[page] = {}
        for path in sorted(found, key=lambda path: path.count(".")):
            if _home(found[path]) not in homes:
                pages[page][path] = found[path]
                homes.add(_home(found[path]))
    return pages


def _thing(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _home(thing):
    return f"{thing.__module__}.{thing.__qualname__}"


def page_of(name, things):
    """Returns the text of one page."""
    title, about, _ = PAGES[name]
    rows = [f"| `{path.removeprefix('keras_lightnets.')}` | {summary(thing)} |" for path, thing in things.items()]
    parts = [f"{_HEAD}# {title}\n", f"{about}\n", "| name in `keras_lightnets` | |\n|---|---|", *rows, ""]
    for path, thing in things.items():
        parts += [f"::: {_home(thing)}", "    options:", f"      heading: {path}", ""]
    return "\n".join(parts)


def index():
    """Returns the text of the page that leads to the others."""
    rows = [f"| [{title}]({page}.md) | {about} |" for page, (title, about, _) in PAGES.items()]
    cards = [f"- [{family.title}](../cards/{family.module}.md): {family.about}" for family in FAMILIES]
    return "\n".join(
        [
            f"{_HEAD}# Reference\n",
            "Every public name is described by its docstring. `help(name)` shows the same text in Python.\n",
            "| page | |\n|---|---|",
            *rows,
            "| [Commands](commands.md) | Every command with its options. |\n",
            "## Model cards\n",
            "Each card has the variants, published accuracies, weights and differences of one family.\n",
            *cards,
            "",
        ]
    )


def commands():
    """Returns the text of the page of commands."""
    parts = [f"{_HEAD}# Commands\n", "`keras-lightnets COMMAND --help` shows the same text in a terminal.\n"]
    for name, command in sorted(typer.main.get_command(app).commands.items()):
        arguments = [_shown(each) for each in command.params if each.param_type_name == "argument"]
        usage = " ".join(["keras-lightnets", name, "[OPTIONS]", *arguments])
        parts += [f"## {name}\n", f"{command.help}\n", f"`{usage}`\n"]
        parts += ["| option | default | |\n|---|---|---|", *map(_row, command.params), ""]
    return "\n".join(parts)


def _shown(argument):
    name = (argument.metavar or argument.name.upper()) + "..." * (argument.nargs == -1)
    return name if argument.required else f"[{name}]"


def _row(parameter):
    is_argument = parameter.param_type_name == "argument"
    names = [_shown(parameter)] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    names = ", ".join(f"`{name}`" for name in names)
    default = "required" if parameter.required else "" if parameter.default in (None, ()) else f"`{parameter.default}`"
    return f"| {names} | {default} | {(parameter.help or '').replace('|', chr(92) + '|')} |"


def texts():
    """Returns a dict from each file of the folder to its text."""
    pages = {f"{page}.md": page_of(page, things) for page, things in listed().items()}
    return {**pages, "index.md": index(), "commands.md": commands()}


def main():
    """Writes every page; exits with 1 if a public name has no docstring."""
    bare = [path for things in listed().values() for path, thing in things.items() if not summary(thing)]
    if bare:
        sys.exit(f"without a docstring: {', '.join(bare)}")
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
