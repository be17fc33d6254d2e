"""When a schedule fires, as it is written: ``rate(…)``, ``cron(…)`` and ``at(…)``; checked, and never awaited."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_RATE: Final = re.compile(r"rate\(([1-9]\d*) (minutes?|hours?|days?)\)")
_AT: Final = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON: Final = re.compile(r"cron\((.+)\)")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...], str], ...]] = (
    ("minutes", 0, 59, (), ""),
    ("hours", 0, 23, (), ""),
    ("day of month", 1, 31, (), r"\?|L|\d+W|LW"),
    ("month", 1, 12, _MONTHS, ""),
    ("day of week", 1, 7, _DAYS, r"\?|L|[1-7]L|[1-7]#[1-5]"),
    ("year", 1970, 2199, (), ""),
)
_PART: Final = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")


def check_expression(expression: str) -> None:
    """Refuse an expression that is none.

    **Raises**: ``ValueError`` with what is wrong with it.
    """
    if _RATE.fullmatch(expression):
        return
    if (at := _AT.fullmatch(expression)) is not None:
        datetime.fromisoformat(at[1])
        return
    cron = _CRON.fullmatch(expression)
    if cron is None:
        raise ValueError("it is none of rate(5 minutes), cron(0 3 * * ? *) and at(2030-01-31T12:00:00)")
    fields = cron[1].split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"cron has {len(_FIELDS)} fields, not {len(fields)}")
    for field, (name, low, high, names, special) in zip(fields, _FIELDS, strict=True):
        if not all(_fits(part, low, high, names, special) for part in field.split(",")):
            raise ValueError(f"{field!r} is no {name}")
    if (fields[2] == "?") == (fields[4] == "?"):
        raise ValueError("one of day of month and day of week is ?, and not both")


def _fits(part: str, low: int, high: int, names: tuple[str, ...], special: str) -> bool:
    if special and re.fullmatch(special, part):
        return True
    match = _PART.fullmatch(part)
    if match is None:
        return False
    given = [text for text in match.groups()[:2] if text is not None]
    return all(text.upper() in names or (text.isdigit() and low <= int(text) <= high) for text in given)
