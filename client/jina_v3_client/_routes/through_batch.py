"""Texts through a batch run, and its vectors back in the order of the texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from jina_v3_client._clients.call import Call
from jina_v3_client._texts.assembly import assemble
from jina_v3_client._texts.cutting import check_text
from jina_v3_client._texts.wire import DTYPES, Block
from jina_v3_client.errors import InvalidInputError, ResponseError
from jina_v3_client.parameters import Parameters
from jina_v3_client.protocols import Progress
from jina_v3_client.results import Embeddings, TextError, Usage

if TYPE_CHECKING:
    from jina_v3_client.batch import BadRecord, BatchClient, BatchRecord

_ROWS: Final = 4096
"""How many records are put together into one array."""


def embed_in_batch(batch: BatchClient, texts: Iterable[str], call: Call, progress: Progress | None) -> Embeddings:
    """Submit a run, wait for it, and gather its records. A run that is not over by the deadline goes on.

    **Raises**: ``InvalidInputError`` with the first bad text's ``index`` unless errors are to be returned;
    ``BatchError``, ``DeadlineError``.
    """
    records = _Checked(texts, lines=call.lines)
    first = next(records, None)
    if first is None:
        return assemble([], 0, call.parameters, Usage(seconds=call.seconds))
    run = batch.submit(
        chain([first], records),
        task=call.parameters.task,
        dimensions=call.parameters.dimensions,
        embedding_type=call.parameters.form,
        normalized=call.parameters.normalized,
        truncate=call.parameters.truncate,
        allow_missing_text=True,
        progress=progress,
    )
    run.wait(call.left_s, progress=progress)
    result = run.result()
    errors = {_index(bad): TextError(code=bad.code, message=bad.message) for bad in result.bad} | records.errors
    if errors and not call.lines:
        raise _refusal(errors, run.name)
    blocks = list(_blocks(result, call.parameters))
    seen = sorted([*errors, *(index for block in blocks for index in block.indices)])
    if seen != list(range(records.count)):
        raise ResponseError(f"run {run.name} gave {len(seen)} records for {records.count} texts, or some of them twice")
    return assemble(blocks, records.count, call.parameters, Usage(seconds=call.seconds), errors=errors)


class _Checked:
    """Texts that are counted as they are read, and can be a run's records.

    With ``lines`` one that cannot has its error in ``errors``, and nothing goes in its place: the run refuses that.
    """

    def __init__(self, texts: Iterable[str], *, lines: bool) -> None:
        self.count = 0
        self.errors: dict[int, TextError] = {}
        self._texts = iter(texts)
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text, index = next(self._texts), self.count
        self.count += 1
        try:
            if not isinstance(text, str) or text.strip():  # the run tells of empty ones, and how many there are
                check_text(text, f"texts[{index}]", index)
        except InvalidInputError as error:
            if not self._lines:
                raise
            self.errors[index] = TextError(code=error.code, message=error.message)
            return ""
        return text


def _index(record: BatchRecord | BadRecord) -> int:
    if record.index is None:
        raise ResponseError("a record of the run does not say which text it is of")
    return record.index


def _refusal(errors: dict[int, TextError], run: str) -> InvalidInputError:
    index = min(errors)
    more = f", and {len(errors) - 1} more of run {run}" if len(errors) > 1 else f", of run {run}"
    return InvalidInputError(
        f"texts[{index}]: {errors[index].message.rstrip('.')}{more}",
        code=errors[index].code,
        field=f"texts[{index}]",
        index=index,
    )


def _blocks(records: Iterable[BatchRecord], parameters: Parameters) -> Iterator[Block]:
    rows = iter(records)
    while some := list(islice(rows, _ROWS)):
        yield _block(some, parameters)


def _block(records: list[BatchRecord], parameters: Parameters) -> Block:
    import numpy as np

    indices = tuple(map(_index, records))
    return Block(
        indices=indices,
        vectors=np.stack([record.vector for record in records]).astype(DTYPES[parameters.form], copy=False),
        token_counts=np.array([record.tokens for record in records], np.int64),
        truncated=tuple(index for index, record in zip(indices, records, strict=True) if record.truncated),
        scales=np.array([record.scale for record in records], np.float32) if parameters.form == "int8" else None,
        errors={},
    )
