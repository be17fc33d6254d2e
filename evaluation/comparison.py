"""Measured beside published: rows with their difference, or why there is none.

Knows results only as ``Measured`` and published figures only as ``figures.Table``; nothing of mteb.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from evaluation.figures import Table
from jina_v3.contract import MODEL_DIMENSIONS

TOLERANCE: Final = 0.5
"""Points, up to which a difference is not marked. The paper's and the leaderboard's own figures for the same weights
differ by up to 0.06 in a category; mteb's versions, the precision and classification's random samples add to it."""

AVERAGE: Final = "Average"
"""The column of all tasks' mean."""

NAMED_LANGUAGES: Final = frozenset(
    {"ara", "ben", "cmn", "dan", "nld", "eng", "fin", "fra", "kat", "deu", "ell", "hin", "ind", "ita", "jpn", "kor"}
    | {"lav", "nor", "nob", "nno", "pol", "por", "ron", "rus", "slk", "spa", "swe", "tha", "tur", "ukr", "urd", "vie"}
    | {"zho"}
)
"""The 30 languages that the publisher names as the model's best, ISO 639-3 (Chinese and Norwegian by all their codes).
**Source**: jina.ai, announcement of jina-embeddings-v3, 18 September 2024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One task's result. **Units**: points, 0 to 100.

    ``subsets`` are the parts it has by language; ``languages`` says which a part is of. ``whole`` is whether all of
    its parts were run.
    """

    task: str
    category: str
    score: float
    dimension: int
    subsets: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a comparison. ``remark`` says what hinders it, or that the difference is beyond the tolerance."""

    name: str
    measured: float | None
    published: Mapping[str, float] = field(default_factory=dict)
    difference: float | None = None
    remark: str = ""


def compare(name: str, measured: float | None, table: Table, column: str, hindrance: str = "") -> Line:
    """Set one figure beside those published for ``column``; a hindrance is said in the place of the difference."""
    published = dict(table.of(column))
    right = table.ours(column)
    hindrance = hindrance or table.not_comparable.get(column, "")
    if measured is None or right is None:
        return Line(name=name, measured=measured, published=published, remark="" if measured is None else hindrance)
    if hindrance:
        return Line(name=name, measured=measured, published=published, remark=f"not comparable: {hindrance}")
    difference = measured - right
    remark = f"differs by more than {TOLERANCE:g}" if abs(difference) > TOLERANCE else ""
    return Line(name=name, measured=measured, published=published, difference=difference, remark=remark)


def by_category(results: Iterable[Measured], table: Table) -> list[Line]:
    """Compare the mean of each category, and of all tasks, with a table that says how many tasks each has."""
    results = list(results)
    lines = []
    total = sum(table.counts.values())
    for column in (AVERAGE, *table.counts):
        mine = [one for one in results if column == AVERAGE or one.category == column]
        wanted = total if column == AVERAGE else table.counts[column]
        cut = sum(not one.whole for one in mine)
        hindrance = f"{len(mine)} of {wanted} tasks" if len(mine) != wanted else _short_vectors(mine)
        if cut and not hindrance:
            hindrance = f"{cut} of the tasks in part"
        lines.append(compare(column, _mean(one.score for one in mine), table, column, hindrance))
    return lines


def by_task(results: Iterable[Measured], tables: Sequence[Table]) -> list[Line]:
    """Compare each task, and each of its parts, with the first table that has it; others are listed without."""
    lines = []
    for one in sorted(results, key=lambda one: (one.category, one.task)):
        short = _short_vectors([one])
        hindrance = short if one.whole else "not all of its languages were run"
        lines.append(_first(one.task, one.score, tables, hindrance))
        if len(one.subsets) > 1 or any(f"{one.task} ({part})" in _columns(tables) for part in one.subsets):
            lines += [
                _first(f"{one.task} ({part})", score, tables, short) for part, score in sorted(one.subsets.items())
            ]
    return lines


def by_language(results: Iterable[Measured]) -> list[Line]:
    """Return the mean of the parts that are of one language alone, the language with most parts first."""
    found: dict[str, list[float]] = {}
    for one in results:
        for part, score in one.subsets.items():
            if len(set(one.languages.get(part, ()))) == 1:
                found.setdefault(one.languages[part][0], []).append(score)
    return [
        Line(name=language, measured=fmean(scores), remark=_number(scores, "part"))
        for language, scores in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def by_level(results: Iterable[Measured]) -> list[Line]:
    """Return the mean of languages that the publisher names as the best, and of the rest."""
    groups: dict[str, list[float]] = {"the 30 that the publisher names": [], "others": []}
    named, others = groups.values()
    for line in by_language(results):
        assert line.measured is not None
        (named if line.name.split("-")[0] in NAMED_LANGUAGES else others).append(line.measured)
    return [
        Line(name=name, measured=fmean(scores), remark=_number(scores, "language"))
        for name, scores in groups.items()
        if scores
    ]


def by_dimension(results: Iterable[Measured], table: Table) -> list[Line]:
    """Compare what is left at each dimension of the score at the most of them, in percent, by category.

    Only tasks count that were run at every dimension. The published shares are of 1024.
    """
    results = list(results)
    dimensions = sorted({one.dimension for one in results})
    lines = []
    for category in ("Retrieval", "STS"):
        scores = {d: {one.task: one.score for one in results if one.dimension == d and one.category == category}
                  for d in dimensions}  # fmt: skip
        everywhere = set.intersection(*map(set, scores.values())) if scores else set()
        published = {row.dimension: row.scores[category] for row in table.rows if category in row.scores}
        for d in dimensions if everywhere else ():
            mean = fmean(scores[d][task] for task in everywhere)
            full = fmean(scores[dimensions[-1]][task] for task in everywhere)
            share = 100 * mean / full if full else None
            right = 100 * published[d] / published[MODEL_DIMENSIONS] if d in published else None
            hindrance = "" if dimensions[-1] == MODEL_DIMENSIONS else "the largest dimension that was run is not 1024"
            lines.append(_shares(f"{category}, {d}", share, right, mean, hindrance))
    return lines


def _shares(name: str, share: float | None, right: float | None, mean: float, hindrance: str) -> Line:
    published = {} if right is None else {"jina-embeddings-v3, paper": right}
    if share is None or right is None or hindrance:
        return Line(name=name, measured=share, published=published, remark=hindrance)
    marked = abs(share - right) > TOLERANCE
    remark = f"{mean:.2f} points" + (f"; differs by more than {TOLERANCE:g}, on other tasks" if marked else "")
    return Line(name=name, measured=share, published=published, difference=share - right, remark=remark)


def _first(name: str, score: float, tables: Sequence[Table], hindrance: str = "") -> Line:
    table = next((table for table in tables if any(table.of(name))), tables[0])
    return compare(name, score, table, name, hindrance)


def _short_vectors(results: Iterable[Measured]) -> str:
    """Say that vectors were cut: published figures are of whole ones."""
    cut = sorted({one.dimension for one in results} - {MODEL_DIMENSIONS})
    return f"at {', '.join(map(str, cut))} dimensions" if cut else ""


def _columns(tables: Sequence[Table]) -> set[str]:
    return {column for table in tables for row in table.rows for column in row.scores}


def _number(scores: Sequence[float], what: str) -> str:
    return f"{len(scores)} {what}{'s' if len(scores) > 1 else ''}"


def _mean(scores: Iterable[float]) -> float | None:
    found = list(scores)
    return fmean(found) if found else None
