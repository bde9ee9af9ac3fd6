"""What MkDocs is told beyond mkdocs.yml: files of the repository that pages link to are part of the site.

On a code host such a link leads into the repository. On the site it leads to a copy under `repository/`.
"""

import posixpath
import re
from pathlib import Path

from markdown import Extension
from markdown.preprocessors import Preprocessor
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)")


def _home(page):
    """Returns the path in the repository of a page of the site, as text."""
    return page.removeprefix("repository/") if page.startswith("repository/") else f"docs/{page}"


def _place(path):
    """Returns the path on the site of a file of the repository."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def _target(page, link):
    return posixpath.normpath(posixpath.join(posixpath.dirname(_home(page)), link))


def on_files(files, config):
    """Adds the files outside docs/ that pages link to, and the files that those link to."""
    open_pages = [file for file in files if file.is_documentation_page()]
    while open_pages:
        page = open_pages.pop()
        for link in _LINK.findall(page.content_string):
            path = _target(page.src_uri, link)
            if (ROOT / path).is_file() and files.get_file_from_path(_place(path)) is None:
                added = File.generated(config, _place(path), abs_src_path=str(ROOT / path))
                files.append(added)
                open_pages += [added] if added.is_documentation_page() else []
    return files


def on_page_markdown(markdown, page, config, files):
    """Points links that leave docs/ to the copies."""
    here = posixpath.dirname(page.file.src_uri)

    def moved(found):
        place = _place(_target(page.file.src_uri, found.group()))
        return posixpath.relpath(place, here or ".") if files.get_file_from_path(place) else found.group()

    return _LINK.sub(moved, markdown)


class Examples(Extension):
    """Shows the examples of docstrings, which begin with >>> and end at an empty line, as code."""

    def extendMarkdown(self, md):
        """Fences the examples before the fences are read."""
        md.preprocessors.register(_Fences(md), "examples", 100)


class _Fences(Preprocessor):
    def run(self, lines):
        text = "\n".join([*lines, ""])
        return re.sub(r"^>>> .*\n(?:.+\n)*", r"```pycon\n\g<0>```\n", text, flags=re.MULTILINE).split("\n")
