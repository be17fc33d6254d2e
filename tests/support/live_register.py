"""The register of what the local AWS does not prove (docs/local-aws.md), and the live tests, as two sets of names."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "local-aws.md"
_HEADING = "## What it does not prove"


@dataclass(frozen=True)
class Row:
    """A row: its first column, the tests that its third one names, and whether something is left to a person."""

    what: str
    tests: tuple[str, ...]
    by_hand: bool


def read_register() -> list[Row]:
    rows = []
    for line in _section(_HEADING).splitlines():
        columns = [column.strip() for column in line.strip("|").split("|")]
        if line.startswith("|") and columns[0] != "what" and not columns[0].startswith("---"):
            tests = tuple(re.findall(r"`(test_\w+)`", columns[2]))
            rows.append(Row(what=columns[0], tests=tests, by_hand="by hand" in columns[2]))
    return rows


def read_steps() -> dict[str, str]:
    """Return the steps by hand: what each is for, and its text."""
    items = re.split(r"^- ", _section("### By hand"), flags=re.MULTILINE)[1:]
    return {item[2:].partition("**")[0]: item.partition(":")[2].strip() for item in items}


def list_live_tests() -> list[str]:
    return [
        node.name
        for path in sorted((_ROOT / "tests" / "live").glob("test_*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def _section(heading: str) -> str:
    page = _PAGE.read_text()
    assert f"{heading}\n" in page
    rest = page.partition(f"{heading}\n")[2]
    level = heading.partition(" ")[0]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]
