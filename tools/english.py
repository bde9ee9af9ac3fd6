"""Holds pages and docstrings to short sentences: python -m tools.english [FILE ...].

A sentence has at most 25 words on a page, 30 in a docstring, and no semicolon. Code, tables, headings and addresses are
not read.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Ending of a file -> most words in a sentence.
MOST_WORDS = {".md": 25, ".py": 30}
# Pattern -> what a technical writer does instead.
PHRASES = {
    r"\b(that|those) of\b": "repeat the noun",
    r"\bnumbers return\b": 'write "reproduces the numbers"',
    r"\blaid down\b": 'write "written" or "used"',
    r"\bat hand\b": "name the thing",
    r"\banswer(s|ed)? (as|more|like)\b": 'write "predicts" or "behaves like"',
    r"\bwhoever\b": "name who it is",
    r"\blest\b": 'write "so that ... not"',
    r"^(were|had) (it|the|they|this|that)\b": 'write "if"',
    r"\bits? (is|are) named so\b": "name it",
    r"\bgoes? on with\b": 'write "continues"',
    r"\b(anew|thereof|therein|hereby|whence|heretofore)\b": "use the plain word",
    r"\bstands? for that\b": "repeat the noun",
    r"\bdeals? (them |the \w+ )?out\b": 'write "distributes"',
    r"\bgive all\b": "say what is used",
}
_LEFT_OUT = re.compile(r"^(```|~~~).*?^\1[^\n]*$|<!--.*?-->|^---\n.*?^---$", re.MULTILINE | re.DOTALL)
# Lines that are no prose: tables, headings, generated directives with their options, and raw HTML.
_NO_PROSE = re.compile(r"^\s*(\||#|:::|<|!\[)|^ {4,}\w+: |^\s*$")
_BULLET = re.compile(r"^\s*([-*+]|\d+\.)\s+")
_END = re.compile(r"(?<=[.!?])[)*_\"]*\s+(?=[A-Z0-9`\"*_(\[])")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<https?:[^>]*>")
# Parts of a docstring: an example, the title of a section, and an item of a section.
_EXAMPLE = re.compile(r"^ *>>> .*(\n.*\S.*)*", re.MULTILINE)
_SECTION = re.compile(r"^ *\w+( \w+)?:$", re.MULTILINE)
_ITEM = re.compile(r"^ +(?=[\w*`, ]+: )", re.MULTILINE)


def paragraphs(text):
    """Yields `(line number, prose)` for every paragraph and item of a Markdown text."""
    text = _LEFT_OUT.sub(lambda found: "\n" * found.group().count("\n"), text)
    start, words = 0, []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if words and (_NO_PROSE.match(line) or _BULLET.match(line)):
            yield start, " ".join(words)
            words = []
        if not _NO_PROSE.match(line):
            start = start if words else number
            words.append(_BULLET.sub("", line).strip())


def docstrings(source):
    """Yields `(line number, Markdown)` for every docstring of a Python file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            text = _EXAMPLE.sub(lambda found: "\n" * found.group().count("\n"), text)
            yield node.body[0].lineno, _ITEM.sub("- ", _SECTION.sub("", text))


def sentences(prose):
    """Returns the sentences of a paragraph. A piece of code and an address count as one word."""
    plain = re.sub(r"`[^`]*`", "`code`", _LINK.sub(r"\1", prose))
    return _END.split(plain)


def faults(text, most=MOST_WORDS[".md"]):
    """Returns a list of `(line number, what is wrong)` of a Markdown text."""
    found = []
    for number, prose in paragraphs(text):
        for sentence in sentences(prose):
            words = [word for word in sentence.split() if re.search(r"\w", word)]
            shown = f"{' '.join(words[:8])} ..."
            if len(words) > most:
                found.append((number, f"{len(words)} words, at most {most}: {shown}"))
            if ";" in sentence:
                found.append((number, f"a semicolon, write two sentences: {shown}"))
            for pattern, instead in PHRASES.items():
                if match := re.search(pattern, sentence, re.IGNORECASE):
                    found.append((number, f'"{match.group()}", {instead}: {shown}'))
    return found


def faults_of(path):
    """Returns a list of `(line number, what is wrong)` of a page or of the docstrings of a Python file."""
    text, most = path.read_text("utf-8"), MOST_WORDS[path.suffix]
    texts = docstrings(text) if path.suffix == ".py" else [(1, text)]
    return [(start + number - 1, fault) for start, part in texts for number, fault in faults(part, most)]


def pages():
    """Returns the pages that are checked."""
    names = ("README.md", "CONTRIBUTING.md", "saved_models/README.md")
    return [*(ROOT / name for name in names), *sorted((ROOT / "docs").rglob("*.md"))]


def main(names):
    """Prints every fault and returns their number."""
    count = 0
    for path in map(Path, names) if names else [*pages(), *sorted((ROOT / "keras_lightnets").rglob("*.py"))]:
        for number, fault in faults_of(path):
            print(f"{path}:{number}: {fault}")
            count += 1
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
