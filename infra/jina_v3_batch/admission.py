"""What a run may do at all: its name, its places, its machines, its cost, and what it may ask of a run it resumes.

Everything here raises ``PreflightError``, and knows nothing of the dataset's content.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, Final

from jina_v3_batch.errors import PreflightError
from jina_v3_batch.estimate import Estimate
from jina_v3_batch.fields import planned_fields
from jina_v3_batch.places import Place, check_allowed
from jina_v3_batch.request import Request
from jina_v3_batch.run import Run
from jina_v3_batch.store import must_be_open

_INHERITED: Final = ("task", "dimensions", "embedding_type", "format", "text_field", "id_field")

RESUMED: Final = "resumed.json"
"""Of a run's working files: the name of the one that goes on with it."""


def check_cost(run: Run, request: Request, whole: Estimate) -> None:
    """Hold the lower of the request's and the deployment's limits of cost."""
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


def refuse_second_use(run: Run, event: Mapping[str, Any]) -> None:
    """Refuse a run whose name an earlier one has."""
    before = run.find("plan.json")
    if before is not None and before["started"] != event.get("started"):
        raise PreflightError(
            f"a run named {run.name} was here before ({before['started']}), and its account is kept; give this "
            f'execution another name, or ask for {{"resume": "{run.name}"}} from one'
        )


def earlier_run(run: Run, name: str) -> Run:
    """Return a run of another name."""
    return dataclasses.replace(run, name=name)


def inherit(run: Run, request: Request) -> Request:
    """Take from the run that is resumed what the request leaves open; it may not ask for something else."""
    if request.resume is None:
        return request
    earlier = earlier_run(run, request.resume)
    before, later = earlier.find("plan.json"), earlier.find(RESUMED)
    if before is None:
        raise PreflightError(f"resume is {request.resume!r}, and no run of that name has left a plan here")
    if before["dataset"] != request.dataset.uri:
        raise PreflightError(f"dataset is {request.dataset.uri}, but the run to resume embeds {before['dataset']}")
    if later is not None and later["run"] != run.name:
        raise PreflightError(
            f"resume is {request.resume!r}, which the run {later['run']!r} has resumed already; two would delete each "
            f"other's outputs, so resume that one"
        )
    asked = dataclasses.asdict(request)
    for name in _INHERITED:
        if asked[name] not in (None, "auto", before.get(name)):
            raise PreflightError(
                f"{name} is {asked[name]!r}, but the run to resume has {before.get(name)!r}; leave it out, or start "
                f"anew"
            )
    output = _read_output(before)
    if request.output not in (None, output):
        raise PreflightError(f"output is {request.output.uri}, but the run to resume writes to {output.uri}")
    return dataclasses.replace(
        request,
        output=output,
        columns=planned_fields(before).columns,
        allow_missing_text=request.allow_missing_text or before.get("allow_missing_text", False),
        **{name: before.get(name) for name in _INHERITED},
    )


def take_over(run: Run, request: Request) -> None:
    """Write down that a run goes on with the one it resumes, so that no other does."""
    if request.resume is not None:
        earlier_run(run, request.resume).write(RESUMED, {"run": run.name})


def _read_output(before: Mapping[str, Any]) -> Place:
    bucket, _, prefix = before["output"].removeprefix("s3://").partition("/")
    return Place(bucket, prefix)


def check_instances(run: Run, request: Request) -> int:
    """Return how many machines a job may have."""
    most = run.settings.instances
    if request.instances is not None and request.instances > most:
        raise PreflightError(
            f"instances is {request.instances}; a job of this deployment has at most {most}, by its [batch] settings"
        )
    return request.instances or most


def check_places(run: Run, request: Request) -> Place:
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
    with must_be_open(output, "output"):
        used = any(True for _ in itertools.islice(run.store.list(output), 1))
    if used and not request.resume:
        raise PreflightError(
            f"output is {output.uri}, which holds objects already; choose an empty place, or say which run to resume"
        )
    return output
