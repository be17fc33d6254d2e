"""The rules of Choice states, as far as our definition goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.batch.paths import PathError, read


def holds(rule: Mapping[str, Any], data: Any) -> bool:
    """Say whether a rule of a Choice holds for data.

    **Raises**: ``PathError``.
    """
    if "And" in rule:
        return all(holds(one, data) for one in rule["And"])
    if "Or" in rule:
        return any(holds(one, data) for one in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data)
    (test,) = rule.keys() - {"Variable", "Next", "Comment"}
    expected = rule[test]
    try:
        value = read(rule["Variable"], data, {})
    except PathError:
        if test == "IsPresent":
            return not expected
        raise
    tests: dict[str, Callable[[], bool]] = {
        "IsPresent": lambda: bool(expected),
        "IsNull": lambda: (value is None) == expected,
        "BooleanEquals": lambda: value is expected,
        "StringEquals": lambda: value == expected,
        "NumericEquals": lambda: value == expected,
        "NumericGreaterThan": lambda: value > expected,
        "NumericGreaterThanEquals": lambda: value >= expected,
        "NumericLessThan": lambda: value < expected,
    }
    return tests[test]()
