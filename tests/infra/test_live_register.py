"""docs/local-aws.md says what a real account is needed for, and tests/live does it: the two have to agree."""

import ast
import tomllib
from pathlib import Path

from tests.support.live_register import list_live_tests, read_register, read_steps

_ROOT = Path(__file__).parents[2]


def test_every_row_is_tested_or_done_by_hand() -> None:
    rows = read_register()
    assert len(rows) >= 20
    assert [row.what for row in rows if not row.tests and not row.by_hand] == []


def test_the_register_and_the_live_tests_name_each_other() -> None:
    named = [name for row in read_register() for name in row.tests]
    live = list_live_tests()
    assert len(set(named)) == len(named)
    assert len(set(live)) == len(live)
    assert set(named) == set(live)


def test_what_is_by_hand_has_its_steps() -> None:
    by_hand = {row.what for row in read_register() if row.by_hand}
    steps = read_steps()
    assert steps.keys() == by_hand
    assert all(len(text) > 80 for text in steps.values())  # steps, not a word


def test_every_live_file_has_the_mark_that_keeps_it_from_running() -> None:
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "not aws" in settings["addopts"][settings["addopts"].index("-m") + 1]
    for path in (_ROOT / "tests" / "live").glob("test_*.py"):
        marks = [ast.unparse(node) for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
        assert "pytestmark = pytest.mark.aws" in marks, path.name


def test_nothing_that_runs_by_itself_runs_the_live_tests() -> None:
    for path in (_ROOT / ".ci").iterdir():
        assert "verify-live" not in path.read_text()
    rules = (_ROOT / "Makefile").read_text().split("\n\n")
    assert [rule.partition(":")[0] for rule in rules if "tests/live" in rule] == ["verify-live"]
