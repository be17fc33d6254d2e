"""The tables of ``client.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.client import contestants, measure
from benchmarks.client.records import Record, by_round, median, times, variants_of, within_rounds
from benchmarks.report import NOT_MEASURED, table

_HEADER = ["target", "against", "wanted", "median", "verdict"]
_BEYOND_BOTO3_MS = 150
_PEAK_MB = 300


def markdown(title: str, facts: Mapping[str, str], records: Sequence[Record], rates: Sequence[int]) -> str:
    """Return the whole report; the target of the share is that at the first of the rates."""
    lines = [f"# {title}", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    lines += ["## Targets", "", *table(_HEADER, target_rows(records, rates)), ""]
    lines += [f"## {measure.MANY.capitalize()}, as fast as each can", "", *_many(records), ""]
    lines += ["## Share of the endpoint's own rate", "", *_shares(records, rates), ""]
    lines += ["## One query", "", *_differences(records, measure.QUERY, contestants.BARE), ""]
    lines += ["## Importing", "", *_differences(records, measure.IMPORT, measure.NOTHING), ""]
    lines += ["## A stream of texts through `embed_iter`", "", *_stream(records), ""]
    return "\n".join(lines)


def target_rows(records: Sequence[Record], rates: Sequence[int]) -> list[list[str]]:
    """Return one row a target."""
    ours = contestants.OURS
    paced = measure.paced_case(rates[0])
    beyond = within_rounds(
        records, measure.IMPORT, measure.OURS_AFTER_BOTO3, measure.BOTO3_ALONE, "ms", lambda a, b: a - b
    )
    alone = within_rounds(records, measure.IMPORT, measure.OURS_ALONE, measure.NOTHING, "ms", lambda a, b: a - b)
    peak = median(records, measure.STREAM, ours, "peak_mb")
    rows = [
        _at_least("many texts, faster than", other, times(records, measure.MANY, other, ours), 3, "×")
        for other in (contestants.BOTO3_FLOATS, contestants.JINA_WAY)
    ]
    for name in (ours, contestants.OURS_ASYNC):
        share = median(records, paced, name, "share")
        rows.append(_at_least(f"share of what the endpoint can, {name}", paced, share, 0.9, "×"))
    rows.append(_at_most("peak memory of a stream of texts", "", peak, _PEAK_MB, " MB"))
    rows.append(_at_most("importing the package", measure.NOTHING, alone, _BEYOND_BOTO3_MS, " ms"))
    rows.append(_at_most("importing boto3 and the clients", measure.BOTO3_ALONE, beyond, _BEYOND_BOTO3_MS, " ms"))
    return rows


def _at_least(title: str, against: str, value: float | None, bound: float, unit: str) -> list[str]:
    if value is None:
        return [title, against, f"≥{bound:g}{unit}", "", NOT_MEASURED]
    return [title, against, f"≥{bound:g}{unit}", f"{value:.2f}{unit}", _verdict(value >= bound)]


def _at_most(title: str, against: str, value: float | None, bound: float, unit: str) -> list[str]:
    if value is None:
        return [title, against, f"≤{bound:g}{unit}", "", NOT_MEASURED]
    return [title, against, f"≤{bound:g}{unit}", f"{value:.0f}{unit}", _verdict(value <= bound)]


def _verdict(is_reached: bool) -> str:
    return "reached" if is_reached else "**not reached**"


def _shown(value: float | None, form: str = ".3g") -> str:
    return "" if value is None else f"{value:{form}}"


def _many(records: Sequence[Record]) -> list[str]:
    rows = []
    for name in variants_of(records, measure.MANY):
        rounds = by_round(records, measure.MANY, name, "seconds")
        ratio = "" if name == contestants.OURS else _shown(times(records, measure.MANY, name, contestants.OURS), ".2f")
        best = min(rounds.values())
        seconds = median(records, measure.MANY, name, "seconds")
        rows.append([name, _shown(seconds), _shown(best), f"{ratio}×" if ratio else "", str(len(rounds))])
    return table(["way", "median s", "best s", "time against ours", "rounds"], rows)


def _shares(records: Sequence[Record], rates: Sequence[int]) -> list[str]:
    cases = [measure.paced_case(rate) for rate in rates]
    rows = [
        [case, *(_shown(median(records, case, name, "share"), ".1%") for name in _OURS)]
        for case in cases
        if variants_of(records, case)
    ]
    return table(["the endpoint does", *_OURS], rows)


_OURS = (contestants.OURS, contestants.OURS_ASYNC)


def _differences(records: Sequence[Record], case: str, least: str) -> list[str]:
    rows = []
    for name in variants_of(records, case):
        more = within_rounds(records, case, name, least, "ms", lambda a, b: a - b) if name != least else None
        rounds = len(by_round(records, case, name, "ms"))
        rows.append([name, _shown(median(records, case, name, "ms")), _shown(more), str(rounds)])
    return table(["what", "median ms", f"ms more than {least}", "rounds"], rows)


def _stream(records: Sequence[Record]) -> list[str]:
    figures = [record for record in records if record.case == measure.STREAM]
    return table(["figure", "value"], [[record.figure, _shown(record.value, ".4g")] for record in figures])
