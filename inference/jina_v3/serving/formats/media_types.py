"""Content-Type and Accept: which form a body has, and which form the answer shall have.

**Source**: RFC 9110, sections 8.3 and 12.5.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError

JSON: Final = "application/json"
JSON_LINES: Final = "application/jsonlines"
JSON_LINES_NAMES: Final = (JSON_LINES, "application/x-ndjson", "application/jsonl", "application/x-jsonlines")
TEXT: Final = "text/plain"
CSV: Final = "text/csv"
PARQUET: Final = "application/x-parquet"
PARQUET_NAMES: Final = (PARQUET, "application/vnd.apache.parquet")
NPY: Final = "application/x-npy"
OCTETS: Final = "application/octet-stream"

READ: Final = (JSON, *JSON_LINES_NAMES, TEXT, CSV, *PARQUET_NAMES)
"""What a request's body may be."""

RECORDS_OFFER: Final = (JSON, *JSON_LINES_NAMES, *PARQUET_NAMES)
"""The answers of records, each of which can fail by itself."""

TEXTS_OFFER: Final = (*RECORDS_OFFER, NPY, OCTETS)
"""The answers of requests whose texts share their parameters."""

_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


@dataclass(frozen=True, slots=True)
class ContentType:
    """What a request says of its body; ``header`` is CSV's: the first row is names."""

    media_type: str
    header: bool = False


def family(media_type: str) -> str:
    """Return the first name of a type that has several, and any other type as it is."""
    for names in (JSON_LINES_NAMES, PARQUET_NAMES):
        if media_type in names:
            return names[0]
    return media_type


def read_content_type(header: str | None) -> ContentType:
    """Read what a body is said to be; a request without the header is taken as JSON.

    **Raises**: ``RequestError`` (415) for a type, a charset or a kind of CSV that is not offered.
    """
    media_type, parameters = _split(header or JSON)
    media_type = media_type or JSON
    if media_type not in READ:
        firsts = list(dict.fromkeys(map(family, READ)))
        raise _unsupported(f"the content type is not offered; send {', '.join(firsts)}", header, list(READ))
    if family(media_type) != PARQUET and parameters.get("charset", "utf-8").lower() not in _CHARSETS:
        raise _unsupported("the charset is not offered; send the body as UTF-8", header, ["utf-8"])
    names = parameters.get("header", "absent").lower()
    if media_type == CSV and names not in ("present", "absent"):
        raise _unsupported("the parameter header is present or absent (RFC 4180)", header, ["present", "absent"])
    return ContentType(media_type, media_type == CSV and names == "present")


def _unsupported(message: str, header: str | None, allowed: list[str]) -> RequestError:
    return RequestError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, message, field="Content-Type", value=header, allowed=allowed)


def offers(own: str, others: Sequence[str]) -> tuple[str, ...]:
    """Return what a request offers: the form it came in, then the others."""
    return (own, *(other for other in others if other != own))


def negotiate(header: str | None, offered: Sequence[str]) -> str:
    """Choose the media type of the answer; the first of those offered wins a draw.

    A missing header, ``*/*`` and ranges that take several types mean the first.

    **Raises**: ``RequestError`` (406) where nothing that is accepted is offered.
    """
    ranges = _ranges(header or "*/*")
    best = max(offered, key=lambda candidate: _quality(candidate, ranges))  # the first of equals
    if _quality(best, ranges) > 0.0:
        return best
    raise RequestError(
        ErrorCode.NOT_ACCEPTABLE,
        f"no type in Accept is offered here; ask for {', '.join(dict.fromkeys(map(family, offered)))} or */*",
        field="Accept",
        value=header,
        allowed=[*offered, "*/*"],
    )


def _ranges(header: str) -> dict[str, float]:
    """Read an Accept header into quality by range; one that says nothing accepts everything."""
    ranges: dict[str, float] = {}
    for part in header.split(","):
        media_range, parameters = _split(part)
        if media_range:
            ranges[media_range] = max(ranges.get(media_range, 0.0), _read_quality(parameters.get("q")))
    return ranges or {"*/*": 1.0}


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """Return the quality that the most specific range gives a type, 0 where none names it."""
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0


def _read_quality(text: str | None) -> float:
    """Read a q-value; one that is no number from 0 to 1 counts as 1, as if it had not been there."""
    try:
        quality = float(text) if text is not None else 1.0
    except ValueError:
        return 1.0
    return quality if 0.0 <= quality <= 1.0 else 1.0


def _split(header: str) -> tuple[str, dict[str, str]]:
    """Split ``type/subtype; name=value`` into the lower-case type and its parameters."""
    media_type, *rest = header.split(";")
    return media_type.strip().lower(), dict(_parameters(rest))


def _parameters(parts: Iterable[str]) -> Iterable[tuple[str, str]]:
    for part in parts:
        name, separator, value = part.partition("=")
        if separator:
            yield name.strip().lower(), value.strip().strip('"')
