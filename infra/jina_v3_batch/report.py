"""The step ``report``: what became of the whole dataset, for programs (``report.json``) and people (``report.txt``).

A pure function of the run's working files, so it can be made again at any time. ``report.json`` has:

- ``run``, ``deployment``, ``resumes`` (earlier runs whose work it counts), ``outcome``: ``complete`` (every record is
  accounted for), ``incomplete`` (files are outstanding), ``refused`` (the preflight's reasons are in ``error``),
  ``failed`` (the run broke off), ``dry_run``
- ``dataset``, ``output``, ``format``, ``task``, ``dimensions``, ``embedding_type``, ``text_field`` and ``id_field``
  (null where they are the contract's), ``instance_type``
- ``files``: ``all``, ``verified``, ``outstanding``; ``records``: ``all``, ``embedded``, ``bad``, of verified files
- ``bad``: by code ``count`` and ``first`` (``{file, line, id, code, message}`` each); ``bad_records``: where all are
- ``outstanding``: ``{file, shard, reason, message, failures}`` each, the first thousand
- ``tokens``, ``tokens_per_s`` (of one machine), ``billed_s`` (seconds × machines), ``usd`` (null without a price)
- ``estimate``: ``records``, ``tokens``, ``hours``, ``machine_hours``, ``usd``, ``assumptions``; ``notes``
- ``transforms``: the transform jobs, each with ``name``, ``outcome``, ``reason``, ``instances``, ``start``, ``end``
- ``error``: ``{name, message}`` or null
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from jina_v3_batch.accounts import Totals, add_up, first_bad, places_by_code
from jina_v3_batch.report_text import write_text
from jina_v3_batch.run import Run

_OUTSTANDING: Final = 1000
_PLANNED: Final = (
    *("dataset", "output", "format", "task", "dimensions", "embedding_type", "text_field", "id_field"),
    *("instance_type", "notes"),
)
_SUBJECTS: Final = {
    "complete": "complete",
    "incomplete": "incomplete",
    "refused": "refused",
    "failed": "failed",
    "dry_run": "planned, nothing embedded",
}


def report(run: Run, event: Mapping[str, Any]) -> dict[str, Any]:
    """Write the reports.

    ``event`` has the execution's ``input``, when it ``started``, and its ``state``, with an ``error`` if there was one.
    A run that was refused because its name was taken leaves the other's report alone.
    """
    error = _read_error((event.get("state") or {}).get("error"))
    plan = run.find("plan.json")
    ours = plan is None or event.get("started") in (None, plan["started"])
    written = _write(run, plan if ours else None, event.get("input"), error)
    text = write_text(written)
    if ours:
        run.write("report.json", written)
        run.store.write(run.place.bucket, run.key("report.txt"), text.encode(), "text/plain; charset=utf-8")
    return {
        "run": run.name,
        "outcome": written["outcome"],
        "subject": f"Batch run {_ascii(run.name)[:50]}: {_SUBJECTS[written['outcome']]}",
        "message": text,
        "report": f"{run.place.uri}report.json" if ours else None,
        "records": written["records"],
        "files": written["files"],
    }


def _write(run: Run, plan: Mapping[str, Any] | None, asked: Any, error: dict[str, str] | None) -> dict[str, Any]:
    totals = add_up(run) if plan is not None else Totals()
    plan = plan or {}
    places = places_by_code(first_bad(run, totals.runs)) if totals.errors else {}
    price = plan.get("usd_per_hour")
    files = plan.get("files", 0)
    outstanding = len(totals.outstanding_files)
    verified = len(totals.verified_files - totals.outstanding_files)
    return {
        "run": run.name,
        "deployment": run.settings.name,
        "resumes": totals.runs[:-1],
        "outcome": _outcome(plan, error, files - verified),
        "input": asked,
        **{name: plan.get(name) for name in _PLANNED},
        "files": {"all": files, "verified": verified, "outstanding": max(outstanding, files - verified)},
        "records": {
            "all": totals.records,
            "embedded": totals.embedded,
            "bad": sum(totals.errors.values()),
        },
        "bad": {code: {"count": count, "first": places.get(code, [])} for code, count in totals.errors.most_common()},
        "bad_records": f"{run.place.uri}bad/" if totals.errors else None,
        "outstanding": totals.outstanding[:_OUTSTANDING],
        "tokens": totals.tokens,
        "tokens_per_s": round(totals.tokens / totals.billed_s, 1) if totals.billed_s else None,
        "billed_s": round(totals.billed_s, 1),
        "usd": None if price is None else round(totals.billed_s / 3600 * price, 2),
        "estimate": plan.get("estimate"),
        "transforms": totals.transforms,
        "error": error,
    }


def _ascii(name: str) -> str:
    """Return a name as the subject of a notice may have it."""
    return name.encode("ascii", "replace").decode()


def _outcome(plan: Mapping[str, Any], error: dict[str, str] | None, missing: int) -> str:
    if error is not None and (missing or not plan):
        return "refused" if error["name"] == "PreflightError" else "failed"
    if plan.get("dry_run"):
        return "dry_run"
    return "incomplete" if missing else "complete"


def _read_error(error: Any) -> dict[str, str] | None:
    """Read an error as a Catch leaves it; that of a Lambda function has the message as JSON."""
    if not isinstance(error, Mapping):
        return None
    cause = str(error.get("Cause", ""))
    try:
        parsed = json.loads(cause)
    except ValueError:
        parsed = None
    message = parsed.get("errorMessage", cause) if isinstance(parsed, dict) else cause
    return {"name": str(error.get("Error", "")), "message": str(message)[:4000]}
