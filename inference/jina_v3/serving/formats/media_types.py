"""Content-Type and Accept: which form a body has, and which form the answer shall have.

**Source**: RFC 9110, sections 8.3 and 12.5.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError

JSON: Final = "application/json"
JSON_LINES: Final = "application/jsonlines"
JSON_LINES_NAMES: Final = (JSON_LINES, "application/x-ndjson", "application/jsonl", "application/x-jsonlines")

OFFERED: Final = (JSON, *JSON_LINES_NAMES)
"""What a request body may be, and what an answer may be."""

TEXTS_OFFER: Final = OFFERED
"""The answers of requests whose texts share their parameters."""

RECORDS_OFFER: Final = OFFERED
"""The answers of records, each of which can fail by itself."""

_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def family(media_type: str) -> str:
    """Return ``JSON_LINES`` for any of its names, and any other type as it is."""
    return JSON_LINES if media_type in JSON_LINES_NAMES else media_type


def read_content_type(header: str | None) -> str:
    """Return the media type of a request; a request without the header is taken as JSON.

    **Raises**: ``RequestError`` (415) for a type or a charset that is not offered.
    """
    media_type, parameters = _split(header or JSON)
    media_type = media_type or JSON
    if media_type not in OFFERED:
        raise RequestError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"the content type is not offered; send {JSON} or {JSON_LINES}",
            field="Content-Type",
            value=header,
            allowed=list(OFFERED),
        )
    charset = parameters.get("charset", "utf-8").lower()
    if charset not in _CHARSETS:
        raise RequestError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            "the charset is not offered; send the body as UTF-8",
            field="Content-Type",
            value=header,
            allowed=["utf-8"],
        )
    return media_type


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
