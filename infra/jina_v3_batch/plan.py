"""The step ``plan``: list, sample, check, and write down what will be done; nothing is embedded before it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jina_v3_batch.admission import (
    check_cost,
    check_instances,
    check_places,
    earlier_run,
    inherit,
    refuse_second_use,
    take_over,
)
from jina_v3_batch.cutting import choose_cuts, plan_pieces
from jina_v3_batch.dataset import DataFile, find_format, list_dataset, total_bytes
from jina_v3_batch.estimate import Estimate, estimate, tokens_of
from jina_v3_batch.job_state import new_state, write_state
from jina_v3_batch.outputs import candidates, kept_parts, whole_output
from jina_v3_batch.places import Place
from jina_v3_batch.planning import FileSet, JobFiles, plan_jobs
from jina_v3_batch.preflight import Findings, inspect
from jina_v3_batch.request import MODEL_DIMENSIONS, Request, read_request
from jina_v3_batch.resume import Carried, carry
from jina_v3_batch.run import Run
from jina_v3_batch.shards import gather_shards, shards_place
from jina_v3_batch.store import must_be_open


@dataclass(frozen=True, slots=True)
class _Plan:
    """``fresh`` are the keys of files of which nothing is verified."""

    request: Request
    output: Place
    form: str
    findings: Findings
    instances: int
    fresh: tuple[str, ...]


def plan(run: Run, event: Mapping[str, Any]) -> dict[str, Any]:
    """Plan a run: which jobs there will be, or first which files are cut.

    ``event`` has the execution's ``input``, when it ``started``, and whether files were ``resharded``.

    **Raises**: ``PreflightError``.
    """
    refuse_second_use(run, event)
    request = inherit(run, read_request(event.get("input")))
    output = check_places(run, request)
    instances = check_instances(run, request)
    with must_be_open(request.dataset, "dataset"):
        files = list_dataset(run.store, request.dataset)
    form = find_format(files, request.format)
    carried = carry(earlier_run(run, request.resume), files) if request.resume else Carried()
    covered = carried.originals()
    fresh = [file for file in files if file.key not in covered]
    with must_be_open(request.dataset, "dataset"):
        findings = inspect(
            run.store,
            request.dataset,
            fresh or files,
            form,
            request.embedding_type or "float",
            request.dimensions or MODEL_DIMENSIONS,
            request.fields,
            allow_missing_text=request.allow_missing_text,
        )
    fresh = list(findings.files) if fresh else []
    planned = _Plan(request, output, form, findings, instances, tuple(file.key for file in fresh))
    shards: list[DataFile] = []
    if event.get("resharded"):
        pieces = run.read("pieces.json")
        shards = gather_shards(run, pieces)
        cut = {piece["key"] for piece in pieces}
        fresh = [file for file in fresh if file.key not in cut]
    elif fresh and findings.density is not None:
        pieces = plan_pieces(choose_cuts(fresh, findings.density, instances))
        if pieces and request.dry_run:
            return _write(run, event, planned, carried, [], _whole_estimate(run, planned, fresh), len(files))
        if pieces:
            return _ask_for_shards(run, event, planned, pieces, len(files))
    sets = [
        FileSet(request.dataset, tuple(fresh)),
        FileSet(shards_place(run), tuple(shards)),
        *carried.outstanding,
    ]
    return _plan_jobs(run, event, planned, carried, sets, len(files))


def _plan_jobs(
    run: Run, event: Mapping[str, Any], planned: _Plan, carried: Carried, sets: Sequence[FileSet], files: int
) -> dict[str, Any]:
    findings, settings = planned.findings, run.settings
    hours_per_byte = findings.records_per_byte * tokens_of(findings.text_bytes) / settings.tokens_per_s / 3600
    jobs = plan_jobs(
        sets,
        lanes=settings.jobs,
        instances=planned.instances,
        expansion=findings.expansion,
        output_ratio=findings.output_ratio,
        hours_per_byte=hours_per_byte,
    )
    machines = max((min(planned.instances, len(job.files)) for job in jobs), default=0)
    whole = _estimate(run, planned, [file for job in jobs for file in job.files], len(jobs), machines)
    return _write(run, event, planned, carried, jobs, whole, files)


def _write(
    run: Run,
    event: Mapping[str, Any],
    planned: _Plan,
    carried: Carried,
    jobs: Sequence[JobFiles],
    whole: Estimate,
    files: int,
) -> dict[str, Any]:
    """Check the cost, write the plan and its jobs, and say what comes next."""
    check_cost(run, planned.request, whole)
    decision = "dry_run" if planned.request.dry_run else "embed" if jobs else "nothing"
    if decision == "embed":
        _delete_stale(run, planned, carried, jobs)
        for number, job in enumerate(jobs):
            run.write(f"jobs/{number}/files.json", job.describe())
            write_state(run, number, 0, new_state(len(job.files)))
        run.write("jobs.json", [{"run": run.name, "job": number, "attempt": 0} for number in range(len(jobs))])
    if planned.request.resume:
        run.write("carried.json", carried.describe())
    run.write("plan.json", {**_describe(run, event, planned, files), "jobs": len(jobs), "estimate": whole.describe()})
    if decision == "embed":
        take_over(run, planned.request)  # only now: who breaks off before can not be resumed itself
    return _answer(run, decision, jobs=len(jobs))


def _ask_for_shards(
    run: Run, event: Mapping[str, Any], planned: _Plan, pieces: Sequence[Mapping[str, Any]], files: int
) -> dict[str, Any]:
    """Write the pieces of cutting; the plan comes after them."""
    whole = _whole_estimate(run, planned, planned.findings.files)
    check_cost(run, planned.request, whole)
    run.write("plan.json", {**_describe(run, event, planned, files), "jobs": 0, "estimate": whole.describe()})
    largest = planned.findings.requests.largest_record
    same = {"run": run.name, "dataset": planned.request.dataset.uri, "largest_record": largest}
    run.write("pieces.json", [{**same, "piece": number, **piece} for number, piece in enumerate(pieces)])
    return _answer(run, "reshard", pieces=len(pieces))


def _answer(run: Run, decision: str, jobs: int = 0, pieces: int = 0) -> dict[str, Any]:
    return {
        "run": run.name,
        "decision": decision,
        "bucket": run.place.bucket,
        "jobs_key": run.key("jobs.json"),
        "jobs": jobs,
        "jobs_at_once": run.settings.jobs,
        "pieces_key": run.key("pieces.json"),
        "pieces": pieces,
        "results_prefix": run.key("map").rstrip("/"),
    }


def _describe(run: Run, event: Mapping[str, Any], planned: _Plan, files: int) -> dict[str, Any]:
    request, findings = planned.request, planned.findings
    return {
        "run": run.name,
        "started": event.get("started"),
        "dataset": request.dataset.uri,
        "output": planned.output.uri,
        "format": planned.form,
        "task": request.task,
        "dimensions": request.dimensions or MODEL_DIMENSIONS,
        "embedding_type": request.embedding_type or "float",
        **findings.fields.describe(),
        "allow_missing_text": request.allow_missing_text,
        "instances": planned.instances,
        "instance_type": run.settings.instance_type,
        "usd_per_hour": run.settings.usd_per_hour,
        "resume": request.resume,
        "dry_run": request.dry_run,
        "files": files,
        "bytes": total_bytes(findings.files),
        "max_payload_mb": findings.requests.max_payload_mb,
        "max_concurrent_transforms": findings.requests.max_concurrent,
        "largest_record": findings.requests.largest_record,
        "output_ratio": findings.output_ratio,
        "expansion": findings.expansion,
        "notes": list(findings.notes),
    }


def _whole_estimate(run: Run, planned: _Plan, files: Sequence[DataFile]) -> Estimate:
    """Estimate a run whose jobs are not yet known, as one in each lane."""
    return _estimate(run, planned, files, 1, planned.instances)


def _estimate(run: Run, planned: _Plan, files: Sequence[DataFile], jobs: int, machines: int) -> Estimate:
    findings = planned.findings
    return estimate(
        run.settings,
        records=sum(file.unpacked(findings.expansion) for file in files) * findings.records_per_byte,
        text_bytes=findings.text_bytes,
        jobs=jobs,
        instances=max(1, machines),
        assumed=findings.assumed,
    )


def _delete_stale(run: Run, planned: _Plan, carried: Carried, jobs: Sequence[JobFiles]) -> None:
    """Delete what earlier runs left of files that are embedded now, whole or in shards; verified outputs stay."""
    if not planned.request.resume:
        return
    dataset, output = planned.request.dataset, planned.output
    whole = kept_parts(dataset, planned.fresh)
    wanted = {place for key in planned.fresh for place in candidates(output, whole, key)}
    wanted |= {place for job in jobs for file in job.files for place in candidates(output, job.kept, file.key)}
    there = {item.key for item in run.store.list(output)} - carried.outputs
    run.store.delete(output.bucket, sorted(key for key in there if key in wanted or whole_output(key) in wanted))
