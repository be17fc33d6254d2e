"""CreateTransformJob and the operations on transform jobs; what takes time goes on in ``run``."""

from __future__ import annotations

from typing import Any, Final

from local_aws.errors import ServiceError
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.listing import list_page
from local_aws.sagemaker.models import container_of
from local_aws.sagemaker.store import Store, prune
from local_aws.sagemaker.transform.checks import check_job, check_quota
from local_aws.sagemaker.transform.job import TransformJob
from local_aws.sagemaker.transform.run import provision


def create_transform_job(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer CreateTransformJob."""
    name = request["TransformJobName"]
    arn = store.arn("transform-job", name)
    check_job(hosting, store, request)
    with store.lock:
        if name in store.transforms:
            raise ServiceError(
                "ResourceInUse",
                "Job name must be unique within an AWS account and region, and a job with this name already exists "
                f"({arn})",
            )
        resources = request["TransformResources"]
        check_quota(hosting, store, resources["InstanceType"], resources["InstanceCount"])
        definition = prune({key: value for key, value in request.items() if key != "Tags"})
        job = TransformJob(name, arn, definition, container_of(store.model(request["ModelName"]).definition))
        store.transforms[name] = job
        store.set_tags(arn, request.get("Tags", []))
    hosting.spawn(f"transform {name}", lambda: provision(hosting, store.region, job))
    return {"TransformJobArn": arn}


def describe_transform_job(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DescribeTransformJob."""
    return store.transform(request["TransformJobName"]).describe()


def list_transform_jobs(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListTransformJobs."""
    with store.lock:
        jobs = list(store.transforms.values())
    page = list_page([job.summarise() for job in jobs], request, noun="TransformJob")
    return {"TransformJobSummaries": page.pop("TransformJobs"), **page}


def stop_transform_job(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer StopTransformJob."""
    job = store.transform(request["TransformJobName"])
    container = job.stop()
    if container is not None:
        hosting.spawn(f"stop {job.name}", container.stop)
    return {}


OPERATIONS: Final = {
    "CreateTransformJob": create_transform_job,
    "DescribeTransformJob": describe_transform_job,
    "ListTransformJobs": list_transform_jobs,
    "StopTransformJob": stop_transform_job,
}
