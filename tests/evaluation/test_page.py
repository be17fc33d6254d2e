"""docs/evaluation.md has the figures of the files, and names each of their sources."""

from pathlib import Path

import pytest
from evaluation.figures import NAMES, Row, read_table
from evaluation.mteb.sets import SETS

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def line(name: str, row: Row, columns: list[str]) -> str:
    cells = [f"{row.scores[column]:.2f}" if column in row.scores else "" for column in columns]
    return f"| {name} | {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


@pytest.mark.parametrize("name", ["mteb_english", "longembed"])
def test_tables_by_model(name: str) -> None:
    table = read_table(name)
    columns = list(dict.fromkeys(column for row in table.rows for column in row.scores))
    for row in table.rows:
        assert line(row.model, row, columns) in PAGE


def test_the_table_by_dimension() -> None:
    for row in read_table("matryoshka").rows:
        assert line(str(row.dimension), row, ["Retrieval", "STS"]) in PAGE


def test_the_table_by_language() -> None:
    table = read_table("mteb_tasks")
    columns = {column for row in table.rows for column in row.scores}
    for column in columns:
        row = Row(model="", source="", scores=dict(table.of(column)))
        assert line(column, row, list(table.models)) in PAGE


@pytest.mark.parametrize("name", NAMES)
def test_every_source_is_named(name: str) -> None:
    table = read_table(name)
    for row in table.rows:
        repository, _, path = row.source.partition(", ")
        assert repository in PAGE
        if "its " not in path:  # what part of the paper, in words
            file = path.split(" ")[0]
            assert file in PAGE or str(Path(file).parent) in PAGE, row.source
    assert f"published/scores/{name}.json" in PAGE


def test_every_set_is_explained() -> None:
    assert all(f"| `{name}` |" in PAGE for name in SETS)
