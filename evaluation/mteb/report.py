"""Which comparisons a run's results allow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from evaluation.comparison import TOLERANCE, Line, Measured, by_category, by_dimension, by_language, by_level, by_task
from evaluation.figures import read_table
from evaluation.sheets import Sheet

_UNMARKED = f"Δ is measured less published, in points; beyond ±{TOLERANCE:g} it is marked."


def sheets(results: Sequence[Measured], sets: Mapping[str, Collection[str]]) -> list[Sheet]:
    """Return a table for everything that there is something of, the most condensed first.

    ``sets`` has the names that were asked for, and the tasks that each stands for.
    """
    english, longembed, tasks = map(read_table, ("mteb_english", "longembed", "mteb_tasks"))
    full = max((one.dimension for one in results), default=0)
    at_full = [one for one in results if one.dimension == full]
    made = []
    if "english" in sets:
        note = f"{_UNMARKED} {english.note}"
        made.append(
            Sheet(
                title=english.title,
                lines=by_category(_of(at_full, sets["english"]), english),
                models=english.models,
                note=note,
            )
        )
    if "multilingual" in sets:
        made.append(_multilingual(_of(at_full, sets["multilingual"])))
    if len({one.dimension for one in results}) > 1:
        made.append(_dimensions(results))
    compared = by_task(at_full, [tasks, longembed])
    models = [
        model for model in (*tasks.models, *longembed.models) if any(model in line.published for line in compared)
    ]
    note = f"At {full} dimensions. {_UNMARKED}" + (f" {longembed.note}" if "longembed" in sets else "")
    made.append(Sheet(title="By task and language", lines=compared, models=models, note=note))
    languages = by_language(at_full)
    if len(languages) > 1:
        made.append(Sheet(title="By language, mean of the parts that are of it alone", lines=languages))
        note = "No source with figures by resource level was found, so nothing is set beside these."
        made.append(Sheet(title="By level", lines=by_level(at_full), note=note))
    return [sheet for sheet in made if sheet.lines]


def _of(results: Sequence[Measured], tasks: Collection[str]) -> list[Measured]:
    return [one for one in results if one.task in tasks]


def _multilingual(results: Sequence[Measured]) -> Sheet:
    table = read_table("mteb_multilingual")
    mean = sum(one.score for one in results) / len(results) if results else None
    published = dict(table.of("Average"))
    line = Line(name="Average", measured=mean, published=published, remark="not comparable: another choice of tasks")
    return Sheet(title=table.title, lines=[line], models=table.models, note=table.note)


def _dimensions(results: Sequence[Measured]) -> Sheet:
    table = read_table("matryoshka")
    return Sheet(
        title="What is left of the score at each dimension",
        lines=by_dimension(results, table),
        models=table.models,
        unit="% of the largest",
        note=table.note,
    )
