"""The texts of a request, with the place each of them has in it, so that an error can name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from jina_v3.contract import ErrorCode, Limits
from jina_v3.errors import RequestError
from jina_v3.serving.formats.json_values import kind
from jina_v3.serving.formats.parameters import refuse_unknown_fields, wrong_type

_TEXT = "a string or an object with 'text'"


@dataclass(frozen=True, slots=True)
class Document:
    """Texts that are encoded as one job: with late chunking the chunks of one document, else all of a request's.

    ``places`` and ``ids`` go with ``texts``; an id is None where none was given.
    """

    texts: tuple[str, ...]
    places: tuple[str, ...]
    ids: tuple[str | int | None, ...]

    def cut(self, part: slice) -> Document:
        """Return some of its texts."""
        return Document(self.texts[part], self.places[part], self.ids[part])


def read_documents(
    value: Any, field: str, item_fields: Sequence[str], limits: Limits, *, late_chunking: bool
) -> tuple[tuple[Document, ...], bool]:
    """Read one text, a list of texts, or, with late chunking, a list of lists; say whether it was a list of lists.

    A text is a string, or an object with ``text`` and no other fields than ``item_fields``.

    **Raises**: ``RequestError`` (413 more texts than the limit, 422).
    """
    if not isinstance(value, list):
        return (_document([(field, value)], item_fields),), False
    _refuse_empty(value, field)
    if not isinstance(value[0], list):
        _refuse_too_many(len(value), field, limits)
        return (_document([(f"{field}[{i}]", item) for i, item in enumerate(value)], item_fields),), False
    if not late_chunking:
        _refuse_list_of_lists(value[0], f"{field}[0]")
    for index, chunks in enumerate(value):
        if not isinstance(chunks, list):
            raise wrong_type(f"{field}[{index}]", chunks, "a list of chunks, as the first document is", holds_text=True)
        _refuse_empty(chunks, f"{field}[{index}]")
    _refuse_too_many(sum(map(len, value)), field, limits)
    return tuple(
        _document([(f"{field}[{index}][{i}]", chunk) for i, chunk in enumerate(chunks)], item_fields)
        for index, chunks in enumerate(value)
    ), True


def read_id(value: Any, field: str) -> str | int | None:
    """Read an id, which is echoed; null is None.

    **Raises**: ``RequestError`` (422).
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
        # a whole number beyond 64 bits was read as a float, and would come back as another number
        raise wrong_type(field, value, "a string or a whole number of at most 64 bits")
    return value


def _document(items: Sequence[tuple[str, Any]], item_fields: Sequence[str]) -> Document:
    read = [_read_text(item, place, item_fields) for place, item in items]
    texts, places, ids = zip(*read, strict=True)
    return Document(texts, places, ids)


def _read_text(item: Any, place: str, item_fields: Sequence[str]) -> tuple[str, str, str | int | None]:
    if isinstance(item, str):
        return item, place, None
    if not isinstance(item, dict):
        raise wrong_type(place, item, _TEXT, holds_text=True)
    refuse_unknown_fields(item, item_fields, f"{place}.")
    if "text" not in item:
        raise RequestError(ErrorCode.MISSING_FIELD, f"{place} has no 'text'", field=f"{place}.text", allowed="a string")
    text = item["text"]
    if not isinstance(text, str):
        raise wrong_type(f"{place}.text", text, "a string", holds_text=True)
    return text, f"{place}.text", read_id(item.get("id"), f"{place}.id")


def _refuse_empty(value: Sequence[Any], field: str) -> None:
    if not value:
        raise RequestError(
            ErrorCode.EMPTY_INPUT,
            f"{field} is an empty list; it must hold a text",
            field=field,
            value=value,
            allowed="at least one text",
        )


def _refuse_too_many(count: int, field: str, limits: Limits) -> None:
    if count > limits.max_texts:
        raise RequestError(
            ErrorCode.TOO_MANY_TEXTS,
            f"{field} holds {count} texts; one request may hold {limits.max_texts}",
            field=field,
            value=count,
            allowed=f"at most {limits.max_texts} texts",
        )


def _refuse_list_of_lists(value: list[Any], field: str) -> NoReturn:
    if value and isinstance(value[0], str | dict):
        hint = "lists of chunks need late_chunking: true"
    else:
        hint = f"it holds {kind(value[0]) if value else 'nothing'}, and token ids are not taken"
    raise RequestError(
        ErrorCode.WRONG_TYPE,
        f"{field} is a list; it must be {_TEXT} ({hint})",
        field=field,
        value=value,
        allowed=_TEXT,
    )
