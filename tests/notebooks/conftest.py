"""The fixture of all notebooks' tests, each of which is one call of `ran` and assertions about what it returns:

from tests.support.notebooks import Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

def test_questions_find_their_passages(ran: Ran) -> None:
    found = ran("01-deploy-and-call", {"first": "(ranks == 1).mean()", "all": "ranks.size"})
    assert found["first"] > 0.9
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.notebooks import MARK, Ran, run_and_ask


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Run a notebook by its name, and return the values of expressions over its variables, as JSON has them."""
    monkeypatch.setenv(MARK, str(tmp_path))

    def run_notebook(name: str, expressions: Mapping[str, str]) -> dict[str, Any]:
        return run_and_ask(name, expressions, tmp_path, mark=str(tmp_path))

    return run_notebook
