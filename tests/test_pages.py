"""README and docs: links lead somewhere, commands and Python code exist and run, sentences are short."""

import ast
import importlib
import importlib.util
import json
import re
import shlex

import pytest
import typer

import keras_lightnets
from keras_lightnets.cli.main import app
from tests import test_pages_run
from tools import english, generate_fusing, generate_reference, pages

PAGES = english.pages()
BLOCKS = [(path, block) for path in PAGES for block in pages.blocks(path)]
MAKEFILE = (pages.ROOT / "Makefile").read_text("utf-8")
# Commands of the system, whose options are their own.
SYSTEM = ("ls", "pip", "source", "git", "cd")


def _id(value):
    return value.relative_to(pages.ROOT).as_posix() if hasattr(value, "relative_to") else getattr(value, "line", None)


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_links_lead_to_files_and_headings(path):
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", path.read_text("utf-8")):
        name, _, heading = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if heading and target.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles], link


def _check(command):
    """Asserts that what a line calls exists, with its options."""
    words = [word for word in shlex.split(command, comments=True) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    if "|" in words:
        words = words[: words.index("|")]
    program, *arguments = words[1:] if words[0] == "srun" else words
    if program == "keras-lightnets":
        name, *rest = arguments
        if name == "launch":
            _check(f"keras-lightnets {shlex.join(rest[rest.index('--') + 1 :])}")
        # Parsing refuses unknown options, wrong values and missing arguments.
        typer.main.get_command(app).commands[name].make_context(name, rest)
    elif program == "make":
        targets = [word for word in arguments if "=" not in word]
        assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets), command
    elif program == "python" and arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]), command
    elif program == "python":
        assert arguments[0] in ("train.py", "classify.py") or (pages.ROOT / arguments[0]).is_file(), command
    else:
        assert program in SYSTEM, command


@pytest.mark.parametrize(("path", "block"), [case for case in BLOCKS if case[1].language == "bash"], ids=_id)
def test_commands_exist_with_their_options(path, block):
    for command in block.commands:
        _check(command)


def test_every_block_is_run_or_says_why_not():
    run = [*test_pages_run.PAGES, pages.DOCS / "tutorial" / "photos-to-phone.md", pages.ROOT / "CONTRIBUTING.md"]
    left = [f"{_id(path)}:{block.line}" for path, block in BLOCKS if path not in run and not block.reason]
    assert left == []


@pytest.mark.parametrize("command", ("keras-lightnets train --recipes x", "make nothing", "rm x", "python -m tools.no"))
def test_wrong_commands_are_found(command):
    with pytest.raises((AssertionError, typer.BadParameter.__base__)):
        _check(command)


@pytest.mark.parametrize(("path", "block"), [case for case in BLOCKS if case[1].language == "python"], ids=_id)
def test_python_uses_names_that_exist(path, block):
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("keras_lightnets."):
            thing = keras_lightnets
            for name in ast.unparse(node).split("(")[0].split("[")[0].split(".")[1:]:
                thing = getattr(thing, name)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("keras_lightnets"):
            assert all(hasattr(importlib.import_module(node.module), alias.name) for alias in node.names)


def test_the_reference_is_up_to_date():
    for name, text in generate_reference.texts().items():
        assert (generate_reference.FOLDER / name).read_text("utf-8") == text, "run `make reference`"


def test_every_public_name_is_in_the_reference_and_documented():
    names = json.loads((pages.ROOT / "tests" / "public_names.json").read_text())["names"]
    listed = {id(thing): path for things in generate_reference.listed().values() for path, thing in things.items()}
    for module in names:
        for name in names[module]:
            thing = getattr(importlib.import_module(module), name)
            if callable(thing) and name not in ("preprocess_input", "complexity"):
                assert id(thing) in listed and generate_reference.summary(thing), f"{module}.{name}"


def test_the_drawn_graph_is_up_to_date():
    assert generate_fusing.PICTURE.read_text("utf-8") == generate_fusing.picture(), (
        "run python -m tools.generate_fusing"
    )


FAULTS = [
    ("One short sentence. And another one.", 0),
    ("word " * 25, 0),
    ("word " * 26, 1),
    ("- " + "word " * 20 + "\n- " + "word " * 20, 0),
    ("word " * 20 + "\n" + "word " * 20, 1),
    ("Two parts; one sentence.", 1),
    ("The cost is that of the head.", 1),
    ("Its numbers return, whoever counts.", 2),
    ("```\n" + "word " * 30 + "; that of\n```", 0),
    ("| " + "word " * 30 + "|", 0),
    ("# A title; that of a page", 0),
    ("A `piece; of code that of` is one word, [a link](that;of) too.", 0),
    ("<!-- a comment; that of a page -->", 0),
]


@pytest.mark.parametrize(("text", "count"), FAULTS, ids=range(len(FAULTS)))
def test_faults_of_sentences(text, count):
    assert len(english.faults(text)) == count


DOCSTRING = '''
def function(one, two):
    """Does this; does that.

    Args:
        one: {first}
        two: int, the second. It has words of its own.

    Example:

    >>> function(1); function(2)
    """
'''


@pytest.mark.parametrize(("words", "lines"), [(10, [3]), (28, [3]), (31, [3, 6])])
def test_faults_of_docstrings(words, lines, tmp_path):
    path = tmp_path / "module.py"
    path.write_text(DOCSTRING.replace("{first}", "word " * words))
    assert [fault[0] for fault in english.faults_of(path)] == lines


def test_output_is_written_below_its_commands(tmp_path):
    page = tmp_path / "page.md"
    blocks = [f"```bash\necho {word}\n```\n\n```text\nold\n```\n" for word in ("first", "second")]
    page.write_text("\n".join(["# Page\n", blocks[0], "```bash\ntrue\n```\n", blocks[1], "The end."]), "utf-8")
    expected = page.read_text("utf-8").replace("old", "first", 1).replace("old", "second")
    assert pages.with_output(page, tmp_path) == expected
