"""The pages' Python about the encoder runs, over a small model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.pages import Block, blocks_of


@pytest.mark.parametrize("block", blocks_of(__file__), ids=lambda block: block.place)
def test_the_encoder_gives_what_the_page_asks_for(block: Block, wide_model: Path) -> None:
    names: dict[str, Any] = {"path": wide_model}
    exec(compile(block.text, block.place, "exec"), names)
    results = [names[name] for name in ("queries", "chunks")]
    assert [result.shape for result in results] == [(1, 256), (2, 1024)]
    for result in results:
        np.testing.assert_allclose(np.linalg.norm(np.asarray(result), axis=1), 1, atol=1e-5)
