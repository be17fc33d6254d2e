"""Which fields of a record are its text and its id, as a run asks for them and as its container is told."""

from __future__ import annotations

import codecs
import csv
import io
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

csv.field_size_limit(sys.maxsize)  # the process's own setting; how long a text may be is the container's to say

PARAMETERS: Final = (
    "task",
    "dimensions",
    "late_chunking",
    "normalized",
    "truncate",
    "embedding_type",
    "encoding_format",
)
ANSWER_FIELDS: Final = ("embedding", "embeddings", "scale", "tokens", "truncated", "error")
RESERVED: Final = (*PARAMETERS, *ANSWER_FIELDS)
"""Names that mean something else in a record or in its answer."""
LONGEST_NAME: Final = 256


@dataclass(frozen=True, slots=True)
class RecordFields:
    """Names as they were given; ``None`` is the contract's own.

    ``columns`` are those of CSV whose files begin with them; of CSV without they are ``None``.
    """

    text: str | None = None
    id: str | None = None
    columns: tuple[str, ...] | None = None

    @property
    def text_name(self) -> str:
        """The field of the text."""
        return "text" if self.text is None else self.text

    @property
    def id_name(self) -> str:
        """The field of the id."""
        return "id" if self.id is None else self.id

    def text_of(self, record: Mapping[str, Any]) -> Any:
        """Return what stands in the place of a record's text, None where nothing does."""
        return record.get("text", record.get("input")) if self.text is None else record.get(self.text)

    def id_of(self, cells: Sequence[str]) -> str | None:
        """Return the id of a row of CSV, None where it has none."""
        if self.columns is None:
            return (cells[0] or None) if len(cells) == 2 else None
        if len(cells) != len(self.columns) or self.id_name not in self.columns:
            return None
        return cells[self.columns.index(self.id_name)] or None

    def describe(self) -> dict[str, Any]:
        """Return it as a plan has it."""
        columns = None if self.columns is None else list(self.columns)
        return {"text_field": self.text, "id_field": self.id, "columns": columns}

    def environment(self) -> dict[str, str]:
        """Return what the container is told."""
        names = {
            "JINA_V3_TEXT_FIELD": None if self.text is None else (self.text,),
            "JINA_V3_ID_FIELD": None if self.id is None else (self.id,),
            "JINA_V3_CSV_COLUMNS": self.columns,
        }
        return {variable: write_row(cells) for variable, cells in names.items() if cells is not None}


USUAL: Final = RecordFields()
"""Where no name was given."""


def planned_fields(plan: Mapping[str, Any]) -> RecordFields:
    """Read what ``describe`` wrote; a plan of an earlier release says nothing of it."""
    columns = plan.get("columns")
    return RecordFields(plan.get("text_field"), plan.get("id_field"), None if columns is None else tuple(columns))


def can_be_told(name: str) -> bool:
    """Say whether a container's environment can hold a name: no control characters, no half of a surrogate pair."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def write_row(cells: Sequence[str]) -> str:
    """Write a row of CSV without a line end; cells with anything but letters, digits and a few signs are quoted."""
    if all(cell and not set(cell) - _PLAIN for cell in cells):
        return ",".join(cells)
    sink = io.StringIO()
    csv.writer(sink, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    return sink.getvalue()


_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")


def read_row(line: bytes) -> list[str]:
    """Read a row of CSV, which may begin with a byte order mark and end with a line end; none where it is not CSV."""
    text = line.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape").rstrip("\r\n")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return []
