"""The real weights against their published values; the same as ``make verify``."""

import os

import pytest
from evaluation.verify import main

FOLDER = os.environ.get("JINA_V3_MODEL", "")


@pytest.mark.weights
@pytest.mark.skipif(not FOLDER, reason="needs the real checkpoint: set JINA_V3_MODEL to its folder")
def test_the_published_values() -> None:
    assert main([FOLDER]) == 0
