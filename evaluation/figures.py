"""Published scores of this model and its rivals, as files in ``published/scores/``, each figure with its source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "published" / "scores"

NAMES: Final = ("mteb_english", "mteb_multilingual", "longembed", "matryoshka", "mteb_tasks")
"""The files."""

OURS: Final = "jina-embeddings-v3"
"""How the names of rows begin that are this model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one source says of one model. **Units**: ``scores`` in points, 0 to 100."""

    model: str
    source: str
    scores: Mapping[str, float]
    dimension: int | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is of the model that this project serves."""
        return self.model.startswith(OURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One file: rows that may be set beside each other.

    ``counts`` says how many tasks a category has, ``not_comparable`` which columns no measurement of ours is compared
    with, and why.
    """

    name: str
    title: str
    note: str
    rows: tuple[Row, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    not_comparable: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """The rows' names, each once, in order."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    def of(self, column: str) -> Iterator[tuple[str, float]]:
        """Yield which models have a figure in this column, and it."""
        for row in self.rows:
            if column in row.scores:
                yield row.model, row.scores[column]

    def ours(self, column: str) -> float | None:
        """Return this model's figure: the paper's where there is one, else the first other source's."""
        return next((row.scores[column] for row in self.rows if row.is_ours and column in row.scores), None)


def read_table(name: str, folder: Path = FOLDER) -> Table:
    """Read one of ``NAMES``."""
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return Table(
        name=name,
        title=content["title"],
        note=content["note"],
        rows=tuple(Row(**row) for row in content["rows"]),
        counts=content.get("counts", {}),
        not_comparable=content.get("not_comparable", {}),
    )
