"""``jina-v3 batch``: runs over whole datasets, by their names from any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jina_v3.contract import PARAMETERS
from jina_v3.record_fields import USUAL
from jina_v3_client.batch import BadRecord, BatchRecord
from jina_v3_client.batch.status import count
from jina_v3_client.cli import clients
from jina_v3_client.cli.batch_report import tell_report
from jina_v3_client.cli.call import DONE, Call
from jina_v3_client.cli.failures import CommandError
from jina_v3_client.cli.outputs import VectorKind, choose_format, choose_path, open_output
from jina_v3_client.cli.records import STDIN, Record, format_of, from_files, has_head, read_all
from jina_v3_client.cli.screen import Screen
from jina_v3_client.cli.tally import Tally
from jina_v3_client.cli.words import read_fields
from jina_v3_client.parameters import UNSET
from jina_v3_client.results import TextEmbedding, TextError

if TYPE_CHECKING:
    from jina_v3_client.batch import BatchClient, BatchRun, BatchStatus


def batch(call: Call) -> int:
    """Do what the words say with a run, and return the exit status."""
    return _ACTIONS[call.words.action](call, clients.open_batch(call.place))


def _submit(call: Call, client: BatchClient) -> int:
    words, names = call.words, read_fields(call.words)  # also of what is read here, which keeps its own fields
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
        format=words.input_format if _is_place(words.data) and words.input_format else "auto",
        allow_missing_text=words.allow_missing_text,
        text_field=names.text,
        id_field=names.id,
    )
    if words.follow or words.dry_run:  # a plan takes seconds
        return _follow(call, run)
    if words.json:
        call.screen.show_json({"run": run.name})
    else:
        call.screen.say(run.name)  # alone, so that a script can take it
        call.screen.note(f"to see how far it is: jina-v3 batch status {run.name} --follow")
    return DONE


def _is_place(data: str | None) -> bool:
    """Say whether data is in S3 or in a folder, whose files stay as they are."""
    return data is not None and (data.startswith("s3://") or Path(data).is_dir())


def _data(call: Call) -> Any:
    """Return a place or a path as it is, and what must be read here as records."""
    words = call.words
    if words.data is None:
        if words.resume is None:
            raise CommandError("there is no data; name it, or - for standard input, or --resume RUN", usage=True)
        return None
    if _is_place(words.data):
        if words.input_format == "txt":
            raise CommandError("what is in S3 or in a folder stays as it is: JSON lines, CSV or Parquet", usage=True)
        return words.data
    if words.data != STDIN and not Path(words.data).exists():
        raise CommandError(f"there is no file or folder {words.data} here", usage=True)
    is_read_here = (
        words.data == STDIN
        or words.input_format is not None
        or format_of(words.data) == "txt"
        or (read_fields(words) != USUAL and format_of(words.data) != "parquet")
        or has_head(words.data, read_fields(words))
    )
    return _records(call) if is_read_here else words.data


def _records(call: Call) -> Iterator[dict[str, Any]]:
    words, fields = call.words, read_fields(call.words)
    is_csv = (words.input_format or format_of(words.data)) == "csv"
    for record in read_all(from_files([words.data], words.input_format, fields)):
        if record.error is not None:
            raise CommandError(f"{record.place}: {record.error.message}")
        if is_csv and (name := next((name for name in PARAMETERS if name in record.metadata), None)) is not None:
            raise CommandError(
                f"{record.place}: a column is named {name!r}, which in the JSON lines that are sent is a parameter of "
                f"each text; name it otherwise, or submit a folder with the file in it, where CSV stays as it is"
            )
        named = {} if record.id is None else {fields.id_name: record.id}
        yield {**record.metadata, **named, fields.text_name: record.text}


def _status(call: Call, client: BatchClient) -> int:
    run = client.run(call.words.run)
    return _follow(call, run) if call.words.follow else _show(call, run.status())


def _follow(call: Call, run: BatchRun) -> int:
    try:
        status = run.wait(progress=None if call.screen.is_watched else _Lines(call.screen))
    except KeyboardInterrupt:
        call.screen.note(f"the run goes on; to follow it again: jina-v3 batch status {run.name} --follow")
        raise
    return _show_report(call, run) if status.outcome == "dry_run" else _show(call, status)


class _Lines:
    """Says how far a run is where no person looks: a line where there is something new."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._last = screen, 0

    def __call__(self, done: int, total: int | None) -> None:
        if done > self._last:
            self._last = done
            share = "" if total is None else f"{done:,} of about "
            self._screen.note(f"{share}{count(done if total is None else total, 'record')} verified")


def _report(call: Call, client: BatchClient) -> int:
    return _show_report(call, client.run(call.words.run))


def _show_report(call: Call, run: BatchRun) -> int:
    report = run.report()
    if not report:
        raise CommandError(f"the run {run.name} has no report: {run.status()}")
    if call.words.json:
        call.screen.show_json(report)
    else:
        for line in tell_report(report):
            call.screen.say(line)
    return DONE


def _show(call: Call, status: BatchStatus) -> int:
    if call.words.json:
        call.screen.show_json(asdict(status))
    else:
        call.screen.say(str(status))
    return DONE


def _stop(call: Call, client: BatchClient) -> int:
    run = client.run(call.words.run)
    status = run.status()
    if status.is_running:
        run.stop()
        call.screen.note(f"stopped; jina-v3 batch submit --resume {run.name} embeds the rest")
    else:
        call.screen.note(f"there is nothing to stop: {status}")
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
    call.screen.show_table("", ("run", "state", "started"), rows, whole="run")
    return DONE


def _result(call: Call, client: BatchClient) -> int:
    words, tally = call.words, Tally()
    path = choose_path(words.output)
    chosen = choose_format(path, words.format)
    result = client.run(words.run).result(partial=words.partial)
    records = chain(result.records(), result.unsent)
    before, kind = _peek(records)
    with open_output(path, chosen, kind) as output:
        for index, one in enumerate(chain(before, records)):
            record, embedding = _as_embedding(index, one)
            if chosen != "jsonl" and not kind.fits(embedding):
                raise CommandError(f"{record.place} has another form or several chunks: write .jsonl", usage=True)
            output.write(record, embedding, None)
            tally.add(record, embedding)
    return tally.tell(call.screen)


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
        metadata = {name: value for name, value in one.metadata.items() if name != "id"}  # which is the record's id
        record = Record(text="", place=place, id=one.id, metadata=metadata)
        return record, TextEmbedding(
            index=index, vector=one.vector, tokens=one.tokens, truncated=one.truncated, scale=one.scale
        )
    failed = TextError(code=one.code, message=one.message)
    return Record(text="", place=place, id=one.id), TextEmbedding(index=index, vector=None, tokens=0, error=failed)


_ACTIONS: Final[dict[str, Callable[[Call, Any], int]]] = {
    "submit": _submit,
    "status": _status,
    "report": _report,
    "result": _result,
    "stop": _stop,
    "runs": _runs,
}
