"""What the tests of the stacks share: the templates of each case, made once."""

from __future__ import annotations

import pytest
from tests.support.templates import CASES, EXAMPLE_NAMES, Templates, case, keep_templates


@pytest.fixture(scope="session", autouse=True)
def _folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """pytest's own folders: it locks them while it runs, and removes them later, after a run that was killed too."""
    keep_templates(lambda: tmp_path_factory.mktemp("templates"))


@pytest.fixture(params=[*CASES, *EXAMPLE_NAMES])
def every(request: pytest.FixtureRequest) -> Templates:
    """Each case and each example."""
    return case(request.param)
