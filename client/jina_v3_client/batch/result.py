"""What a run has embedded, streamed back in the order of the dataset, and its bad records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

from jina_v3_client.batch.fetching import Fetcher
from jina_v3_client.batch.inputs import count_rows, pair_lines
from jina_v3_client.batch.lines import split_lines
from jina_v3_client.batch.outputs import OutputFile, Outputs, Record, Seen, index_of, read_lines
from jina_v3_client.batch.records import TOO_LARGE, BadRecord, BatchRecord
from jina_v3_client.batch.store import Store
from jina_v3_client.batch.tables import read_rows
from jina_v3_client.batch.vectors import DamagedError
from jina_v3_client.errors import BatchError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BatchResult:
    """A run's vectors: iterate it for ``BatchRecord``, in the order of files and lines.

    Nothing is kept: each iteration reads the outputs again, some ranges ahead, in memory of about 50 MB whatever the
    size. Iterating raises ``BatchError`` where an output is damaged or is not what the run verified.

    >>> from jina_v3_client.testing import InMemoryBatchClient
    >>> result = InMemoryBatchClient().submit([{"id": "a", "text": "sunrise", "city": "Ulm"}]).result()
    >>> for record in result:
    ...     print(record.id, record.vector.shape, record.metadata)
    a (1024,) {'city': 'Ulm'}
    """

    def __init__(self, store: Store, outputs: Outputs) -> None:
        self._store, self._outputs = store, outputs

    def __iter__(self) -> Iterator[BatchRecord]:
        return (record for record in self.records() if isinstance(record, BatchRecord))

    def __repr__(self) -> str:
        return f"<BatchResult of {self._outputs.run}, {len(self._outputs.files)} outputs>"

    @property
    def bad(self) -> Iterator[BadRecord]:
        """All records that have no vector, each with its reason.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> for bad in InMemoryBatchClient().submit(["sunrise", " "]).result().bad:
        ...     print(bad.index, bad.code)
        1 empty_text
        """
        if self._outputs.bad_files is None:
            return (record for record in self.records() if isinstance(record, BadRecord))
        return self._listed_bad()

    @property
    def unsent(self) -> Iterator[BadRecord]:
        """Those of ``bad`` that were too large to be sent, and so have no place among ``records()``.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> list(InMemoryBatchClient().submit(["sunrise", " "]).result().unsent)
        []
        """
        listed = self._listed_bad() if self._outputs.bad_files else ()
        return (record for record in listed if record.code == TOO_LARGE)

    def records(self) -> Iterator[Record]:
        """Yield embedded and bad records together, in order; those too large to be sent are in ``unsent`` alone.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> [type(record).__name__ for record in InMemoryBatchClient().submit(["sunrise", " "]).result().records()]
        ['BatchRecord', 'BadRecord']
        """
        for output, chunks, source in self._fetched():
            seen = Seen()
            try:
                for record in self._read(output, chunks, source):
                    seen.add(record)
                    yield record
                seen.check(output.counts)
            except DamagedError as error:
                raise self._damaged(output, error) from None

    def to_numpy(self) -> tuple[list[str | int | None], NDArray[Any]]:
        """Return the ids, and the vectors as one array, in the same order.

        **Shapes**: vectors: (records, dimensions), float32, int8 or uint8 as asked for.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> ids, vectors = InMemoryBatchClient().submit(["sunrise", "sunset"], dimensions=64).result().to_numpy()
        >>> ids, vectors.shape
        ([0, 1], (2, 64))
        """
        from jina_v3_client.batch.writing import write_numpy

        return write_numpy(self, self._count())

    def to_parquet(self, path: str | PathLike[str]) -> int:
        """Write the vectors into one Parquet file, in bounded memory; return how many.

        Columns are ``id`` (as text), ``embedding``, ``scale`` with int8, ``tokens``, ``truncated``, ``file``, ``line``,
        and the record's own fields as ``metadata`` in JSON.

        **Raises**: ``ConfigurationError`` without pyarrow.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> InMemoryBatchClient().submit(["sunrise", "sunset"]).result().to_parquet(tmp_path / "vectors.parquet")
        2
        """
        from jina_v3_client.batch.writing import write_parquet

        return write_parquet(self, path)

    def to_pandas(self) -> Any:
        """Return a data frame: ``id``, the record's own fields, ``embedding``, ``scale`` with int8, ``tokens``.

        **Raises**: ``ConfigurationError`` without pandas.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> list(InMemoryBatchClient().submit([{"text": "sunrise", "city": "Ulm"}]).result().to_pandas().columns)
        ['id', 'city', 'embedding', 'tokens']
        """
        from jina_v3_client.batch.writing import write_pandas

        return write_pandas(self)

    def _count(self) -> int | None:
        """Return how many vectors there are, ``None`` where nobody has counted."""
        counts = [output.counts for output in self._outputs.files]
        return sum(one.embedded for one in counts if one) if all(counts) else None

    def _fetched(self) -> Iterator[tuple[OutputFile, Iterator[bytes], Iterator[bytes]]]:
        files = self._outputs.files
        sources = [one.source for one in files if one.source is not None]
        with Fetcher(self._store, [one.stored for one in files]) as outputs, Fetcher(self._store, sources) as inputs:
            for one in files:
                yield one, outputs.chunks(one.stored), inputs.chunks(one.source) if one.source else iter(())

    def _read(self, output: OutputFile, chunks: Iterator[bytes], source: Iterator[bytes]) -> Iterator[Record]:
        form, data_format = self._outputs.form, self._outputs.format
        if data_format == "parquet":
            return _with_count(read_rows(output, chunks, form, self._outputs.names), source if output.source else None)
        if output.source is None:
            return read_lines(output, chunks, form)
        return pair_lines(output, chunks, source, form, data_format, self._outputs.names.id_name)

    def _listed_bad(self) -> Iterator[BadRecord]:
        files = self._outputs.bad_files or ()
        with Fetcher(self._store, [file.stored for file in files]) as fetcher:
            for file in files:
                for _, line in split_lines(fetcher.chunks(file.stored)):
                    value = json.loads(line)
                    if file.only is None or value["file"] in file.only:
                        yield BadRecord(**value, index=index_of(value["file"], value["line"]))

    def _damaged(self, output: OutputFile, error: DamagedError) -> BatchError:
        return BatchError(
            f"the output of {output.file} is damaged: {error}",
            run=self._outputs.run,
            target=output.stored.uri,
            advice="what the records before it gave is good; embed this file again",
        )


def _with_count(records: Iterable[Record], source: Iterable[bytes] | None) -> Iterator[Record]:
    rows = 0
    for record in records:
        rows += 1
        yield record
    if source is not None and rows != (wanted := count_rows(source)):
        raise DamagedError(f"it has {rows:,} rows, and {wanted:,} went in")
