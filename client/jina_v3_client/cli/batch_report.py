"""A run's report for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jina_v3_client.batch.status import count

_SHOWN: Final = 5


def tell_report(report: Mapping[str, Any]) -> Iterator[str]:
    r"""Yield the lines of a report; what it does not know is left out.

    >>> print(*tell_report({"run": "docs-1", "outcome": "dry_run", "notes": ["it is small"]}), sep="\n")
    docs-1: dry_run
    note      it is small
    """
    yield f"{report['run']}: {report['outcome']}"
    rows = [
        *((name, report[name]) for name in ("dataset", "output") if report.get(name)),
        *_form(report),
        *_counts(report),
        *(("note", note) for note in report.get("notes", ())),
        *_failures(report),
    ]
    yield from (f"{name:<9} {told}" for name, told in rows)


def _form(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if report.get("dimensions"):
        task = report["task"] or "none"
        yield "form", f"task {task}, {report['dimensions']} dimensions, {report['embedding_type']}"
    names = {"text": report.get("text_field"), "id": report.get("id_field")}
    if any(names.values()):
        yield "fields", ", ".join(f"{what} from {name}" for what, name in names.items() if name)


def _counts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    files, records, estimate = report.get("files"), report.get("records"), report.get("estimate")
    is_plan = report["outcome"] == "dry_run"
    if files:
        yield "files", f"{files['all']:,}" if is_plan else f"{files['verified']:,} of {files['all']:,} verified"
    if records and not is_plan:
        yield "records", f"{records['all']:,}: {records['embedded']:,} embedded, {records['bad']:,} bad"
        if records["embedded"]:
            yield "fetch", f"jina-v3 batch result {report['run']} --output vectors.parquet{_partial(report)}"
        yield "cost", f"{report['billed_s']:,} s of {report['instance_type']}{_dollars(report['usd'])}"
    if estimate:
        yield (
            "estimate",
            f"{count(estimate['records'], 'record')}, {count(estimate['tokens'], 'token')}: "
            f"{estimate['hours']:,.3g} h, "
            f"{estimate['machine_hours']:,.3g} machine hours of {report['instance_type']}{_dollars(estimate['usd'])}",
        )
        yield from (("assumes", one) for one in estimate["assumptions"])


def _partial(report: Mapping[str, Any]) -> str:
    return "" if report["outcome"] == "complete" else " --partial"


def _dollars(usd: float | None) -> str:
    return "" if usd is None else f", ${usd:,.2f}"


def _failures(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for code, found in report.get("bad", {}).items():
        first = found["first"][0] if found["first"] else None
        yield (
            "bad",
            f"{found['count']:,} {code}"
            + (f", the first {first['file']}:{first['line']}: {first['message']}" if first else ""),
        )
    if report.get("bad_records"):
        yield "all bad", report["bad_records"]
    if report["outcome"] != "dry_run":
        listed = report.get("outstanding", ())
        yield from (("left", f"{one['file']}: {one['message'] or one['reason']}") for one in listed[:_SHOWN])
        if len(listed) > _SHOWN:
            yield "left", f"and {count(report['files']['outstanding'] - _SHOWN, 'file')} more"
    if report.get("error"):
        yield "error", report["error"]["message"]
