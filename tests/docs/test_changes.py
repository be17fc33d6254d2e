"""Where a page shows a change of code, what comes after it runs."""

import pytest
from tests.support.pages import Block, blocks_of


@pytest.mark.parametrize("block", blocks_of(__file__), ids=lambda block: block.place)
def test_what_it_becomes_runs(block: Block) -> None:
    lines = block.text.splitlines()
    assert all(line[:1] in "-+ " for line in lines)
    exec(compile("\n".join(line[1:] for line in lines if not line.startswith("-")), block.place, "exec"), {})
