"""Which fields of a record are its text and its id, and the columns of CSV that has no names of its own."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Final

from jina_v3.contract import ANSWER_FIELDS, PARAMETERS

RESERVED: Final = (*PARAMETERS, *ANSWER_FIELDS)
"""Names that mean something else in a record or in its answer."""


@dataclass(frozen=True, slots=True)
class RecordFields:
    """Names as they were given; ``None`` is the contract's own.

    ``columns`` are those of rows whose body does not name them.
    """

    text: str | None = None
    id: str | None = None
    columns: tuple[str, ...] | None = None

    @property
    def text_name(self) -> str:
        """The field of the text. JSON lines may have it in ``input`` too, where no name was given."""
        return "text" if self.text is None else self.text

    @property
    def id_name(self) -> str:
        """The field of the id."""
        return "id" if self.id is None else self.id

    @property
    def left_out(self) -> frozenset[str]:
        """The fields that do not come back as the record's own: the text, the id, and what the answer names."""
        return frozenset((self.text_name, self.id_name, "id", *ANSWER_FIELDS))

    def fault(self) -> str | None:
        """Say what is wrong with names that are each right, ``None`` where nothing is."""
        if self.text_name == self.id_name:
            return f"text and id are both in {self.text_name!r}; name two fields"
        for name in (self.text_name, self.id) if self.columns is not None else ():
            if name is not None and name not in (self.columns or ()):
                return f"no column is named {name!r}; there are {', '.join(map(repr, self.columns or ()))}"
        return None


USUAL: Final = RecordFields()
"""Where no name was given."""


def read_columns(text: str) -> tuple[str, ...]:
    """Read names as a row of CSV has them. **Raises**: ``ValueError`` with what is allowed."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        rows = []
    if len(rows) != 1 or len(set(rows[0])) < len(rows[0]) or any("\n" in name or "\r" in name for name in rows[0]):
        raise ValueError("a row of CSV, on one line, that names each column once")
    return tuple(rows[0])


def read_name(text: str) -> str:
    """Read one field's name, in quotation marks if it needs them. **Raises**: ``ValueError`` with what is allowed."""
    names = read_columns(text)
    if len(names) != 1:
        raise ValueError("the name of one field; one with a comma stands in quotation marks")
    return check_name(names[0])


def check_name(name: str) -> str:
    """Return a field's name that may be one's own. **Raises**: ``ValueError`` with what is allowed."""
    if not name or name in RESERVED:
        raise ValueError(f"the name of a field that is none of {', '.join(RESERVED)}")
    return name
