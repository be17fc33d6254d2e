"""What EventBridge Scheduler takes as a time, beyond the form that the schema asks for.

**Source**: docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_FIELDS: Final = {
    "minutes": range(60),
    "hours": range(24),
    "day of month": range(1, 32),
    "month": range(1, 13),
    "day of week": range(1, 8),
    "year": range(1970, 2200),
}
"""The fields of cron(), in their order, and the numbers of each."""


def schedule_fault(expression: str) -> str | None:
    """Say what is wrong with an expression of the schema's form, and the fix; ``None`` where all is well."""
    kind, _, inside = expression.rstrip(")").partition("(")
    if kind == "at":
        return _at_fault(inside)
    return _cron_fault(inside) if kind == "cron" else None


def _at_fault(moment: str) -> str | None:
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return "there is no such day or time; at() takes one such as at(2027-01-31T03:00:00)"
    return None


def _cron_fault(inside: str) -> str | None:
    fields = dict(zip(_FIELDS, inside.split(), strict=True))
    for name, allowed in _FIELDS.items():
        for number in re.findall(r"(?<![/#\d])\d+", fields[name]):  # how often, and which week, are not the field's own
            if int(number) not in allowed:
                return f"{name} = {fields[name]!r} has {number}; it goes from {allowed[0]} to {allowed[-1]}"
    if (fields["day of month"] == "?") == (fields["day of week"] == "?"):
        return "of day of month and day of week (the third and fifth field) one must be ?, as in cron(0 3 * * ? *)"
    return None
