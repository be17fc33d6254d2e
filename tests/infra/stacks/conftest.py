"""What the tests of the stacks share: the templates of each case, made once."""

from __future__ import annotations

import pytest
from tests.support.templates import CASES, EXAMPLE_NAMES, Templates, case


@pytest.fixture(params=[*CASES, *EXAMPLE_NAMES])
def every(request: pytest.FixtureRequest) -> Templates:
    """Each case and each example."""
    return case(request.param)
