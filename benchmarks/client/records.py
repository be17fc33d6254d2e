"""The figures of every round with what they are of, and how two variants are compared inside rounds."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One measurement: ``figure`` names the quantity with its unit, such as ``seconds`` or ``peak_mb``."""

    case: str
    variant: str
    round: int
    figure: str
    value: float


def by_round(records: Iterable[Record], case: str, variant: str, figure: str) -> dict[int, float]:
    """Return a figure of a variant in each round of a case."""
    return {r.round: r.value for r in records if (r.case, r.variant, r.figure) == (case, variant, figure)}


def median(records: Iterable[Record], case: str, variant: str, figure: str) -> float | None:
    """Return the median over the rounds, or ``None`` where there was none."""
    values = by_round(records, case, variant, figure).values()
    return statistics.median(values) if values else None


def within_rounds(
    records: Sequence[Record], case: str, one: str, other: str, figure: str, combine: Callable[[float, float], float]
) -> float | None:
    """Return the median of ``combine(one, other)`` over the rounds that both took part in."""
    ones, others = (by_round(records, case, variant, figure) for variant in (one, other))
    values = [combine(ones[index], others[index]) for index in ones if index in others]
    return statistics.median(values) if values else None


def times(records: Sequence[Record], case: str, slow: str, fast: str) -> float | None:
    """Return how many times longer ``slow`` took than ``fast``."""
    return within_rounds(records, case, slow, fast, "seconds", lambda a, b: a / b)


def variants_of(records: Iterable[Record], case: str) -> list[str]:
    """Return who took part in a case, in the order of the first round."""
    return list(dict.fromkeys(record.variant for record in records if record.case == case))


def raw_csv(facts: Mapping[str, str], records: Iterable[Record]) -> str:
    """Return every figure, so that any other statistic can be drawn from them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["date", "commit", "case", "variant", "round", "figure", "value"])
    for record in records:
        where = [record.case, record.variant, record.round, record.figure]
        writer.writerow([facts["date"], facts["commit"], *where, f"{record.value:.6g}"])
    return out.getvalue()
