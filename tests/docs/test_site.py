"""The documents as a site, and as pages on GitHub: links lead somewhere, nothing is fetched, the drawing is true."""

from __future__ import annotations

import collections
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import markdown_it
import pytest
import yaml
from pages import outside
from pages.drawing.drawing import PATH as DRAWING
from pages.drawing.drawing import draw

from jina_v3_infra.config import check_deployment

pytestmark = pytest.mark.timeout(900)  # the first that asks for the site has it built

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
SVG = "{http://www.w3.org/2000/svg}"
MARKDOWN = markdown_it.MarkdownIt("commonmark").enable("table")
COUNTED = ("h1", "h2", "h3", "h4", "li", "ol", "ul", "table", "tr", "pre", "blockquote", "img", "strong", "em", "code")


class Elements(HTMLParser):
    """Every element of a page with its attributes; with ``within``, those inside of one element of it."""

    def __init__(self, text: str, within: str | None = None) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._within, self._is_in = within, within is None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_in = self._is_in or tag == self._within
        if self._is_in:
            self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._is_in = False

    def count(self) -> dict[str, int]:
        counted = collections.Counter(tag for tag, _ in self.found)
        return {tag: counted[tag] for tag in COUNTED}


def html_of(site: Path, page: str) -> str:
    path = site / re.sub(r"\.md$", ".html", page.replace("README.md", "index.md"))
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built here, where nothing but loopback can be reached."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder))
        config.plugins.on_startup(command="build", dirty=False)
        build(config)  # ends with Abort at a warning: the configuration is strict
        config.plugins.on_shutdown()
    return folder


# Pages


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python's functions."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)
CONFIG: dict[str, Any] = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)


def leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for below in nav.values() if isinstance(nav, dict) else nav:
            yield from leaves(below)


def test_the_navigation_has_every_page_once() -> None:
    assert sorted(leaves(CONFIG["nav"])) == PAGES


def test_the_list_of_decisions_has_all_of_them() -> None:
    listed = re.findall(r"^\d+\. \[(.+)\]\((.+)\)$", (DOCS / "adr/README.md").read_text(encoding="utf-8"), re.MULTILINE)
    titles = {
        path.name: path.read_text(encoding="utf-8").splitlines()[0].partition(". ")[2]
        for path in sorted(DOCS.glob("adr/0*.md"))
    }
    assert [(name, title) for title, name in listed] == list(titles.items())


def test_every_warning_there_is_is_an_error() -> None:
    assert CONFIG["strict"] is True
    assert {each for kinds in CONFIG["validation"].values() for each in kinds.values()} == {"warn"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-m mkdocs build --strict $(ARGS)" in makefile  # and not --quiet, with which no warning is counted
    assert re.search(r"^check: .*\bdocs\b", makefile, re.MULTILINE)


@functools.cache
def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    found: collections.Counter[str] = collections.Counter()
    tokens = MARKDOWN.parse(path.read_text(encoding="utf-8"))
    anchors = set()
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            title = "".join(child.content for child in inline.children or ())
            anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            anchors.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
            found[anchor] += 1
    return anchors


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", "benchmarks/README.md", *(f"docs/{each}" for each in PAGES)]
)
def test_links_lead_somewhere_on_github(page: str) -> None:
    links = [
        str(child.attrs.get("href") or child.attrs["src"])
        for token in MARKDOWN.parse((ROOT / page).read_text(encoding="utf-8"))
        for child in token.children or ()
        if child.type in ("link_open", "image")
    ]
    for link in links:
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize(
    ("page", "link", "found"),
    [
        ("client.md", "deploy.md#what-deploy-does", "deploy.md#what-deploy-does"),
        ("client.md", "#errors", "#errors"),
        ("client.md", "https://example.com/a.md", "https://example.com/a.md"),
        ("client.md", "../benchmarks/README.md#measured", "repository/benchmarks/README.md#measured"),
        ("client.md", "../benchmarks/", "repository/benchmarks/README.md"),
        ("adr/0009-batch.md", "../../infra/examples/batch.toml", "../repository/infra/examples/batch.toml.md"),
        ("repository/README.md", "docs/client.md", "../client.md"),
        ("repository/README.md", "docs/adr/", "../adr/README.md"),
        ("repository/benchmarks/README.md", "results/endpoint.svg", "results/endpoint.svg"),
    ],
)
def test_links_are_those_of_the_site(page: str, link: str, found: str) -> None:
    assert outside.rewrite(page, link) == found


def test_what_is_shown_of_files_that_are_not_markdown() -> None:
    batch = (ROOT / "infra/examples/batch.toml").read_text(encoding="utf-8").rstrip()
    assert outside.show("repository/infra/examples/batch.toml.md") == (
        f"# infra/examples/batch.toml\n\n```toml\n{batch}\n```\n"
    )
    notebook = json.loads((ROOT / "notebooks/05-batch.ipynb").read_text(encoding="utf-8"))
    shown = outside.show("repository/notebooks/05-batch.ipynb.md")
    assert shown.count("```python\n") == sum(cell["cell_type"] == "code" for cell in notebook["cells"])
    assert all("".join(cell["source"]).strip() in shown for cell in notebook["cells"])


# The site


@pytest.mark.slow
def test_pages_are_read_as_github_reads_them(site: Path) -> None:
    for page in PAGES:
        here = Elements(html_of(site, page), "article").count()
        there = Elements(MARKDOWN.render((DOCS / page).read_text(encoding="utf-8"))).count()
        assert here == there, page


