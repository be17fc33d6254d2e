"""What the repository has: its packages, what they import of one another, and its stacks."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
LAYERED: Final = "jina_v3"
"""The package that is drawn by its layers."""

_IMPORT: Final = re.compile(r"^\s*(?:from|import) ([\w.]+)", re.MULTILINE)


@cache
def _project() -> dict[str, Any]:
    tool: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return tool


def packages() -> dict[str, Path]:
    """Return the folder of each package whose imports are held to contracts."""
    roots = [ROOT / place for place in _project()["hatch"]["build"]["targets"]["wheel"]["dev-mode-dirs"]]
    names = _project()["importlinter"]["root_packages"]
    return {name: next(root / name for root in roots if (root / name / "__init__.py").is_file()) for name in names}


def shipped() -> set[str]:
    """Return the packages of the wheel."""
    return {Path(place).name for place in _project()["hatch"]["build"]["targets"]["wheel"]["packages"]}


def layers() -> list[list[str]]:
    """Return the layers of ``jina_v3`` from above, as the contract has them: a layer imports those below it alone."""
    (contract,) = (
        each
        for each in _project()["importlinter"]["contracts"]
        if each["type"] == "layers" and each["layers"][0].startswith(f"{LAYERED}.")
    )
    return [re.split(r"\s*\|\s*", layer) for layer in contract["layers"]]


def imports() -> set[tuple[str, str]]:
    """Return which package imports which; of ``jina_v3`` the layer that is imported."""
    known = packages()
    found = set()
    for name, folder in known.items():
        for file in folder.rglob("*.py"):
            for module in _imported(file.read_text(encoding="utf-8"), known.keys() - {name}):
                top, _, below = module.partition(".")
                found.add((name, f"{top}.{below.partition('.')[0]}" if top == LAYERED and below else top))
    return found


def _imported(source: str, of: set[str]) -> Iterator[str]:
    """Yield the modules of packages that a source imports; what only looks like it, in a text, is none."""
    if of.isdisjoint(module.partition(".")[0] for module in _IMPORT.findall(source)):
        return  # parsing takes a hundred times as long
    for node in ast.walk(ast.parse(source)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        yield from (module for module in modules if module.partition(".")[0] in of)


def stacks() -> set[str]:
    """Return the stacks, by the module or the package that has the class."""
    folder = packages()["jina_v3_infra"] / "stacks"
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Stack" for base in node.bases):
                found.add(file.relative_to(folder).parts[0].removesuffix(".py"))
    return found
