"""A transform job from its turn to its end: machines, container, files, and why it failed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from local_aws.faults import Call
from local_aws.sagemaker.container import Container, NotHealthyError
from local_aws.sagemaker.hosting import TRANSFORM_LOG_GROUP, Hosting
from local_aws.sagemaker.journal import Journal
from local_aws.sagemaker.model_data import ModelDataError, remove_model
from local_aws.sagemaker.queue import Waiting
from local_aws.sagemaker.start import ImageError, prepare_container
from local_aws.sagemaker.transform.calls import Calls
from local_aws.sagemaker.transform.file import ALGORITHM, CLIENT
from local_aws.sagemaker.transform.inputs import InputsError, list_inputs
from local_aws.sagemaker.transform.job import TransformJob
from local_aws.sagemaker.transform.log import DataLog
from local_aws.sagemaker.transform.plan import container_variables, make_plan
from local_aws.sagemaker.transform.work import Work

_PROVISION_S: Final = 120.0
_STARTUP_LIMIT_S: Final = 480.0
_INTERNAL: Final = "InternalServerError: We encountered an internal error. Please try again."
_NO_CAPACITY: Final = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
_SEE_LOGS: Final = "See job logs for more information"


class _FailedError(Exception):
    """The job failed; the message is its ``FailureReason``."""


def provision(hosting: Hosting, region: str, job: TransformJob) -> None:
    """Get a job its machines, in their time, and put it in the queue for a process; it ends where there are none."""
    if hosting.pause(_PROVISION_S, job.over):
        return
    call = Call(operation="CreateTransformJob", region=region, job=job.name, instance_type=job.instance_type)
    if hosting.faults.take("capacity_missing", call) is not None:
        job.end(_NO_CAPACITY)
        return
    work = hosting.guard(f"transform {job.name}", lambda: _run(hosting, region, job))
    hosting.transforms.put(Waiting(work=work, arrived_s=hosting.now_s()))


def _run(hosting: Hosting, region: str, job: TransformJob) -> None:
    """Do the work of a job whose turn it is, and end it; all that it leaves is in S3, in the logs and its journals."""
    if not job.begin():
        return
    failure: str | None = _INTERNAL
    try:
        failure = _serve(hosting, region, job)
    except _FailedError as error:
        failure = str(error)
    finally:
        job.end(_INTERNAL if hosting.ending.is_set() else failure)


def _serve(hosting: Hosting, region: str, job: TransformJob) -> str | None:
    """Return why it failed, ``None`` where it did not or was stopped."""
    folder = hosting.transform_folder(region, job.name)
    container = _prepare(hosting, region, job, folder)
    job.hold(container)
    try:
        container.start()
        return _work(hosting, region, job, container, folder)
    except NotHealthyError as error:
        if job.over.is_set():
            return None
        raise _FailedError(
            f"{ALGORITHM}: The primary container did not pass the ping health check. {_SEE_LOGS}"
        ) from error
    finally:
        container.stop()
        remove_model(folder / "model")
        shutil.rmtree(folder / "files", ignore_errors=True)


def _prepare(hosting: Hosting, region: str, job: TransformJob, folder: Path) -> Container:
    environment = {
        **job.model_container.get("Environment", {}),
        **job.definition.get("Environment", {}),
        **container_variables(job.definition),
    }
    definition = {**job.model_container, "Environment": environment}
    try:
        return prepare_container(hosting, region, TRANSFORM_LOG_GROUP, folder, job.name, definition, _STARTUP_LIMIT_S)
    except ImageError as error:
        raise _FailedError(
            f"{CLIENT}: The image {error} could not be pulled. Please check that it exists and that the execution role "
            "may read it."
        ) from error
    except ModelDataError as error:
        raise _FailedError(f"{CLIENT}: Failed to download model data: {error}") from error


def _work(hosting: Hosting, region: str, job: TransformJob, container: Container, folder: Path) -> str | None:
    s3 = hosting.client("s3", region)
    try:
        files = list_inputs(s3, job.definition["TransformInput"]["DataSource"]["S3DataSource"])
    except InputsError as error:
        raise _FailedError(f"{CLIENT}: {error}") from error
    if container.pool is None:
        return _INTERNAL  # it died between its first answer and now
    plan = make_plan(job.definition, container.pool)
    journal = Journal(folder / "data.log", hosting.client("logs", region), TRANSFORM_LOG_GROUP)
    log = DataLog(journal, f"{container.log_stream}/data-log")
    log.write(str(plan))
    calls = Calls(hosting, region, job, container, plan)
    work = Work(s3, job, calls, plan, log, folder / "files")
    try:
        work.run(files)
    finally:
        log.close()
    if calls.lost:
        return _INTERNAL
    kinds = {failure.kind for failure in work.failures}
    return f"{ALGORITHM if ALGORITHM in kinds else CLIENT}: {_SEE_LOGS}" if kinds else None
