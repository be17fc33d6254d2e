"""What a record that went in says of the output that must come back: its id, and the form of its vector."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.fields import USUAL, RecordFields, read_row

_LEAST_ID, _LARGEST_ID = -(2**63), 2**64 - 1
"""Whole numbers beyond are read as doubles by the container, and refused as ids."""
_NAMES: Final = ("embedding_type", "encoding_format")


@dataclass(frozen=True, slots=True)
class Form:
    """How a vector must look: its type or types, and its dimensions."""

    types: str | tuple[str, ...]
    dimensions: int

    def length(self, kind: str) -> int:
        """Return how many numbers a vector of one type has, or characters as base64."""
        if kind == "base64":
            return 4 * math.ceil(4 * self.dimensions / 3)
        return math.ceil(self.dimensions / 8) if kind in ("binary", "ubinary") else self.dimensions


@dataclass(frozen=True, slots=True)
class RecordIn:
    """A record as it went in. ``chunks`` is how many vectors it asks for, None of one that is no list of chunks."""

    id: str | int | None
    form: Form
    chunks: int | None = None


def read_json_record(line: bytes, absent: Form, fields: RecordFields = USUAL) -> RecordIn:
    """Read a line; one that cannot be read says nothing, and its output must be an error."""
    try:
        value = json.loads(line.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError):
        return RecordIn(None, absent)
    if not isinstance(value, dict):
        return RecordIn(None, absent)
    text = fields.text_of(value)
    chunks = len(text) if value.get("late_chunking") is True and isinstance(text, list) else None
    return RecordIn(read_id(value.get(fields.id_name)), _read_form(value, absent), chunks)


def read_csv_record(line: bytes, absent: Form, fields: RecordFields = USUAL) -> RecordIn:
    """Read a row of ``id,text`` or ``text``, or one of named columns."""
    return RecordIn(fields.id_of(read_row(line)), absent)


def read_id(value: Any) -> str | int | None:
    """Return what may be an id, None of anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and _LEAST_ID <= value <= _LARGEST_ID:
        return value
    return None


def _read_form(value: Mapping[str, Any], absent: Form) -> Form:
    """Return the form a record asks for; what it asks for wrongly is answered by an error."""
    types: Any = next((value[name] for name in _NAMES if value.get(name) is not None), None)
    dimensions = value.get("dimensions", absent.dimensions)
    if types is None and dimensions == absent.dimensions:
        return absent
    if dimensions is None:
        dimensions = 1024
    if types is None:
        types = absent.types
    if isinstance(types, list):
        types = tuple(map(str, types))
    good = isinstance(dimensions, int) and isinstance(types, str | tuple)
    return Form(types, dimensions) if good else absent
