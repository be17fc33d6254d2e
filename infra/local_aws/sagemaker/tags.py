"""AddTags, ListTags and DeleteTags, of whatever this SageMaker has."""

from __future__ import annotations

from typing import Any, Final

from local_aws.sagemaker.errors import refuse
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.store import Store

MAX_TAGS: Final = 50


def add_tags(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer AddTags."""
    arn = _known(store, request["ResourceArn"])
    with store.lock:
        keys = {*store.tags.get(arn, {}), *(tag["Key"] for tag in request["Tags"])}
        if len(keys) > MAX_TAGS:
            refuse(f"The number of tags exceeds the limit of {MAX_TAGS}: {arn} would have {len(keys)}")
        store.set_tags(arn, request["Tags"])
        return {"Tags": _pairs(store, arn)}


def list_tags(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer ListTags."""
    return {"Tags": _pairs(store, _known(store, request["ResourceArn"]))}


def delete_tags(_hosting: Hosting, store: Store, request: dict[str, Any]) -> dict[str, Any]:
    """Answer DeleteTags."""
    arn = _known(store, request["ResourceArn"])
    with store.lock:
        for key in request["TagKeys"]:
            store.tags.get(arn, {}).pop(key, None)
    return {}


def _pairs(store: Store, arn: str) -> list[dict[str, str]]:
    with store.lock:
        return [{"Key": key, "Value": value} for key, value in store.tags.get(arn, {}).items()]


def _arns(store: Store) -> set[str]:
    with store.lock:
        records = {record.arn for record in (*store.models.values(), *store.configs.values())}
        running = {endpoint.arn for endpoint in store.endpoints.values()}
        jobs = {job.arn for job in store.transforms.values()}
        routers = {router.arn for router in store.routers.values()}
        return records | running | jobs | routers | {component.arn for component in store.components.values()}


def _known(store: Store, arn: str) -> str:
    prefix, _, name = arn.partition("/")  # names in an ARN are in lower case, whoever writes it
    lowered = f"{prefix}/{name.lower()}"
    if lowered not in _arns(store):
        refuse(f"Could not find resource {arn}")
    return lowered


OPERATIONS: Final = {"AddTags": add_tags, "ListTags": list_tags, "DeleteTags": delete_tags}
