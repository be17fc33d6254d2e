"""mkdocs' hooks: files outside docs/ that pages link to become part of the site, and links lead to them."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from pages import outside


class _Links(Treeprocessor):
    """Rewrites the links of one page after another, before mkdocs looks for what they lead to."""

    page = ""

    def run(self, root: ElementTree.Element) -> None:
        for element in root.iter():
            for key in ("href", "src"):
                if (url := element.get(key)) is not None:
                    element.set(key, outside.rewrite(self.page, url))


class _LinksExtension(Extension):
    def __init__(self, links: _Links) -> None:
        super().__init__()
        self._links = links

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802, the name that Python-Markdown calls
        md.treeprocessors.register(self._links, "outside", 1)  # mkdocs' own has 0 and comes last


_LINKS = _Links()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Let links be rewritten."""
    config.markdown_extensions.append(_LinksExtension(_LINKS))
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the files that pages link to, and those that these link to."""
    waiting = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    while waiting:
        page, markdown = waiting.pop()
        for place in outside.linked(page, markdown):
            if files.get_file_from_path(place) is not None:
                continue
            if not place.endswith(".md"):
                files.append(File.generated(config, place, abs_src_path=str(outside.source(place))))
                continue
            shown = outside.show(place)
            files.append(File.generated(config, place, content=shown, inclusion=InclusionLevel.NOT_IN_NAV))
            waiting.append((place, shown))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Remember whose links come next."""
    _LINKS.page = page.file.src_uri
    return markdown
