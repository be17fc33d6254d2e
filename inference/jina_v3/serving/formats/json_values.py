"""JSON text to Python values, with an error that says exactly what is wrong and where.

orjson reads; it is strict and fast, but says only at which byte it stopped. Where it stops at half of a surrogate pair,
which JSON's grammar allows and no tokenizer can take, the standard library reads again, only to name the place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import orjson
import pybase64

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError, shorten

_BOM = b"\xef\xbb\xbf"
_JSON: Final = "one JSON value (RFC 8259), nested at most 1024 levels deep, numbers within the range of a double"
_UTF8: Final = "UTF-8"


def as_utf8(body: bytes | bytearray | memoryview | str, field: str = "body") -> bytes:
    """Return a body, or the part of one that ``field`` names, as UTF-8 bytes without a byte order mark.

    **Raises**: ``RequestError`` (400) where it is not UTF-8.
    """
    if isinstance(body, str):  # AWS's toolkit decodes application/json itself
        try:
            data = body.encode()
        except UnicodeEncodeError as error:
            raise RequestError(
                ErrorCode.NOT_UTF8,
                f"the {field} cannot be UTF-8: a lone surrogate at character {error.start}",
                field=field,
                value=f"U+{ord(body[error.start]):04X} at character {error.start}",
                allowed=_UTF8,
            ) from None
    else:
        data = bytes(body)
    _refuse_utf16(data, field)
    return data.removeprefix(_BOM)


def as_text(body: bytes | bytearray | memoryview | str) -> str:
    """Return a body as text without a byte order mark; lone surrogates stand for bytes that are not UTF-8.

    **Raises**: ``RequestError`` (400) where it is UTF-16.
    """
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    data = bytes(body)
    _refuse_utf16(data, "body")
    return data.removeprefix(_BOM).decode("utf-8", "surrogateescape")


def decode(data: bytes, field: str = "body") -> str:
    """Decode UTF-8.

    **Raises**: ``RequestError`` (400) where it is none.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            ErrorCode.NOT_UTF8,
            f"the {field} is not UTF-8: {error.reason} at byte {error.start}",
            field=field,
            value=f"0x{data[error.start]:02X} at byte {error.start}",
            allowed=_UTF8,
        ) from None


def _refuse_utf16(data: bytes, field: str) -> None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RequestError(
            ErrorCode.NOT_UTF8,
            f"the {field} looks like UTF-16; send it as UTF-8",
            field=field,
            value="a byte order mark of UTF-16",
            allowed=_UTF8,
        )


def load_json(data: bytes, field: str = "body") -> Any:
    """Read one JSON value: the body, or the part of it that ``field`` names.

    **Raises**: ``RequestError`` (400 not UTF-8 or not JSON, 422 a lone surrogate, with its place).
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _explain(data, field, error)


def _explain(data: bytes, field: str, error: orjson.JSONDecodeError) -> NoReturn:
    if not data.strip():
        raise RequestError(ErrorCode.NOT_JSON, f"the {field} is empty", field=field, value="", allowed=_JSON) from None
    decode(data, field)
    if "surrogate" in error.msg and (place := _place_of_lone_surrogate(data)) is not None:
        raise RequestError(
            ErrorCode.INVALID_TEXT,
            f"{place or f'the {field}'} holds half of a surrogate pair, which is no character",
            field=place or field,
            value="a lone surrogate",
            allowed="Unicode text; characters beyond U+FFFF as whole pairs",
        ) from None
    if error.msg.startswith("number is infinity"):
        problem = "it holds a number beyond the range of a double"
    elif error.msg.startswith("depth limit"):
        problem = "it is nested deeper than 1024 levels"
    else:
        problem = error.msg.partition(": line ")[0]
    raise RequestError(
        ErrorCode.NOT_JSON,
        f"the {field} is not JSON: {problem} (line {error.lineno}, column {error.colno})",
        field=field,
        allowed=_JSON,
    ) from None


def _place_of_lone_surrogate(data: bytes) -> str | None:
    """Return the path of the first string or key with a lone surrogate, ``""`` for the value itself, else None."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # wrong in another way too
        return None
    path = [""]
    levels = [iter([("", value)])]
    while levels:
        for step, child in levels[-1]:
            if isinstance(child, str) and not is_unicode(child):
                return "".join([*path, step]).removeprefix(".")
            if isinstance(child, dict) and not all(map(is_unicode, child)):
                return "".join([*path, step]).removeprefix(".")
            if isinstance(child, list | dict):
                path.append(step)
                levels.append(_steps(child))
                break
        else:
            levels.pop()
            path.pop()
    return None


def _steps(container: list[Any] | dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is in a list or an object with the step that leads there, ``[3]`` or ``.text``."""
    if isinstance(container, list):
        return ((f"[{index}]", item) for index, item in enumerate(container))
    return ((f".{shorten(key)}", item) for key, item in container.items())


def is_unicode(text: str) -> bool:
    """Say whether UTF-8 has a text: it is without halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def write_unknown(value: object) -> Any:
    """Return a value that JSON has no word for as one that it has: bytes as base64, and all else in words."""
    return pybase64.b64encode_as_string(value) if isinstance(value, bytes) else str(value)


def kind(value: object) -> str:
    """Say what a JSON value is, in JSON's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"
