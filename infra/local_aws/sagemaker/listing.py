"""Pages of resources: filtered, sorted and cut as the List operations ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from local_aws.sagemaker.errors import refuse

_PAGE: Final = 10
"""What SageMaker returns where no ``MaxResults`` is given."""


def list_page(summaries: Iterable[dict[str, Any]], request: Mapping[str, Any], *, noun: str) -> dict[str, Any]:
    """Return one page; ``noun`` is what the members' names begin with: ``Endpoint`` of ``EndpointName``.

    **Raises**: ``ServiceError`` for a token that is none of ours.
    """
    kept = [summary for summary in summaries if _wanted(summary, request, noun)]
    key = {"Name": f"{noun}Name", "Status": f"{noun}Status"}.get(request.get("SortBy", ""), "CreationTime")
    kept.sort(key=lambda summary: summary[key], reverse=request.get("SortOrder", "Descending") == "Descending")
    token = request.get("NextToken", "0")
    if not token.isdecimal():
        refuse(f"Invalid NextToken {token}")
    first = int(token)
    last = first + request.get("MaxResults", _PAGE)
    page: dict[str, Any] = {f"{noun}s": kept[first:last]}
    if last < len(kept):
        page["NextToken"] = str(last)
    return page


def _wanted(summary: dict[str, Any], request: Mapping[str, Any], noun: str) -> bool:
    if request.get("NameContains", "").lower() not in summary[f"{noun}Name"].lower():
        return False
    for asked, member in (
        ("StatusEquals", f"{noun}Status"),
        ("EndpointNameEquals", "EndpointName"),
        ("VariantNameEquals", "VariantName"),
    ):
        if asked in request and request[asked] != summary[member]:
            return False
    for member in ("CreationTime", "LastModifiedTime"):
        if f"{member}After" in request and not summary[member] > _time(request[f"{member}After"]):
            return False
        if f"{member}Before" in request and not summary[member] < _time(request[f"{member}Before"]):
            return False
    return True


def _time(value: float | str) -> datetime:
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError):
        refuse(f"{value!r} is no time; give seconds since 1970")
