"""Files of the repository outside docs/: where they stand on the site, and what is shown of them.

Links from page to page are relative, as on GitHub. On the site a file outside docs/ stands under `repository/`:
Markdown and notebooks as pages, other text as a page with its source, pictures as they are. A link to a folder leads to
its README.md, as it does on GitHub.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_DOCS: Final = "docs/"
_OUTSIDE: Final = "repository/"
_AS_THEY_ARE: Final = (".md", ".svg", ".png")
_LANGUAGES: Final = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".txt": "text"}
_LINK: Final = re.compile(r"\]\(([^)\s#?]+)")


def path_of(page: str) -> str:
    """Return the path in the repository of a page of the site."""
    return page.removeprefix(_OUTSIDE) if page.startswith(_OUTSIDE) else _DOCS + page


def place_of(path: str) -> str:
    """Return where mkdocs finds a file of the repository; of a folder, its README.md."""
    if (ROOT / path).is_dir():
        path = posixpath.join(path, "README.md")
    if path.startswith(_DOCS):
        return path.removeprefix(_DOCS)
    return _OUTSIDE + path + ("" if path.endswith(_AS_THEY_ARE) else ".md")


def is_external(url: str) -> bool:
    """Return whether a link leads out of the repository, or stays on its page."""
    return not url or url.startswith(("#", "/")) or ":" in url.partition("/")[0]


def target(page: str, url: str) -> str:
    """Return the path in the repository that a page's link leads to, without its anchor."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path_of(page)), url))


def rewrite(page: str, url: str) -> str:
    """Return a link of a page as mkdocs looks for it."""
    if is_external(url):
        return url
    path, mark, anchor = url.partition("#")
    return posixpath.relpath(place_of(target(page, path)), posixpath.dirname(page) or ".") + mark + anchor


def linked(page: str, markdown: str) -> list[str]:
    """Return the files outside docs/ that a page may link to: code is looked at too, so more than it does."""
    found = {target(page, url) for url in _LINK.findall(markdown) if not is_external(url)}
    places = {place_of(path) for path in found if not path.startswith("..")}
    return sorted(place for place in places if place.startswith(_OUTSIDE) and source(place).is_file())


def source(place: str) -> Path:
    """Return the file that is shown at a place outside docs/."""
    path = path_of(place)
    return ROOT / (path.removesuffix(".md") if not (ROOT / path).is_file() else path)


def show(place: str) -> str:
    """Return a file of text as Markdown."""
    file = source(place)
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return text
    if file.suffix == ".ipynb":
        return _notebook(text)
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall(r"`{3,}", text)), default=2))
    name = file.relative_to(ROOT).as_posix()
    return f"# {name}\n\n{fence}{_LANGUAGES.get(file.suffix, 'text')}\n{text.rstrip()}\n{fence}\n"


def _notebook(text: str) -> str:
    parts = []
    for cell in json.loads(text)["cells"]:
        written = "".join(cell["source"]).strip()
        parts.append(written if cell["cell_type"] == "markdown" else f"```python\n{written}\n```")
    return "\n\n".join(parts) + "\n"
