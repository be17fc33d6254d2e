"""Outputs that are Parquet, row group by row group; pyarrow is imported here and in ``writing`` alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from jina_v3.record_fields import USUAL, RecordFields
from jina_v3_client.batch.outputs import ANSWER_FIELDS, OutputFile, Record
from jina_v3_client.batch.records import BadRecord, BatchRecord
from jina_v3_client.batch.vectors import DamagedError, decode_vector
from jina_v3_client.errors import ConfigurationError

_ROWS: Final = 1024
_IN_MEMORY: Final = 8 * 2**20


def import_pyarrow(what: str) -> Any:
    """Return pyarrow, with its Parquet. **Raises**: ``ConfigurationError`` that says what to install."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigurationError(
            f"{what} needs pyarrow, which is not installed",
            advice="pip install pyarrow",
        ) from None
    return pyarrow


def read_batches(chunks: Iterable[bytes]) -> Iterator[Any]:
    """Yield a Parquet file's rows as record batches. **Raises**: ``DamagedError``."""
    pa = import_pyarrow("reading Parquet outputs")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as whole:
        for chunk in chunks:
            whole.write(chunk)
        whole.seek(0)
        try:
            with pa.parquet.ParquetFile(whole) as file:
                if "embedding" not in file.schema_arrow.names or "error" not in file.schema_arrow.names:
                    raise DamagedError("it has no columns embedding and error")
                yield from file.iter_batches(batch_size=_ROWS)
        except (pa.ArrowException, OSError) as error:
            raise DamagedError(f"it is no Parquet that can be read: {error}") from None


def read_rows(output: OutputFile, chunks: Iterable[bytes], form: str, names: RecordFields = USUAL) -> Iterator[Record]:
    """Yield the records of an output of Parquet. **Raises**: ``DamagedError``."""
    line = output.lines_before
    for batch in read_batches(chunks):
        vectors = batch.column("embedding")
        own = [name for name in batch.schema.names if name not in ANSWER_FIELDS]
        columns = {name: batch.column(name).to_pylist() for name in own if name != names.text_name}
        answer = {
            name: batch.column(name).to_pylist()
            for name in ANSWER_FIELDS
            if name in batch.schema.names[:] and name not in ("embedding", "embeddings")
        }
        for row in range(batch.num_rows):
            line += 1
            yield _record(
                output,
                line,
                {name: column[row] for name, column in columns.items()},
                {name: column[row] for name, column in answer.items()},
                vectors[row],
                form,
                names.id_name,
            )


def _record(
    output: OutputFile, line: int, own: dict[str, Any], answer: dict[str, Any], vector: Any, form: str, id_name: str
) -> Record:
    id, error = own.pop(id_name, None), answer["error"]
    if error is not None:
        return BadRecord(
            file=output.file,
            line=line,
            id=id,
            code=error["code"],
            message=error["message"],
            index=output.index(line),
        )
    if not vector.is_valid or answer.get("tokens") is None:
        raise DamagedError(f"row {line} has neither a vector nor an error")
    return BatchRecord(
        id=id,
        vector=_vector(vector, form),
        tokens=answer["tokens"],
        file=output.file,
        line=line,
        metadata=own,
        index=output.index(line),
        truncated=bool(answer.get("truncated")),
        scale=answer.get("scale"),
    )


def _vector(value: Any, form: str) -> Any:
    """Return a cell as an array: base64 is decoded, lists have their type already."""
    if hasattr(value, "values"):
        return value.values.to_numpy(zero_copy_only=False)
    return decode_vector(value.as_py(), form, scaled=False)
