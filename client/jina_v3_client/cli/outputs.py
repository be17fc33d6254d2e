"""Where vectors go: JSON lines, an array of numpy's, or Parquet; a file has its name only once it is whole."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from jina_v3_client.batch.tables import import_pyarrow
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.cli.records import Record
from jina_v3_client.parameters import Parameters
from jina_v3_client.results import TextEmbedding

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIXES: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".npy": "npy", ".parquet": "parquet"}
FORMATS: Final = ("jsonl", "npy", "parquet")

_OURS: Final = frozenset({"embedding", "embeddings", "scale", "tokens", "truncated", "error"})
"""Fields of an answer; a record's own of these names are left out, as the server does."""

_GROUP_ROWS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorKind:
    """What all vectors of an output are: numpy's name of their type, and whether each has a scale."""

    columns: int
    dtype: str
    scaled: bool = False

    @classmethod
    def of(cls, parameters: Parameters) -> VectorKind:
        """Return what these parameters ask for."""
        dtype = {"float": "<f4", "binary": "|i1", "int8": "|i1", "ubinary": "|u1"}[parameters.form]
        return cls(columns=parameters.columns, dtype=dtype, scaled=parameters.form == "int8")

    def fits(self, embedding: TextEmbedding) -> bool:
        """Say whether an embedding, where it has a vector, is one of these."""
        vector = embedding.vector
        return vector is None or (
            (vector.shape, vector.dtype.str, embedding.scale is not None) == ((self.columns,), self.dtype, self.scaled)
        )


class Output:
    """Takes each text's embedding, in order; ``embedding.index`` counts the texts of all sources."""

    def write(self, record: Record, embedding: TextEmbedding, document: int | None) -> None:
        """Write one; ``document`` is its number where sources are documents."""
        raise NotImplementedError

    def finish(self) -> None:
        """Write what is left: all went well."""

    def close(self) -> None:
        """Let go of what is held, however it went."""


def choose_path(name: str | None) -> Path | None:
    """Return the output's file, ``None`` for standard output."""
    return None if name in (None, "-") else Path(name)


def choose_format(path: Path | None, given: str | None) -> str:
    """Return the output's form, by its word or else its file's suffix.

    **Raises**: ``CommandError``.
    """
    is_file = path is not None and (path.is_file() or path.is_dir() or not path.exists())
    chosen = given or (SUFFIXES.get(path.suffix.lower()) if path is not None and is_file else "jsonl")
    if chosen is None:
        raise CommandError(
            f"{path}: its name does not say what it is to be; end it in .jsonl, .npy or .parquet, or give --format",
            usage=True,
        )
    if chosen != "jsonl" and path is None:
        raise CommandError(f"{chosen} goes to a file: give --output FILE.{chosen}", usage=True)
    return chosen


@contextmanager
def open_output(path: Path | None, chosen: str, kind: VectorKind) -> Iterator[Output]:
    """Open what takes the vectors; where the work breaks off, a file is as it was before.

    **Raises**: ``CommandError``, ``OSError``.
    """
    if path is None:
        yield _JsonLines(sys.stdout.buffer)
        sys.stdout.flush()
        return
    if chosen == "npy" and kind.scaled:
        raise CommandError("an array has no place for the scales of int8; write .parquet or .jsonl", usage=True)
    with _whole_file(path, chosen) as file, closing(_make(chosen, file, kind)) as output:
        yield output
        output.finish()


def _make(chosen: str, file: IO[bytes], kind: VectorKind) -> Output:
    if chosen == "jsonl":
        return _JsonLines(file)
    return _Array(file, kind) if chosen == "npy" else _Parquet(file, kind)


