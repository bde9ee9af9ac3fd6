"""Holds the pages to short sentences: python -m tools.english [FILE ...].

A sentence has at most 25 words and no semicolon. Code, tables, headings and addresses are not read.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_WORDS = 25
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


def sentences(prose):
    """Returns the sentences of a paragraph. A piece of code and an address count as one word."""
    plain = re.sub(r"`[^`]*`", "`code`", _LINK.sub(r"\1", prose))
    return _END.split(plain)


def faults(text, most=MOST_WORDS):
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


def pages():
    """Returns the files that are checked."""
    names = ("README.md", "CONTRIBUTING.md", "saved_models/README.md")
    return [*(ROOT / name for name in names), *sorted((ROOT / "docs").rglob("*.md"))]


def main(names):
    """Prints every fault and returns their number."""
    count = 0
    for path in map(Path, names) if names else pages():
        for number, fault in faults(path.read_text("utf-8")):
            print(f"{path}:{number}: {fault}")
            count += 1
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
