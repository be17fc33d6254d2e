"""What holds for every notebook, told from its file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lab.strip import stripped

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
MACHINE_PATHS = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|workspace|Users|mnt)\b|\b[A-Z]:\\\\")
SOURCES = ("here.model", "ublished", "easured", "stimate", "alculated")  # what a plot's foot has to name one of

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def sources(path: Path, kind: str) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == kind]


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    for source in sources(path, "code"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield node


def assignments(path: Path) -> Iterator[tuple[str, str]]:
    for source in sources(path, "code"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, ast.unparse(node.value)


def test_it_is_stripped(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert stripped(content) == content, "run python -m lab.strip"
    notebook = read(path)
    assert notebook.nbformat == 4
    assert dict(notebook.metadata) == {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        assert not cell.metadata
        assert cell.source.strip()
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_its_first_code_cell_chooses_the_place_and_its_last_closes_it(path: Path) -> None:
    first, *_, last = sources(path, "code")
    assert "from lab import place" in first
    assert re.search(r"^here = place\.this_machine\(", first, re.MULTILINE)
    assert "my_account(" in first
    assert "standing(" in first
    assert read(path).cells[-1].source == last
    assert last.splitlines()[-1] == "here.close()"


def test_it_reaches_into_the_local_aws_only_where_there_is_one(path: Path) -> None:
    for source in sources(path, "code"):
        assert "here.aws" not in source or "here.is_local" in source, source


def test_it_names_no_place_of_a_machine(path: Path) -> None:
    for cell in read(path).cells:
        assert not MACHINE_PATHS.search(cell.source), cell.source


def test_it_says_what_the_stand_in_is(path: Path) -> None:
    prose = " ".join(sources(path, "markdown"))
    assert prose.startswith("# ")
    assert "stand-in" in prose


def test_each_figure_says_what_computed_it(path: Path) -> None:
    figures = list(calls(path, "plots.figure"))
    assert figures
    assigned = dict(assignments(path))
    for figure in figures:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in figure.keywords}["source"]
        said = assigned.get(given, given)
        assert any(source in said for source in SOURCES), said
    assert not list(calls(path, "plt.subplots"))
    assert not list(calls(path, "plt.figure"))


def test_its_links_lead_somewhere(path: Path) -> None:
    for prose in sources(path, "markdown"):
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if "://" not in target and not target.startswith("#"):
                assert (FOLDER / target.partition("#")[0]).exists(), target
