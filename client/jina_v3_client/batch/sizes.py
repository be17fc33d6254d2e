"""How large the files are that data is sharded into: one answer to all of a file's records must never be too long.

The service holds an answer in memory, and a request is never larger than its file; so no file of ours has to be cut
again, by the state machine or by nobody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

FILE_BYTES: Final = 16 * 2**20
ANSWER_BYTES: Final = 40_000_000
"""Of all records of a file; 50 MB is where the state machine cuts, and refuses Parquet."""
_FLOAT_BYTES: Final = 12.6
"""Of one float32 in its shortest digits with its comma, on average."""
_LINE_BYTES: Final = 120
"""Of an answer's line besides vector and metadata: id, tokens, names and punctuation."""
_ROW_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class VectorSize:
    """A vector of a form on the wire."""

    form: str
    dimensions: int

    @property
    def line_bytes(self) -> float:
        """Bytes of an answer of JSON lines, less the record's metadata."""
        packed = math.ceil(self.dimensions / 8)
        vector = {
            "float": _FLOAT_BYTES * self.dimensions,
            "base64": 4.0 * math.ceil(4 * self.dimensions / 3),
            "binary": 4.5 * packed,
            "ubinary": 3.6 * packed,
            "int8": 4.0 * self.dimensions,
        }
        return vector[self.form] + _LINE_BYTES

    @property
    def row_bytes(self) -> float:
        """Bytes of an answer of Parquet, less the record's own columns."""
        row = {"float": 4.0 * self.dimensions, "int8": float(self.dimensions), "base64": self.line_bytes}
        return row.get(self.form, self.dimensions / 8) + _ROW_BYTES
