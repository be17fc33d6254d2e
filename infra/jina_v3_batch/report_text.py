"""A report for people: what was embedded, what was not and why, what it took, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jina_v3_batch.wording import count

_OUTCOMES: Final = {
    "complete": "Complete: every record is accounted for.",
    "incomplete": "Incomplete: files are outstanding.",
    "refused": "Refused before anything was embedded.",
    "failed": "Failed: the run broke off.",
    "dry_run": "A dry run: nothing was embedded.",
}
_SHOWN: Final = 3
_FILES: Final = 20


def write_text(report: Mapping[str, Any]) -> str:
    """Write a report as text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"Batch run {report['run']}"
    yield _OUTCOMES[report["outcome"]]
    if report["error"]:
        yield f"{report['error']['name']}: {report['error']['message']}"
    if report["dataset"]:
        yield from ("", *_what(report))
    if report["transforms"] or report["records"]["all"]:
        yield from ("", *_counts(report))
    if report["estimate"]:
        yield from ("", *_cost(report))
    if report["bad"]:
        yield from ("", *_bad(report))
    if report["outstanding"]:
        yield from ("", *_outstanding(report))
    for note in report["notes"] or ():
        yield f"Note: {note}"


def _what(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"Dataset    {report['dataset']} ({report['format']}, {count(report['files']['all'], 'file')})"
    yield f"Vectors    {report['output']}"
    if report["records"]["embedded"]:
        yield f"Fetch      {_fetch(report)}"
    task = {None: "the deployment's default", "": "none (base weights)"}.get(report["task"], report["task"])
    yield f"Form       task {task}, {report['dimensions']} dimensions, {report['embedding_type']}"
    names = {"text": report["text_field"], "id": report["id_field"]}
    told = [f"{what} from {name}" for what, name in names.items() if name is not None]
    if told:
        yield f"Fields     {', '.join(told)}"
    if report["resumes"]:
        yield f"Resumes    {', '.join(report['resumes'])}, whose work is counted here"


def _fetch(report: Mapping[str, Any]) -> str:
    """Return the command that fetches the vectors, and the bad records with their reasons."""
    partial = "" if report["outcome"] == "complete" else " --partial"
    return f"jina-v3 batch result {report['run']} --deployment {report['deployment']} --output vectors.parquet{partial}"


def _counts(report: Mapping[str, Any]) -> Iterator[str]:
    files, records = report["files"], report["records"]
    yield f"Files      {files['verified']:,} verified, {files['outstanding']:,} outstanding"
    yield f"Records    {records['all']:,}: {records['embedded']:,} embedded, {records['bad']:,} bad"
    rate = f", {report['tokens_per_s']:,.0f} a second on each machine" if report["tokens_per_s"] else ""
    yield f"Tokens     {report['tokens']:,}{rate}"


def _cost(report: Mapping[str, Any]) -> Iterator[str]:
    estimate = report["estimate"]
    if report["transforms"]:
        yield f"Billed     {_time(report['billed_s'], 'machine ')} on {report['instance_type']}{_usd(report['usd'])}"
    clock, machines = _time(estimate["hours"] * 3600), _time(estimate["machine_hours"] * 3600, "machine ")
    yield (
        f"Estimate   {count(estimate['records'], 'record')}, {count(estimate['tokens'], 'token')}, {clock}, {machines}"
        f"{_usd(estimate['usd'])}"
    )
    yield f"           assumed: {'; '.join(estimate['assumptions'])}"


def _bad(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"Bad records, which have an error in the place of a vector (all of them: {report['bad_records']})"
    for code, bad in report["bad"].items():
        yield f"  {code}: {bad['count']:,}"
        for one in bad["first"][:_SHOWN]:
            name = "" if one["id"] is None else f" (id {str(one['id'])[:60]})"
            yield f"    {one['file']}, line {one['line']}{name}: {one['message'][:160]}"


def _outstanding(report: Mapping[str, Any]) -> Iterator[str]:
    yield "Outstanding files, of which nothing may be used"
    for one in report["outstanding"][:_FILES]:
        name = one.get("shard") or one["file"]
        yield f"  {name}: {one['reason']} after {count(one['failures'], 'failure')}. {one['message']}".rstrip()
    more = len(report["outstanding"]) - _FILES
    if more > 0:
        yield f"  and {more:,} more, in report.json"
    yield (
        f'To go on: jina-v3-infra batch start --resume {report["run"]}, or an execution with {{"dataset": '
        f'"{report["dataset"]}", "resume": "{report["run"]}"}}; it takes only these files, and new ones. Mend those '
        f"that fail by their own fault first."
    )


def _time(seconds: float, of: str = "") -> str:
    return f"{seconds / 3600:.2f} {of}hours" if seconds >= 3600 else f"{seconds / 60:.1f} {of}minutes"


def _usd(amount: float | None) -> str:
    return "" if amount is None else f", about {amount:,.2f} USD"
