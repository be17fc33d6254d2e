"""The step ``job``: one attempt at a job's outstanding files: a manifest and a ``CreateTransformJob`` request."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jina_v3_batch.fields import planned_fields
from jina_v3_batch.job_state import read_state
from jina_v3_batch.places import Place, read_place
from jina_v3_batch.planning import JobFiles, group_files, read_job
from jina_v3_batch.run import Run
from jina_v3_batch.suspicion import is_careful, narrow

_MEDIA_TYPES: Final = {
    "jsonl": ("application/jsonlines", "application/jsonlines"),
    "csv": ("text/csv", "application/jsonlines"),
    "parquet": ("application/x-parquet", "application/x-parquet"),
}
REWRITTEN: Final = "rewritten"
"""Copies of files without the records that are too large; their keys are those of the files."""
_NAME: Final = 30
_INVOCATION_S: Final = 3600
_RETRIES: Final = 1
"""Of a request within a job: a file that kills its container does so each time, and takes others' requests along."""
_CAREFUL_FILES: Final = 10
"""Of a machine at least, where files are tried again one by one."""
_LONGEST_S: Final = 5 * 24 * 3600
_TAGS: Final = 40


def job(run: Run, event: Mapping[str, Any]) -> dict[str, Any]:
    """Prepare an attempt; ``event`` has the ``job``'s number and the ``attempt``'s."""
    number, attempt = event["job"], event["attempt"]
    plan, state = run.read("plan.json"), read_state(run, number, attempt)
    files = read_job(run.read(f"jobs/{number}/files.json"))
    output = read_place(plan["output"], "output")
    chosen, place = choose_files(run, files, state, number)
    run.store.delete(output.bucket, sorted({key for index in chosen for key in state["stale"].get(str(index), ())}))
    manifest = f"jobs/{number}/manifest-{attempt}.json"
    run.write(manifest, [{"prefix": place.uri}, *(files.files[index].key for index in chosen)])
    ratio = plan["output_ratio"]
    groups = group_files([(index, files.files[index].unpacked(plan["expansion"])) for index in chosen], ratio)
    run.write(f"jobs/{number}/groups-{attempt}.json", groups)
    return {
        "run": run.name,
        "job": number,
        "attempt": attempt,
        "name": job_name(run.settings.name, run.name, plan["started"], number, attempt),
        "request": transform_request(run, plan, files, len(chosen), manifest, careful=is_careful(state)),
        "splits": plan["format"] != "parquet",
        "timeout_s": _timeout_s(plan, len(chosen)),
        "groups": list(range(len(groups))),
    }


def choose_files(run: Run, files: JobFiles, state: Mapping[str, Any], number: int) -> tuple[list[int], Place]:
    """Return the files of the next attempt and their prefix: outstanding ones as they came, or else rewritten ones."""
    outstanding = sorted(map(int, state["outstanding"]))
    as_they_came = [index for index in outstanding if str(index) not in state["rewritten"]]
    if as_they_came or not outstanding:
        return narrow(state, as_they_came), files.place
    return narrow(state, outstanding), rewritten_place(run, number)


def rewritten_place(run: Run, number: int) -> Place:
    """Return where a job's rewritten files are."""
    return run.place.below(REWRITTEN).below(str(number))


def job_name(deployment: str, run: str, started: object, number: int, attempt: int) -> str:
    """Return a name for a transform job, unique for ever; the state machine puts ``-`` and a number of retries to it.

    It begins with the deployment's, so that a person sees whose it is; the job's tag names the run.

    **Source**: ``CreateTransformJob``: letters, digits and single hyphens, 63 characters at most.
    """
    digest = hashlib.sha256(f"{run} {started}".encode()).hexdigest()[:10]
    return f"{deployment[:_NAME].rstrip('-')}-{digest}-{number}-{attempt}"


def transform_request(
    run: Run, plan: Mapping[str, Any], files: JobFiles, count: int, manifest: str, *, careful: bool
) -> dict[str, Any]:
    """Return the request without its name, which the state machine puts in.

    ``count`` files are in the ``manifest``; a ``careful`` job sends each machine one request at a time.
    """
    settings = run.settings
    machines = math.ceil(count / _CAREFUL_FILES) if careful else count
    content_type, accept = _MEDIA_TYPES[plan["format"]]
    split = "None" if plan["format"] == "parquet" else "Line"
    resources: dict[str, Any] = {
        "InstanceType": settings.instance_type,
        "InstanceCount": max(1, min(plan["instances"], machines)),
    }
    if settings.ami:
        resources["TransformAmiVersion"] = settings.ami
    return {
        "ModelName": settings.model,
        "MaxConcurrentTransforms": 1 if careful else plan["max_concurrent_transforms"],
        "MaxPayloadInMB": plan["max_payload_mb"],
        "BatchStrategy": "MultiRecord",
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": _INVOCATION_S, "InvocationsMaxRetries": _RETRIES},
        "Environment": _environment(plan),
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": f"s3://{run.place.bucket}/{run.key(manifest)}"}
            },
            "ContentType": content_type,
            "CompressionType": "Gzip" if files.gzip else "None",
            "SplitType": split,
        },
        "TransformOutput": {
            "S3OutputPath": plan["output"].rstrip("/"),
            "Accept": accept,
            "AssembleWith": split,
            "KmsKeyId": settings.kms_key,
        },
        "TransformResources": resources,
        "Tags": _tags(run),
    }


def _environment(plan: Mapping[str, Any]) -> dict[str, str]:
    environment = {
        "JINA_V3_DEFAULT_DIMENSIONS": str(plan["dimensions"]),
        "JINA_V3_DEFAULT_EMBEDDING_TYPE": plan["embedding_type"],
    }
    if plan["task"] is not None:
        environment["JINA_V3_DEFAULT_TASK"] = plan["task"] or "none"
    return environment | planned_fields(plan).environment()


def _tags(run: Run) -> list[dict[str, str]]:
    own: Sequence[tuple[str, str]] = (*run.settings.tags[:_TAGS], ("jina-v3-batch-run", run.name))
    return [{"Key": key, "Value": value} for key, value in own]


def _timeout_s(plan: Mapping[str, Any], count: int) -> int:
    """Return after how long an attempt is given up: two hours, and ten times what an average job is estimated at."""
    machines = max(1, min(plan["instances"], count))
    hours: float = plan["estimate"]["machine_hours"] / max(1, plan["jobs"]) / machines
    return min(_LONGEST_S, 7200 + math.ceil(10 * hours * 3600))
