"""Every block of every page is held by exactly one test, which takes it from the register."""

import pytest
from tests.support.pages import HELD, PAGES, ROOT, Held, all_blocks


def test_every_block_is_held_by_one_test() -> None:
    rows = {block: [row.by for row in HELD if row.has(block)] for block in all_blocks()}
    assert len(rows) > 50
    wrong = [f"{block.place} ({block.language}): {by}" for block, by in rows.items() if len(by) != 1]
    assert not wrong, "blocks that no test runs, or more than one (tests/support/pages.py):\n" + "\n".join(wrong)


@pytest.mark.parametrize("row", HELD, ids=lambda row: f"{row.by}:{row.language}:{row.pages}")
def test_every_row_has_a_test_that_asks_for_its_blocks(row: Held) -> None:
    assert "blocks_of(__file__)" in (ROOT / row.by).read_text(encoding="utf-8")
    if row.pages != ".*":  # those are for whatever comes
        assert any(row.has(block) for block in all_blocks()), "no block of any page"


def test_the_pages_are_all_that_there_are() -> None:
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")}
    assert {"README.md", "benchmarks/README.md", *there} <= set(PAGES)
