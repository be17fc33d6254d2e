"""Every configuration on the pages is one that is understood."""

from pathlib import Path

import pytest
from tests.support.pages import Block, blocks_of

from jina_v3_infra.config import read_deployment


@pytest.mark.parametrize("block", blocks_of(__file__), ids=lambda block: block.place)
def test_a_configuration_is_understood(block: Block, tmp_path: Path) -> None:
    path = tmp_path / f"page.{block.language}"
    path.write_text(block.text, encoding="utf-8")
    without = read_deployment(None, ["model.source=jinaai/jina-embeddings-v3"])
    assert read_deployment(path, ["model.source=jinaai/jina-embeddings-v3"]) != without
