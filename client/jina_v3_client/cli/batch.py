"""``jina-v3 batch``: runs over whole datasets, by their names from any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from jina_v3_client.batch import BadRecord, BatchRecord
from jina_v3_client.cli import clients
from jina_v3_client.cli.call import DONE, Call
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.cli.outputs import VectorKind, choose_format, choose_path, open_output
from jina_v3_client.cli.records import STDIN, Record, from_files, read_all
from jina_v3_client.cli.tally import Tally
from jina_v3_client.parameters import UNSET
from jina_v3_client.results import TextEmbedding, TextError

if TYPE_CHECKING:
    from jina_v3_client.batch import BatchClient, BatchResult, BatchRun, BatchStatus


def batch(call: Call) -> int:
    """Do what the words say with a run, and return the exit status."""
    return _ACTIONS[call.words.action](call, clients.open_batch(call.place))


def _submit(call: Call, client: BatchClient) -> int:
    words = call.words
    run = client.submit(
        _data(call),
        task={None: UNSET, "none": None}.get(words.task, words.task),
        dimensions=UNSET if words.dimensions is None else words.dimensions,
        embedding_type=words.embedding_type or UNSET,
        name=words.name,
        instances=words.instances,
        max_usd=words.max_usd,
        dry_run=words.dry_run,
        resume=words.resume,
        format=words.input_format if _is_remote(words.data) and words.input_format else "auto",
    )
    if words.follow:
        return _follow(call, run)
    if words.json:
        call.screen.show_json({"run": run.name})
    else:
        call.screen.say(run.name)  # alone, so that a script can take it
        call.screen.note(f"to see how far it is: jina-v3 batch status {run.name} --follow")
    return DONE


def _is_remote(data: str | None) -> bool:
    return data is not None and data.startswith("s3://")


def _data(call: Call) -> Any:
    """Return a place or a path as it is, and what must be read here as records."""
    words = call.words
    if words.data is None and words.resume is None:
        raise CommandError("there is no data; name it, or - for standard input, or --resume RUN", usage=True)
    is_plain = words.input_format is not None or words.field != "text"
    if _is_remote(words.data):
        if words.field != "text" or words.input_format == "txt":
            raise CommandError("what is in S3 stays as it is: JSON lines or CSV, whose field is named text", usage=True)
        return words.data
    if words.data is None or not (words.data == STDIN or words.data.lower().endswith(".txt") or is_plain):
        return words.data
    return _records(call)


def _records(call: Call) -> Iterator[dict[str, Any]]:
    words = call.words
    for record in read_all(from_files([words.data], words.input_format, words.field)):
        if record.error is not None:
            raise CommandError(f"{record.place}: {record.error.message}")
        named = {} if record.id is None else {"id": record.id}
        yield {**record.metadata, **named, "text": record.text}


def _status(call: Call, client: BatchClient) -> int:
    run = client.run(call.words.run)
    return _follow(call, run) if call.words.follow else _show(call, run.status())


def _follow(call: Call, run: BatchRun) -> int:
    try:
        return _show(call, run.wait())
    except KeyboardInterrupt:
        call.screen.note(f"the run goes on; to follow it again: jina-v3 batch status {run.name} --follow")
        raise


def _show(call: Call, status: BatchStatus) -> int:
    if call.words.json:
        call.screen.show_json(asdict(status))
    else:
        call.screen.say(str(status))
    return DONE


def _stop(call: Call, client: BatchClient) -> int:
    client.run(call.words.run).stop()
    call.screen.note(f"stopped; jina-v3 batch submit --resume {call.words.run} embeds the rest")
    return DONE


def _runs(call: Call, client: BatchClient) -> int:
    runs = client.runs(call.words.count)
    if call.words.json:
        call.screen.show_json([asdict(status) for status in runs])
        return DONE
    rows = [
        (one.name, one.outcome or one.state, "" if one.started is None else f"{one.started:%Y-%m-%d %H:%M}")
        for one in runs
    ]
    call.screen.show_table("", ("run", "state", "started"), rows)
    return DONE


def _result(call: Call, client: BatchClient) -> int:
    words, tally = call.words, Tally()
    path = choose_path(words.output)
    chosen = choose_format(path, words.format)
    records = _all_records(client.run(words.run).result(partial=words.partial))
    before, kind = _peek(records)
    with open_output(path, chosen, kind) as output:
        for index, one in enumerate(chain(before, records)):
            record, embedding = _as_embedding(index, one)
            if chosen != "jsonl" and not kind.fits(embedding):
                raise CommandError(f"{record.place} has another form or several chunks: write .jsonl", usage=True)
            output.write(record, embedding, None)
            tally.add(record, embedding)
    return tally.tell(call.screen)


def _all_records(result: BatchResult) -> Iterator[BatchRecord | BadRecord]:
    """Yield all records in order, and after them those that were too large to be sent, which have no place there."""
    seen = set()
    for record in result.records():
        if isinstance(record, BadRecord):
            seen.add((record.file, record.line))
        yield record
    yield from (bad for bad in result.bad if (bad.file, bad.line) not in seen)


def _peek(records: Iterator[BatchRecord | BadRecord]) -> tuple[list[BatchRecord | BadRecord], VectorKind]:
    """Read up to the first vector, which tells what all are like."""
    before: list[BatchRecord | BadRecord] = []
    for record in records:
        before.append(record)
        if isinstance(record, BatchRecord):
            dtype, scaled = record.vector.dtype.str, record.scale is not None
            return before, VectorKind(columns=record.vector.shape[-1], dtype=dtype, scaled=scaled)
    return before, VectorKind(columns=0, dtype="<f4")


def _as_embedding(index: int, one: BatchRecord | BadRecord) -> tuple[Record, TextEmbedding]:
    place = f"{one.file}:{one.line}"
    if isinstance(one, BatchRecord):
        record = Record(text="", place=place, id=one.id, metadata=dict(one.metadata))
        return record, TextEmbedding(
            index=index, vector=one.vector, tokens=one.tokens, truncated=one.truncated, scale=one.scale
        )
    failed = TextError(code=one.code, message=one.message)
    return Record(text="", place=place, id=one.id), TextEmbedding(index=index, vector=None, tokens=0, error=failed)


_ACTIONS: Final[dict[str, Callable[[Call, Any], int]]] = {
    "submit": _submit,
    "status": _status,
    "result": _result,
    "stop": _stop,
    "runs": _runs,
}
