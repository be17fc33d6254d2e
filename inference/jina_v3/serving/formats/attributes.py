"""``X-Amzn-SageMaker-Custom-Attributes``: the place of parameters for bodies that have none.

The header is the caller's own, of any content; only what is named as a parameter of ours is read, and what an answer
adds to it is appended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from jina_v3.config import Config
from jina_v3.contract import MODEL_DIMENSIONS, ErrorCode
from jina_v3.errors import RequestError
from jina_v3.record_fields import RecordFields, check_name
from jina_v3.serving.formats.parameters import Given, Parameters, contradiction, read_parameters, wrong_type

HEADER: Final = "X-Amzn-SageMaker-Custom-Attributes"
_MAX_CHARACTERS: Final = 1024

_PAIR: Final = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(.*?)\s*", re.DOTALL)
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}


def read_attributes(header: str | None, config: Config) -> Parameters:
    """Read the parameters that hold where a body does not say: the header's, and else the environment's.

    **Raises**: ``RequestError`` (422) for a parameter of ours with a value that cannot be.
    """
    values = _read_header(header)
    absent = Parameters(
        task=config.default_task,
        dimensions=config.default_dimensions,
        embedding_types=config.default_embedding_type,
    )
    try:
        return read_parameters(Given(values), absent)
    except RequestError as error:
        raise RequestError(
            error.code, f"{HEADER}: {error.message}", field=HEADER, value=error.value, allowed=error.allowed
        ) from None


def read_record_fields(header: str | None, config: Config) -> RecordFields:
    """Read where a record's text and id are: the header's names, and else the environment's.

    **Raises**: ``RequestError`` (422) for names that cannot be.
    """
    values = _read_header(header)
    given = RecordFields(
        text=values.get("text_field", config.fields.text),
        id=values.get("id_field", config.fields.id),
        columns=config.fields.columns,
    )
    if (fault := given.fault()) is not None:
        shown = ", ".join(f"{name}={values[name]}" for name in FIELD_NAMES if name in values)
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{HEADER}: {fault}",
            field=HEADER,
            value=shown,
            allowed="names of two fields, which are columns where the columns are known",
        )
    return given


def _read_header(header: str | None) -> dict[str, Any]:
    """Return what the header says of ours. **Raises**: ``RequestError`` (422)."""
    values: dict[str, Any] = {}
    for part in re.split("[;,]", header or ""):
        pair = _PAIR.fullmatch(part)
        name = pair[1].lower() if pair else ""
        if pair is None or name not in _READERS:
            continue
        value = _READERS[name](name, pair[2])
        if name in values and values[name] != value:
            raise contradiction(f"{HEADER}: {name}", pair[2], f"another {name}").at(HEADER)
        values[name] = value
    return values


def append_attribute(header: str | None, attribute: str) -> str | None:
    """Return the header with an attribute more; None where that is longer than SageMaker lets through."""
    kept = header if header and header.isascii() and header.isprintable() else None
    whole = f"{kept};{attribute}" if kept else attribute
    return whole if len(whole) <= _MAX_CHARACTERS else None


def _read_task(_name: str, text: str) -> str | None:
    return None if text.lower() in ("none", "null") else text


def _read_dimensions(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _cannot_be(name, text, f"a whole number from 1 to {MODEL_DIMENSIONS}")
    return int(text)


def _read_flag(name: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise _cannot_be(name, text, "true or false")
    return _FLAGS[text.lower()]


def _read_word(_name: str, text: str) -> str:
    return text


def _read_field(name: str, text: str) -> str:
    try:
        return check_name(text)
    except ValueError as allowed:
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"{HEADER}: {name} is {text!r}; it must be {allowed}",
            field=HEADER,
            value=f"{name}={text}",
            allowed=str(allowed),
        ) from None


def _cannot_be(name: str, text: str, allowed: str) -> RequestError:
    error = wrong_type(f"{HEADER}: {name}", text, allowed)
    return RequestError(error.code, error.message, field=HEADER, value=f"{name}={text}", allowed=allowed)


_PARAMETERS: Final = {
    "task": _read_task,
    "dimensions": _read_dimensions,
    "normalized": _read_flag,
    "truncate": _read_flag,
    "embedding_type": _read_word,
}

_FIELDS: Final = {"text_field": _read_field, "id_field": _read_field}

_READERS: Final = {**_PARAMETERS, **_FIELDS}

NAMES: Final = tuple(_PARAMETERS)
"""The parameters that the header can say."""

FIELD_NAMES: Final = tuple(_FIELDS)
"""What it can say of records besides."""
