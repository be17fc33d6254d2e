"""The step ``plan``: list, sample, check, and write down what will be done; nothing is embedded before it agrees."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jina_v3_batch.cutting import choose_cuts, plan_pieces
from jina_v3_batch.dataset import DataFile, find_format, list_dataset, total_bytes
from jina_v3_batch.errors import PreflightError
from jina_v3_batch.estimate import Estimate, estimate, tokens_of
from jina_v3_batch.job_state import new_state, write_state
from jina_v3_batch.outputs import candidates, kept_parts, whole_output
from jina_v3_batch.places import Place, check_allowed
from jina_v3_batch.planning import FileSet, JobFiles, plan_jobs
from jina_v3_batch.preflight import Findings, inspect
from jina_v3_batch.request import MODEL_DIMENSIONS, Request, read_request
from jina_v3_batch.resume import Carried, carry
from jina_v3_batch.run import Run
from jina_v3_batch.shards import gather_shards, shards_place

_INHERITED: Final = ("task", "dimensions", "embedding_type", "format")


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
    _refuse_second_use(run, event)
    request = _inherit(run, read_request(event.get("input")))
    output = _check_places(run, request)
    instances = _check_instances(run, request)
    files = list_dataset(run.store, request.dataset)
    form = find_format(files, request.format)
    carried = carry(_earlier(run, request.resume), files) if request.resume else Carried()
    covered = carried.originals()
    fresh = [file for file in files if file.key not in covered]
    findings = inspect(
        run.store,
        request.dataset,
        fresh or files,
        form,
        request.embedding_type or "float",
        request.dimensions or MODEL_DIMENSIONS,
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
        output_ratio=findings.output_ratio,
        hours_per_byte=hours_per_byte,
    )
    stored = sum(total_bytes(job.files) for job in jobs)
    machines = max((min(planned.instances, len(job.files)) for job in jobs), default=0)
    whole = _estimate(run, planned, stored, len(jobs), machines)
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
    _check_cost(run, planned.request, whole)
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
    return _answer(run, decision, jobs=len(jobs))


def _ask_for_shards(
    run: Run, event: Mapping[str, Any], planned: _Plan, pieces: Sequence[Mapping[str, Any]], files: int
) -> dict[str, Any]:
    """Write the pieces of cutting; the plan comes after them."""
    whole = _whole_estimate(run, planned, planned.findings.files)
    _check_cost(run, planned.request, whole)
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
        "notes": list(findings.notes),
    }


def _whole_estimate(run: Run, planned: _Plan, files: Sequence[DataFile]) -> Estimate:
    """Estimate a run whose jobs are not yet known, as one in each lane."""
    return _estimate(run, planned, total_bytes(files), 1, planned.instances)


def _estimate(run: Run, planned: _Plan, stored: int, jobs: int, machines: int) -> Estimate:
    findings = planned.findings
    return estimate(
        run.settings,
        records=stored * findings.records_per_byte,
        text_bytes=findings.text_bytes,
        jobs=jobs,
        instances=max(1, machines),
        assumed=findings.assumed,
    )


def _check_cost(run: Run, request: Request, whole: Estimate) -> None:
    limits = [limit for limit in (request.max_usd, run.settings.max_usd) if limit is not None]
    if not limits:
        return
    if whole.usd is None:
        raise PreflightError(
            f"max_usd is {min(limits):g}, and the price of {run.settings.instance_type} is not known here, so it "
            f"cannot be held; set the price in the deployment's [batch] settings, or leave max_usd out"
        )
    if whole.usd > min(limits):
        raise PreflightError(
            f"the run is estimated at {whole.usd:.2f} USD ({whole.tokens:,} tokens, {whole.machine_hours:g} machine "
            f"hours), above max_usd, {min(limits):g}; raise it, or embed less"
        )


def _refuse_second_use(run: Run, event: Mapping[str, Any]) -> None:
    before = run.find("plan.json")
    if before is not None and before["started"] != event.get("started"):
        raise PreflightError(
            f"a run named {run.name} was here before ({before['started']}), and its account is kept; give this "
            f'execution another name, or ask for {{"resume": "{run.name}"}} from one'
        )


def _earlier(run: Run, name: str) -> Run:
    return dataclasses.replace(run, name=name)


def _inherit(run: Run, request: Request) -> Request:
    """Take from the run that is resumed what the request leaves open; it may not ask for something else."""
    if request.resume is None:
        return request
    before = _earlier(run, request.resume).find("plan.json")
    if before is None:
        raise PreflightError(f"resume is {request.resume!r}, and no run of that name has left a plan here")
    if before["dataset"] != request.dataset.uri:
        raise PreflightError(f"dataset is {request.dataset.uri}, but the run to resume embeds {before['dataset']}")
    asked = dataclasses.asdict(request)
    for name in _INHERITED:
        if asked[name] not in (None, "auto", before[name]):
            raise PreflightError(
                f"{name} is {asked[name]!r}, but the run to resume has {before[name]!r}; leave it out, or start anew"
            )
    output = _read_output(before)
    if request.output not in (None, output):
        raise PreflightError(f"output is {request.output.uri}, but the run to resume writes to {output.uri}")
    return dataclasses.replace(request, output=output, **{name: before[name] for name in _INHERITED})


def _read_output(before: Mapping[str, Any]) -> Place:
    bucket, _, prefix = before["output"].removeprefix("s3://").partition("/")
    return Place(bucket, prefix)


def _check_instances(run: Run, request: Request) -> int:
    """Return how many machines a job may have."""
    most = run.settings.instances
    if request.instances is not None and request.instances > most:
        raise PreflightError(
            f"instances is {request.instances}; a job of this deployment has at most {most}, by its [batch] settings"
        )
    return request.instances or most


def _check_places(run: Run, request: Request) -> Place:
    """Return where vectors go."""
    settings = run.settings
    output = request.output or settings.own.below("vectors").below(run.name)
    check_allowed(request.dataset, settings.readable, "dataset", "read")
    check_allowed(output, settings.writable, "output", "write")
    if request.dataset.holds(output) or output.holds(request.dataset):
        raise PreflightError(
            f"output is {output.uri} and dataset {request.dataset.uri}, one within the other; vectors would become "
            f"texts of the next run, so keep them apart"
        )
    if not request.resume and any(True for _ in itertools.islice(run.store.list(output), 1)):
        raise PreflightError(
            f"output is {output.uri}, which holds objects already; choose an empty place, or say which run to resume"
        )
    return output


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
