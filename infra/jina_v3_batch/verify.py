"""The step ``verify``: the outputs of a group of files, read side by side with what went in.

A call that runs out of time says so, and the state machine calls again for the rest. Whatever it found is written to
``jobs/<n>/verified-<attempt>-<group>-<at>.json``; bad records of verified files to ``bad/``, one a line.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.errors import ChangedError
from jina_v3_batch.failures import FILES, classify, reason_of
from jina_v3_batch.fields import planned_fields
from jina_v3_batch.job import rewritten_place
from jina_v3_batch.job_state import read_state
from jina_v3_batch.lines import Line, read_chunks, split_lines, unpack
from jina_v3_batch.outputs import find_output
from jina_v3_batch.pairing import MismatchError, bad_record, pair
from jina_v3_batch.parquet_outputs import compare_parquet
from jina_v3_batch.places import Place, read_place
from jina_v3_batch.planning import JobFiles, read_job
from jina_v3_batch.records_in import Form
from jina_v3_batch.records_out import RecordOut
from jina_v3_batch.rewriting import find_too_large, rewrite
from jina_v3_batch.run import Run
from jina_v3_batch.store import ObjectWriter
from jina_v3_batch.wording import count

FIRST_BAD: Final = 20
"""Bad records of a group that stand in its result; the rest is in ``bad/``."""
_BYTES_PER_S: Final = 40_000_000
"""Assumed when asking whether there is time for one file more."""
_RESERVE_S: Final = 30.0
_IN_MEMORY: Final = 8 * 2**20
TOO_LARGE: Final = "record_too_large"


@dataclass(slots=True)
class _Group:
    """What all files of a call have in common, and what was found so far."""

    run: Run
    plan: Mapping[str, Any]
    files: JobFiles
    state: Mapping[str, Any]
    transform: Mapping[str, Any]
    number: int
    bad: ObjectWriter | None = None
    bad_key: str = ""

    @property
    def output(self) -> Place:
        return read_place(self.plan["output"], "output")

    @property
    def largest_record(self) -> int:
        return int(self.plan["largest_record"])


def verify(run: Run, event: Mapping[str, Any], remaining_s: Callable[[], float]) -> dict[str, Any]:
    """Verify a group's files from position ``at`` on, as far as time allows."""
    number, attempt, group, at = event["job"], event["attempt"], event["group"], event.get("at", 0)
    files = read_job(run.read(f"jobs/{number}/files.json"))
    indices = run.read(f"jobs/{number}/groups-{attempt}.json")[group]
    plan = run.read("plan.json")
    name = f"{number}-{attempt}-{group}-{at}"
    shared = _Group(run, plan, files, read_state(run, number, attempt), event.get("transform") or {}, number)
    shared.bad_key = f"bad/{name}.jsonl"
    results: list[dict[str, Any]] = []
    first_bad: list[dict[str, Any]] = []
    position = at
    try:
        for index in indices[at:]:
            if results and remaining_s() < _needed_s(files.files[index], plan):
                break
            results.append({"index": index, **_verify_file(shared, index, first_bad)})
            position += 1
    except BaseException as error:
        if shared.bad is not None:
            shared.bad.__exit__(type(error), error, None)
        raise
    if shared.bad is not None:
        shared.bad.__exit__(None, None, None)
    run.write(f"jobs/{number}/verified-{attempt}-{group}-{at}.json", {"files": results, "first_bad": first_bad})
    return {"run": run.name, "job": number, "group": group, "at": position, "more": position < len(indices)}


def _needed_s(file: DataFile, plan: Mapping[str, Any]) -> float:
    ratio: float = plan["output_ratio"]
    return _RESERVE_S + file.unpacked(plan["expansion"]) * (1 + ratio) / _BYTES_PER_S


def _verify_file(group: _Group, index: int, first_bad: list[dict[str, Any]]) -> dict[str, Any]:
    file, place = _input_of(group, index)
    try:
        return _verify_sent(group, file, place, first_bad)
    except ChangedError as error:
        return {"ok": False, "reason": "changed", "message": str(error), "permanent": True}
    except (zlib.error, EOFError) as error:  # of this file alone, not of those that are verified with it
        message = f"it is gzip that cannot be read to its end ({error}); write it again"
        return {"ok": False, "reason": "broken_gzip", "message": message, "permanent": True}


