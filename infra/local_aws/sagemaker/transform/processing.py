"""``DataProcessing`` of a transform job: what of a record is asked, and what of its answer is kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from local_aws.sagemaker.transform.paths import PathError, parse_path

JSON_TYPES: Final = ("application/json", "application/jsonlines")
CSV_TYPE: Final = "text/csv"
DEFAULTS: Final = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}


class ProcessingError(ValueError):
    """Records and answers do not fit together, or cannot be read."""


class Processing:
    """Filters and the join of one job.

    **Raises**: ``PathError`` for an expression that is not allowed.
    """

    def __init__(self, definition: Mapping[str, str], *, content_type: str, accept: str, lines: bool) -> None:
        settings = {**DEFAULTS, **definition}
        self._input = None if settings["InputFilter"] == "$" else parse_path(settings["InputFilter"])
        self._output = None if settings["OutputFilter"] == "$" else parse_path(settings["OutputFilter"])
        self._joins = settings["JoinSource"] == "Input"
        self._lines = lines
        self._reads_csv = media_type(content_type) == CSV_TYPE
        self._writes_csv = media_type(accept or content_type) == CSV_TYPE

    def ask(self, record: bytes) -> bytes:
        """Return what the container gets of a record.

        **Raises**: ``ProcessingError``.
        """
        if self._input is None or not record.strip():
            return record
        try:
            return _write(self._input(_read(record, is_csv=self._reads_csv)), is_csv=self._reads_csv)
        except PathError as error:
            raise ProcessingError(str(error)) from error

    def answer(self, records: Sequence[bytes], answer: bytes) -> bytes:
        """Return what the output has of the answer to these records.

        **Raises**: ``ProcessingError``.
        """
        if not self._joins and self._output is None:
            return answer
        given = [record for record in records if record.strip()]
        answers = [line for line in answer.split(b"\n") if line.strip()] if self._lines else [answer]
        if len(answers) != len(given):
            raise ProcessingError(f"{len(answers)} answers to {len(given)} records; they can not be joined")
        return b"".join(self._finish(record, line) for record, line in zip(given, answers, strict=True))

    def _finish(self, record: bytes, line: bytes) -> bytes:
        value = _read(line, is_csv=self._writes_csv)
        if self._joins:
            given = _read(record, is_csv=self._reads_csv)
            value = given + value if self._reads_csv else _join(given, value)
        try:
            return _write(value if self._output is None else self._output(value), is_csv=self._writes_csv)
        except PathError as error:
            raise ProcessingError(str(error)) from error


def media_type(header: str) -> str:
    """Return a media type without its parameters."""
    return header.partition(";")[0].strip().lower()


def _join(record: Any, answer: Any) -> Any:
    if isinstance(record, dict):
        return {**record, "SageMakerOutput": answer}
    return {"SageMakerInput": record, "SageMakerOutput": answer}


def _read(record: bytes, *, is_csv: bool) -> Any:
    try:
        if is_csv:
            return next(csv.reader([record.decode()], strict=True))
        return json.loads(record)
    except (ValueError, csv.Error, StopIteration) as error:
        raise ProcessingError(f"a record can not be read: {error}") from error


def _write(value: Any, *, is_csv: bool) -> bytes:
    if not is_csv:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass") + b"\n"
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow(value if isinstance(value, list) else [value])
    return row.getvalue().encode()