@contextmanager
def _whole_file(path: Path, chosen: str) -> Iterator[IO[bytes]]:
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():  # a device or a pipe, which must not be put out of the way
        if chosen != "jsonl" or path.is_dir():
            raise CommandError(f"{path} is no file that can be written", usage=True)
        with path.open("wb") as file:
            yield file
        return
    if not path.parent.is_dir():
        raise CommandError(f"{path.parent} is no folder that is there; make it, or give another --output", usage=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _JsonLines(Output):
    """The server's own form of JSON lines: the record's fields as they were, but the text, and the vector."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, record: Record, embedding: TextEmbedding, document: int | None) -> None:
        members: dict[str, Any] = {key: value for key, value in record.metadata.items() if key not in _OURS}
        members |= {"index": embedding.index} if record.id is None else {"id": record.id}
        if document is not None:
            members["document"] = document
        line = _encode(members)[:-1]  # what follows is put before the brace
        if embedding.vector is None:
            error = embedding.error
            assert error is not None
            line += b',"error":' + _encode({"code": error.code, "message": error.message, "place": record.place})
        else:
            name = b"embedding" if embedding.vector.ndim == 1 else b"embeddings"
            line += b',"%b":%b,"tokens":%d' % (name, _numbers(embedding.vector), embedding.tokens)
            line += b',"scale":%.9g' % embedding.scale if embedding.scale is not None else b""
            line += b',"truncated":true' if embedding.truncated else b""
        self._file.write(line + b"}\n")


def _encode(members: dict[str, Any]) -> bytes:
    """Encode as JSON; times and the like of Parquet become strings."""
    try:
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can only say by its escape
        return json.dumps(members, separators=(",", ":"), default=str).encode()


def _numbers(vector: NDArray[Any]) -> bytes:
    """Nine digits give back the same float32, and are half as many as Python's own."""
    if vector.ndim > 1:  # of a document's chunks
        return b"[%b]" % b",".join(map(_numbers, vector))
    shape = "%.9g" if vector.dtype.kind == "f" else "%d"
    return b"[%b]" % ",".join(map(shape.__mod__, vector.tolist())).encode()


class _Array(Output):
    """A row for each text; of a text without a vector NaN, or zero where there is no NaN."""

    def __init__(self, file: IO[bytes], kind: VectorKind) -> None:
        import numpy as np

        self._file = file
        dtype = np.dtype(kind.dtype)
        self._missing = np.full(kind.columns, np.nan if dtype.kind == "f" else 0, dtype)
        self._rows = 0
        self._write_head()
        self._head_bytes = file.tell()

    def write(self, record: Record, embedding: TextEmbedding, document: int | None) -> None:  # noqa: ARG002  # no place
        row = self._missing if embedding.vector is None else embedding.vector
        self._file.write(row.astype(self._missing.dtype, copy=False).tobytes())
        self._rows += 1

    def finish(self) -> None:
        """Write the number of rows into the head, which numpy leaves room for."""
        self._file.seek(0)
        self._write_head()
        assert self._file.tell() == self._head_bytes

    def _write_head(self) -> None:
        from numpy.lib import format as npy

        head = {
            "descr": npy.dtype_to_descr(self._missing.dtype),
            "fortran_order": False,
            "shape": (self._rows, len(self._missing)),
        }
        npy.write_array_header_1_0(self._file, head)


class _Parquet(Output):
    """The contract's table: names, vectors, tokens, errors, and the record's own fields as JSON."""

    def __init__(self, file: IO[bytes], kind: VectorKind) -> None:
        pa = import_pyarrow("writing Parquet")
        error_type = pa.struct([("code", pa.string()), ("message", pa.string())])
        self._schema = pa.schema(
            [
                ("index", pa.int64()),
                ("id", pa.string()),
                ("document", pa.int64()),
                ("embedding", pa.list_(pa.from_numpy_dtype(kind.dtype))),
                ("scale", pa.float32()),
                ("tokens", pa.int64()),
                ("truncated", pa.bool_()),
                ("error", error_type),
                ("metadata", pa.string()),
            ]
        )
        self._table = pa.Table
        self._writer = pa.parquet.ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, record: Record, embedding: TextEmbedding, document: int | None) -> None:
        error = embedding.error
        self._rows.append(
            {
                "index": embedding.index,
                "id": None if record.id is None else str(record.id),
                "document": document,
                "embedding": embedding.vector,
                "scale": embedding.scale,
                "tokens": embedding.tokens,
                "truncated": embedding.truncated,
                "error": None if error is None else {"code": error.code, "message": error.message},
                "metadata": _encode(record.metadata).decode() if record.metadata else None,
            }
        )
        if len(self._rows) >= _GROUP_ROWS:
            self._write_rows()

    def finish(self) -> None:
        """Write the last rows."""
        self._write_rows()

    def close(self) -> None:
        """Write the foot, so that the writer has none left to write."""
        self._writer.close()

    def _write_rows(self) -> None:
        if self._rows:
            self._writer.write_table(self._table.from_pylist(self._rows, self._schema))
        self._rows.clear()