def _verify_sent(group: _Group, file: DataFile, place: Place, first_bad: list[dict[str, Any]]) -> dict[str, Any]:
    key = find_output(group.run.store, group.output, group.files.kept, file.key)
    if key is None:
        return {"ok": False, **_without_output(group, file, place)}
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+b") as bad:
        few: list[dict[str, Any]] = []

        def on_bad(line: int, out: RecordOut) -> None:
            found = bad_record(file.original, file.lines_before + line, out)
            few.extend([found] if len(few) < FIRST_BAD else [])
            bad.write(json.dumps(found).encode() + b"\n")

        try:
            account = _compare(group, file, place, key, on_bad)
        except MismatchError as error:
            return {
                "ok": False,
                "reason": "mismatch",
                "message": str(error),
                "permanent": error.permanent,
                "stale": [key],
            }
        for line, size in file.aside:
            account["records"] += 1
            account["errors"][TOO_LARGE] = account["errors"].get(TOO_LARGE, 0) + 1
            on_bad(line - file.lines_before, _too_large(size, group.largest_record))
        _keep_bad(group, bad)
        first_bad.extend(few[: FIRST_BAD - len(first_bad)])
    return {"ok": True, "output": key, **account}


def _input_of(group: _Group, index: int) -> tuple[DataFile, Place]:
    """Return a file as it was sent, and where it lies."""
    file = group.files.files[index]
    rewritten = group.state["rewritten"].get(str(index))
    if rewritten is None:
        return file, group.files.place
    aside = (*file.aside, *((file.lines_before + line, size) for line, size in rewritten["aside"]))
    return (
        DataFile(file.key, rewritten["bytes"], file.etag, None, file.source, file.lines_before, aside),
        rewritten_place(group.run, group.number),
    )


def _compare(
    group: _Group, file: DataFile, place: Place, key: str, on_bad: Callable[[int, RecordOut], None]
) -> dict[str, Any]:
    store, output = group.run.store, group.output
    if group.plan["format"] == "parquet":
        return compare_parquet(store, file, output.bucket, key, on_bad)
    inputs = input_lines(group.run, place, file)
    outputs = split_lines(read_chunks(store.stream(output.bucket, key)))
    absent = Form(group.plan["embedding_type"], group.plan["dimensions"])
    return pair(inputs, outputs, group.plan["format"], absent, on_bad, planned_fields(group.plan)).describe()


def input_lines(run: Run, place: Place, file: DataFile, most_bytes: int | None = None) -> Iterator[Line]:
    """Open a file's lines, unpacked."""
    etag = None if place.prefix.startswith(run.place.prefix) or file.source else file.etag  # a shard's is its source's
    chunks = read_chunks(run.store.stream(place.bucket, place.prefix + file.key, etag=etag))
    return split_lines(unpack(chunks) if file.gzip else chunks, most_bytes)


def _without_output(group: _Group, file: DataFile, place: Place) -> dict[str, Any]:
    """Find out why a file has no output: a record that is too large kills its whole file."""
    reason = reason_of(group.transform)
    if classify(group.transform) != FILES or group.plan["format"] == "parquet":
        return {"reason": "no_output", "message": reason}
    if place == group.files.place:
        most = group.largest_record
        large = find_too_large(input_lines(group.run, place, file, most))
        if large:
            size = rewrite(
                group.run.store,
                rewritten_place(group.run, group.number),
                file,
                input_lines(group.run, place, file, most),
            )
            return {
                "reason": TOO_LARGE,
                "message": f"{count(large, 'record')} too large to be sent; the file is embedded without",
                "rewritten": {"bytes": size, "aside": large},
            }
    return {"reason": "no_output", "message": reason}


def _keep_bad(group: _Group, bad: IO[bytes]) -> None:
    if not bad.tell():
        return
    if group.bad is None:
        place = group.run.place
        group.bad = group.run.store.writer(place.bucket, group.run.key(group.bad_key))
    bad.seek(0)
    while chunk := bad.read(2**20):
        group.bad.write(chunk)


def _too_large(size: int, most: int) -> RecordOut:
    message = f"the record has {size:,} bytes, and a request may have {most:,}; shorten it, or split its text"
    return RecordOut(None, error={"code": TOO_LARGE, "message": message})