@pytest.mark.slow
def test_files_outside_docs_are_on_the_site(site: Path) -> None:
    links = {attributes.get("href") for _, attributes in Elements(html_of(site, "client.md"), "article").found}
    assert "repository/benchmarks/index.html" in links
    shown = html_of(site, "repository/benchmarks/README.md")
    images = [attributes["src"] for tag, attributes in Elements(shown, "article").found if tag == "img"]
    assert images
    for image in images:
        assert (site / "repository/benchmarks" / str(image)).is_file()


@pytest.mark.slow
def test_links_of_the_built_pages_lead_to_files(site: Path) -> None:
    for path in site.rglob("*.html"):
        if path.name == "404.html":  # is served at any address, so that its links begin at the root
            continue
        for tag, attributes in Elements(path.read_text(encoding="utf-8")).found:
            link = attributes.get("href") or attributes.get("src")
            if link is None or re.match(r"[a-z]+:", link) or link.startswith("#"):
                continue
            assert (path.parent / re.split("[?#]", link)[0]).exists(), (path.name, tag, link)


@pytest.mark.slow
def test_nothing_is_fetched_to_read_it(site: Path) -> None:
    fetched = []
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for tag, attributes in Elements(text).found:
            link = attributes.get("src") or (attributes.get("href") if tag == "link" else None) or ""
            if re.match(r"(https?:)?//", link):
                fetched.append((path.name, tag, link))
            assert "mermaid" not in (attributes.get("class") or "").split()  # drawn by a script that is fetched
        fetched += [(path.name, "style", url) for url in re.findall(r"url\(\s*['\"]?(?:https?:)?//[^)]*", text)]
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        fetched += [
            (path.name, "url", url) for url in re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", text)
        ]
    assert not fetched


@pytest.mark.slow
def test_search_knows_every_page(site: Path) -> None:
    index = (site / "search/search_index.json").read_text(encoding="utf-8")
    assert (site / "search/search_index.js").read_text(encoding="utf-8") == f"var __index = {index}"  # for files
    for page in PAGES:
        assert f'"{re.sub(r"[.]md$", ".html", page.replace("README.md", "index.md"))}' in index


FAULTS = {
    "'nowhere.md', but": "[a page that is not there](nowhere.md)",
    "does not contain an anchor '#nowhere'": "[an anchor that is not there](deploy.md#nowhere)",
    "no such anchor on this page": "[an anchor of its own that is not there](#nowhere)",
    "'repository/benchmarks/README.md' does not contain": "[one outside docs](../benchmarks/README.md#nothing)",
    "'repository/infra/nowhere.toml.md'": "[a file outside docs](../infra/nowhere.toml)",
    "nowhere-at-all.md": "[a file outside the repository](../../nowhere-at-all.md)",
    "'repository/infra/README.md'": "[a folder without a page](../infra/)",
    "absolute link '/deploy.html'": "[an absolute link](/deploy.html)",
    "'nowhere.svg'": "![a picture that is not there](nowhere.svg)",
}
"""What is planted into a page, by words of the warning."""


def build_copy(root: Path) -> tuple[int, list[str]]:
    """Build a copy, and return the exit status and the warnings."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(root / "site")],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return built.returncode, [line for line in built.stderr.splitlines() if line.startswith("WARNING")]


@pytest.mark.slow
def test_faults_end_the_build(tmp_path: Path) -> None:
    for entry in ROOT.iterdir():
        if entry.name in ("docs", "pages"):
            shutil.copytree(entry, tmp_path / entry.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif entry.name == "mkdocs.yml":
            shutil.copy(entry, tmp_path)
        elif not entry.name.startswith("."):
            (tmp_path / entry.name).symlink_to(entry)
    assert build_copy(tmp_path) == (0, [])
    with (tmp_path / "docs/client.md").open("a", encoding="utf-8") as page:
        page.write("".join(f"\n{fault}\n" for fault in FAULTS.values()))
    (tmp_path / "docs/lost.md").write_text("# A page outside the navigation\n", encoding="utf-8")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text(
        config.replace("- client.md", "- gone.md\n      - client.md"), encoding="utf-8"
    )
    status, warnings = build_copy(tmp_path)
    assert status == 1
    expected = [*FAULTS, "reference to 'gone.md' is included in the 'nav'"]
    for words in expected:
        assert sum(words in warning for warning in warnings) == 1, (words, warnings)
    assert len(warnings) == len(expected) + 1, warnings  # and one for pages outside the navigation


# The drawing


def drawn(kind: str) -> set[str]:
    found = ElementTree.parse(DRAWING).iter(f"{SVG}text")
    return {element.get("data-about", "") for element in found if kind in element.get("class", "").split()}


def test_the_drawing_is_current() -> None:
    is_current = draw() == DRAWING.read_text(encoding="utf-8")
    assert is_current, "run make drawing"


def test_the_drawing_has_every_package_and_no_other() -> None:
    roots = (ROOT, ROOT / "inference", ROOT / "client", ROOT / "infra", ROOT / "notebooks")
    packages = {path.parent.name for root in roots for path in root.glob("*/__init__.py")}
    assert drawn("package") == packages - {"tests"}


def test_the_drawing_has_every_stack_and_no_other() -> None:
    deployment = check_deployment({"name": "n", "batch": {}})
    assert {f"n-{stack}" for stack in drawn("stack")} == set(deployment.stacks)


def test_modules_of_the_drawing_are_there() -> None:
    roots = [ROOT / "inference", ROOT / "client", ROOT / "infra"]
    modules = drawn("module")
    assert len(modules) > 8
    for module in modules:
        path = module.replace(".", "/")
        assert any((root / f"{path}.py").is_file() or (root / path / "__init__.py").is_file() for root in roots), module


def test_words_of_the_drawing_have_room() -> None:
    """A line is at most as wide as the picture; whether it fits its box was looked at."""
    for element in ElementTree.parse(DRAWING).iter(f"{SVG}text"):
        assert 12 < float(element.get("x", 0)) < 868
