"""CreateModel and the operations on models: an image, where its data lies, and its environment."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.listing import list_page
from local_aws.sagemaker.store import Record, Store, prune
from local_aws.settings import ACCOUNT

_MAX_ENVIRONMENT_BYTES: Final = 32 * 1024
_NOT_MODELLED: Final = (
    "ModelPackageName",
    "MultiModelConfig",
    "AdditionalModelDataSources",
    "InferenceSpecificationName",
)


def create_model(hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer CreateModel."""
    name = request["ModelName"]
    check_role(request.get("ExecutionRoleArn"))
    check_container(hosting, store.region, container_of(request))
    arn = store.arn("model", name)
    with store.lock:
        if name in store.models:
            refuse(f'Cannot create already existing model "{arn}".')
        definition = prune({key: value for key, value in request.items() if key != "Tags"})
        store.models[name] = Record(name=name, arn=arn, definition=definition)
        store.set_tags(arn, request.get("Tags", []))
    return {"ModelArn": arn}


def container_of(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a model.

    **Raises**: ``ServiceError`` where there is none or more than one.
    """
    containers: list[dict[str, Any]] = definition.get("Containers") or []
    if "PrimaryContainer" in definition:
        containers = [definition["PrimaryContainer"], *containers]
    if len(containers) != 1:
        refuse(f"the local AWS does not model a model of {len(containers)} containers; give one PrimaryContainer")
    return containers[0]


def check_role(arn: str | None) -> None:
    """Check whose role it is; its form the API's model has checked.

    **Raises**: ``ServiceError``.
    """
    if arn is not None and f"::{ACCOUNT}:" not in arn:
        refuse(f"Cross-account pass role is not allowed: {arn} is not of account {ACCOUNT}.")


def check_container(hosting: Hosting, region: str, container: dict[str, Any]) -> None:
    """Check that image and data of a container are there, and its environment within the limits.

    **Raises**: ``ServiceError``.
    """
    for member in _NOT_MODELLED:
        if container.get(member):
            refuse(f"the local AWS does not model {member} of a container")
    if container.get("Mode", "SingleModel") != "SingleModel":
        refuse("the local AWS does not model the mode MultiModel")
    if "Image" not in container:
        refuse("You must provide an image for the container.")
    if hosting.images.find(container["Image"]) is None:
        refuse(f"Requested image {container['Image']} not found.")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in container.get("Environment", {}).items())
    if size > _MAX_ENVIRONMENT_BYTES:
        refuse(f"The environment has {size} bytes; at most {_MAX_ENVIRONMENT_BYTES} are allowed.")
    _check_data(hosting, region, container)


def _check_data(hosting: Hosting, region: str, container: dict[str, Any]) -> None:
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source and container.get("ModelDataUrl"):
        refuse("ModelDataUrl and ModelDataSource can not be given together.")
    uri = source["S3Uri"] if source else container.get("ModelDataUrl") or container.get("ArtifactUrl")
    if uri is None:
        return
    if source:
        unknown = {"ManifestS3Uri", "HubAccessConfig", "ManifestEtag"} & set(source)
        if unknown:
            refuse(f"the local AWS does not model {', '.join(sorted(unknown))} of an S3DataSource")
        if source["S3DataType"] == "S3Prefix" and not uri.endswith("/"):
            refuse(f"S3Uri {uri} must end with a forward slash (/) where S3DataType is S3Prefix.")
        if source["S3DataType"] == "S3Prefix" and source["CompressionType"] == "Gzip":
            refuse("CompressionType Gzip needs the S3DataType S3Object.")
    if not _has_objects(hosting, region, uri):
        refuse(f"Could not find model data at {uri}.")


def _has_objects(hosting: Hosting, region: str, uri: str) -> bool:
    bucket, _, key = uri.partition("://")[2].partition("/")
    try:
        listing = hosting.client("s3", region).list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    except ClientError:
        return False
    found = listing.get("Contents", [])
    return bool(found) and (key.endswith("/") or found[0]["Key"] == key)


def describe_model(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DescribeModel."""
    model = store.model(request["ModelName"])
    isolated = model.definition.get("EnableNetworkIsolation", False)
    return {
        **model.definition,
        "EnableNetworkIsolation": isolated,
        "ModelArn": model.arn,
        "CreationTime": model.created,
    }


def list_models(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListModels."""
    with store.lock:
        models = list(store.models.values())
    rows = [{"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created} for model in models]
    return list_page(rows, request, noun="Model")


def delete_model(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DeleteModel; endpoints that run it go on, as in the service."""
    with store.lock:
        model = store.model(request["ModelName"])
        del store.models[model.name]
        store.tags.pop(model.arn, None)
    return {}


OPERATIONS: Final = {
    "CreateModel": create_model,
    "DescribeModel": describe_model,
    "ListModels": list_models,
    "DeleteModel": delete_model,
}
