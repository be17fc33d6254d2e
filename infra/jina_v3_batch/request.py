"""The input of an execution, checked: what shall be embedded, where to, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.errors import PreflightError, nearest
from jina_v3_batch.fields import LONGEST_NAME, RESERVED, RecordFields, can_be_told
from jina_v3_batch.places import Place, read_place

TASKS: Final = ("retrieval.query", "retrieval.passage", "separation", "classification", "text-matching")
EMBEDDING_TYPES: Final = ("float", "base64", "binary", "ubinary", "int8")
FORMATS: Final = ("auto", "jsonl", "csv", "parquet")
MODEL_DIMENSIONS: Final = 1024

FIELDS: Final = (
    "dataset",
    "output",
    "task",
    "dimensions",
    "embedding_type",
    "format",
    "instances",
    "resume",
    "dry_run",
    "max_usd",
    "text_field",
    "id_field",
    "allow_missing_text",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One run. ``None`` is what the caller left to us.

    ``task`` of the empty string is the base weights, asked for by ``null``. ``columns`` are those of the run that is
    resumed.
    """

    dataset: Place
    output: Place | None = None
    task: str | None = None
    dimensions: int | None = None
    embedding_type: str | None = None
    format: str = "auto"
    instances: int | None = None
    resume: str | None = None
    dry_run: bool = False
    max_usd: float | None = None
    text_field: str | None = None
    id_field: str | None = None
    allow_missing_text: bool = False
    columns: tuple[str, ...] | None = None

    @property
    def fields(self) -> RecordFields:
        """Where a record's text and id are."""
        return RecordFields(self.text_field, self.id_field, self.columns)


def read_request(value: object) -> Request:
    """Read the input of an execution, or the event of a dataset's ``_SUCCESS``.

    **Raises**: ``PreflightError`` that names the field, its value and what is allowed.
    """
    if not isinstance(value, Mapping):
        raise PreflightError(f'the input is {value!r}; it must be an object such as {{"dataset": "s3://bucket/docs/"}}')
    fields = dict(value)
    if "success_file" in fields:
        return Request(dataset=_success_place(fields))
    for name in fields:
        if name not in FIELDS:
            raise PreflightError(
                f"the input has a field {name!r}, which is unknown{nearest(str(name), FIELDS)}: "
                f"known are {', '.join(FIELDS)}"
            )
    if fields.get("dataset") is None:
        raise PreflightError('the input has no "dataset"; it must name a folder in S3, such as s3://bucket/documents/')
    _refuse_one_field(fields)
    return Request(
        dataset=read_place(fields["dataset"], "dataset"),
        output=None if fields.get("output") is None else read_place(fields["output"], "output"),
        task=_read_task(fields),
        dimensions=_read_whole(fields, "dimensions", MODEL_DIMENSIONS),
        embedding_type=_read_choice(fields, "embedding_type", EMBEDDING_TYPES),
        format=_read_choice(fields, "format", FORMATS) or "auto",
        instances=_read_whole(fields, "instances", None),
        resume=_read_name(fields),
        dry_run=_read_flag(fields, "dry_run"),
        max_usd=_read_money(fields),
        text_field=_read_field(fields, "text_field"),
        id_field=_read_field(fields, "id_field"),
        allow_missing_text=_read_flag(fields, "allow_missing_text"),
    )


def _success_place(fields: Mapping[str, Any]) -> Place:
    file = fields["success_file"]
    bucket, key = (file.get("bucket"), file.get("key")) if isinstance(file, Mapping) else (None, None)
    if len(fields) > 1 or not isinstance(bucket, str) or not isinstance(key, str):
        raise PreflightError(
            f'success_file is {file!r}; it must be alone, an object {{"bucket": "…", "key": "…/_SUCCESS"}}'
        )
    return read_place(f"s3://{bucket}/{key.rpartition('/')[0]}", "success_file")


def _read_task(fields: Mapping[str, Any]) -> str | None:
    if "task" not in fields:
        return None
    return _read_choice(fields, "task", TASKS) or ""


def _read_choice(fields: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    value = fields.get(name)
    if value is None or value in allowed:
        return value
    raise PreflightError(f"{name} is {value!r}{nearest(str(value), allowed)}: it must be one of {', '.join(allowed)}")


def _read_whole(fields: Mapping[str, Any], name: str, most: int | None) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        allowed = f"a whole number from 1 to {most}" if most else "a whole number above 0"
        raise PreflightError(f"{name} is {value!r}; it must be {allowed}")
    return value


def _read_flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise PreflightError(f"{name} is {value!r}; it must be true or false")
    return value


def _read_money(fields: Mapping[str, Any]) -> float | None:
    value = fields.get("max_usd")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise PreflightError(f"max_usd is {value!r}; it must be a number above 0")
    return float(value)


def _read_field(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not can_be_told(value):
        raise PreflightError(
            f"{name} is {value!r:.300}; it must be the name of a field that records have at their top level, of up to "
            f"{LONGEST_NAME} characters"
        )
    if value in RESERVED:
        raise PreflightError(
            f"{name} is {value!r}, which means something else in records and their answers; it may be any name but "
            f"{', '.join(RESERVED)}: write the records with another one"
        )
    return value


def _refuse_one_field(fields: Mapping[str, Any]) -> None:
    text, record_id = fields.get("text_field") or "text", fields.get("id_field") or "id"
    if text == record_id:
        raise PreflightError(f"text_field and id_field are both {text!r}; a text and an id are in two fields")


def _read_name(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("resume")
    if value is None:
        return None
    if not isinstance(value, str) or not value or "/" in value:
        raise PreflightError(f"resume is {value!r}; it must be the name of an earlier run")
    return value
