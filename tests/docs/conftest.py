"""A model for pages that leave dimensions at 1024."""

from pathlib import Path

import pytest
from tests.support.page_account import DATASET


@pytest.fixture(scope="session")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in as wide as the model, of one thin layer."""
    from demo.standin import StandInConfig, write_standin

    config = StandInConfig(layers=1, hidden=1024, heads=16, intermediate=64, vocab=400)
    texts = [record.get("text", "") for records in DATASET.values() for record in records]
    return write_standin(tmp_path_factory.mktemp("wide") / "model", texts * 20, config)
