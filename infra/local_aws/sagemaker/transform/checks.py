"""What CreateTransformJob refuses, beyond what the API's model says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws.errors import ServiceError
from local_aws.sagemaker.endpoint_configs import has_local_storage
from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.models import container_of
from local_aws.sagemaker.store import Store
from local_aws.sagemaker.transform.inputs import has_inputs
from local_aws.sagemaker.transform.paths import PathError, parse_path
from local_aws.sagemaker.transform.processing import CSV_TYPE, JSON_TYPES, media_type

_MAX_MB: Final = 100
_DATA_TYPES: Final = ("S3Prefix", "ManifestFile")
_SPLITS: Final = ("None", "Line")


def check_job(hosting: Hosting, store: Store, request: Mapping[str, Any]) -> None:
    """Check a request against the service's rules; that its name is free is for the caller to see.

    **Raises**: ``ServiceError``.
    """
    if request.get("DataCaptureConfig"):
        refuse("the local AWS does not model DataCaptureConfig of a transform job")
    _check_model(store, request["ModelName"])
    _check_resources(request["TransformResources"])
    _check_payload(request)
    given = request["TransformInput"]
    source = given["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in _DATA_TYPES:
        refuse(f"the local AWS does not model the S3DataType {source['S3DataType']}; it has {', '.join(_DATA_TYPES)}")
    if given.get("SplitType", "None") not in _SPLITS:
        refuse(f"the local AWS does not model the SplitType {given['SplitType']}; it has {', '.join(_SPLITS)}")
    _check_processing(request)
    _check_places(hosting, store, request)


def _check_model(store: Store, name: str) -> None:
    container = container_of(store.model(name).definition)
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source and source["CompressionType"] == "None":
        refuse(
            f'Model "{store.arn("model", name)}" has uncompressed model data in its ModelDataSource, which is not '
            "supported for transform jobs. Create a model with a ModelDataUrl that names a tar.gz."
        )


def _check_resources(resources: Mapping[str, Any]) -> None:
    if resources.get("VolumeKmsKeyId") and has_local_storage(resources["InstanceType"]):
        refuse(
            f"VolumeKmsKeyId can not be given: instance type {resources['InstanceType']} has local storage, which is "
            "encrypted by a key of the hardware."
        )


def _check_payload(request: Mapping[str, Any]) -> None:
    payload = request.get("MaxPayloadInMB", 0)
    concurrent = request.get("MaxConcurrentTransforms", 0)
    if payload > _MAX_MB:
        refuse(f"MaxPayloadInMB must be at most {_MAX_MB}, not {payload}.")
    if payload * concurrent > _MAX_MB:
        refuse(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {_MAX_MB} MB, but it is "
            f"{concurrent} * {payload} = {concurrent * payload}."
        )


def _check_processing(request: Mapping[str, Any]) -> None:
    wanted = request.get("DataProcessing", {})
    filters = {member: wanted.get(member, "$") for member in ("InputFilter", "OutputFilter")}
    for member, expression in filters.items():
        try:
            parse_path(expression)
        except PathError as error:
            refuse(f"{member} is not valid: {error}.")
    joins = wanted.get("JoinSource") == "Input"
    if not joins and set(filters.values()) == {"$"}:
        return
    given, output = request["TransformInput"], request["TransformOutput"]
    content_type, accept = media_type(given.get("ContentType", "")), media_type(output.get("Accept", ""))
    allowed = (*JSON_TYPES, CSV_TYPE)
    if content_type not in allowed:
        refuse(f"DataProcessing needs a ContentType of {', '.join(allowed)}, not {content_type or 'none'}.")
    if joins and accept != content_type:
        refuse(f"JoinSource Input needs an Accept that is the ContentType, {content_type}, not {accept or 'none'}.")
    split, assemble = given.get("SplitType", "None"), output.get("AssembleWith", "None")
    if split != assemble:
        refuse(f"DataProcessing needs AssembleWith to be as SplitType is, {split}, not {assemble}.")
    if split == "None" and content_type != "application/json":
        refuse(f"DataProcessing of {content_type} needs SplitType and AssembleWith to be Line.")


def _check_places(hosting: Hosting, store: Store, request: Mapping[str, Any]) -> None:
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    for member, uri in (("S3Uri", source["S3Uri"]), ("S3OutputPath", request["TransformOutput"]["S3OutputPath"])):
        if not uri.startswith("s3://"):
            refuse(f"the local AWS takes a {member} that begins with s3://, not {uri}")
    if not has_inputs(hosting.client("s3", store.region), source):
        role = store.model(request["ModelName"]).definition.get("ExecutionRoleArn")
        bucket = source["S3Uri"].removeprefix("s3://").partition("/")[0]
        refuse(
            f'No S3 objects found under S3 URL "{source["S3Uri"]}" given in input data source. Please ensure that the '
            f"bucket exists in the selected region ({store.region}), that objects exist under that S3 prefix, and that "
            f'the role "{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )


def check_quota(hosting: Hosting, store: Store, instance_type: str, count: int) -> None:
    """Check that the account may have this many machines more; ``store.lock`` is held.

    **Raises**: ``ServiceError``: ResourceLimitExceeded.
    """
    name = f"{instance_type} for transform job usage"
    limit = hosting.settings.quotas.get(name, hosting.settings.quota)
    jobs = [job for job in store.transforms.values() if job.is_running and job.instance_type == instance_type]
    used = sum(job.instances for job in jobs)
    if used + count > limit:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{name}' is {limit:g} Instances, with current utilization of {used} "
            f"Instances and a request delta of {count} Instances. Please use AWS Service Quotas to request an increase "
            "for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for "
            "this quota.",
        )
