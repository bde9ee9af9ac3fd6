"""Pages are programs: reads their blocks of code, and writes what their commands print into a page.

python -m tools.pages PAGE FOLDER runs the commands of a page in an empty folder.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tools import DOCS

ROOT = DOCS.parent
_BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
# Commands, and what they print in the block after them.
_SHOWN = re.compile(
    r"(?<!-->\n)^```bash\n(?P<commands>(?:(?!```).*\n)*)```\n\n```text\n(?P<output>(?:(?!```).*\n)*)```$", re.M
)


class Block(NamedTuple):
    """A block of code of a page.

    Attributes:
        line: int, number of its first line.
        language: str, what stands behind the fence.
        text: str.
        reason: str or None, why it is not run.
    """

    line: int
    language: str
    text: str
    reason: str | None

    @property
    def commands(self):
        """The commands of a bash block, a list of str."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "bash" else ()
        return [line for line in lines if line and not line.startswith("#")]


def blocks(path):
    """Returns the list of `Block`s of a page."""
    text = path.read_text("utf-8")
    return [
        Block(text.count("\n", 0, found.start("text")) + 1, found["language"], found["text"], found["reason"])
        for found in _BLOCK.finditer(text)
    ]


def run(command, folder):
    """Runs a command of a page in a folder; returns what it printed.

    Raises:
        RuntimeError: if it fails.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{command}\n{result.stdout}{result.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


def with_output(path, folder):
    """Runs the commands of a page in a folder, and returns the text of the page with what they print now."""
    text, end = "", 0
    page = path.read_text("utf-8")
    shown = {match.start("commands"): match for match in _SHOWN.finditer(page)}
    for found in _BLOCK.finditer(page):
        if found["language"] == "bash" and not found["reason"]:
            printed = run(found["text"], folder)
            if match := shown.get(found.start("text")):
                text += page[end : match.start("output")] + printed
                end = match.end("output")
    return text + page[end:]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(with_output(Path(sys.argv[1]), sys.argv[2]), "utf-8")
