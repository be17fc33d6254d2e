"""Where things are kept: buckets, repositories and keys."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from local_aws.cloudformation.kinds.base import (
    Calls,
    Kind,
    Physical,
    Properties,
    ResourceError,
    changed_tags,
    only,
    without,
)

_BUCKET_NAME: Final = 63
_BUCKET_RULE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PENDING_DAYS: Final = 30

_BUCKET_CALLS: Final[dict[str, tuple[str, str, str]]] = {
    "BucketEncryption": ("PutBucketEncryption", "ServerSideEncryptionConfiguration", "DeleteBucketEncryption"),
    "LifecycleConfiguration": ("PutBucketLifecycleConfiguration", "LifecycleConfiguration", "DeleteBucketLifecycle"),
    "NotificationConfiguration": ("PutBucketNotificationConfiguration", "NotificationConfiguration", ""),
    "OwnershipControls": ("PutBucketOwnershipControls", "OwnershipControls", "DeleteBucketOwnershipControls"),
    "PublicAccessBlockConfiguration": (
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "DeletePublicAccessBlock",
    ),
    "Tags": ("PutBucketTagging", "Tagging", "DeleteBucketTagging"),
    "VersioningConfiguration": ("PutBucketVersioning", "VersioningConfiguration", ""),
}
"""For each property of a bucket: the call that sets it, the member that takes it, the call that takes it away."""

_WITHOUT: Final[dict[str, dict[str, str]]] = {
    "NotificationConfiguration": {},
    "VersioningConfiguration": {"Status": "Suspended"},  # it cannot be taken back
}
"""What a property is set to that no call takes away."""


def _bucket_member(name: str, value: Any) -> Any:
    """Write a bucket's property as the API has it."""
    if name == "Tags":
        return {"TagSet": value}
    if name == "NotificationConfiguration":
        return _notifications(value)
    if name == "LifecycleConfiguration":
        return {**value, "Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}
    if name == "BucketEncryption":
        rules = value["ServerSideEncryptionConfiguration"]
        renamed = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
        return {"Rules": [{renamed.get(key, key): item for key, item in rule.items()} for rule in rules]}
    return value


def _notifications(value: Mapping[str, Any]) -> dict[str, Any]:
    others = sorted(value.keys() - {"EventBridgeConfiguration"})
    if others:
        raise ResourceError(
            f"NotificationConfiguration.{others[0]}: the local AWS tells EventBridge only of objects; "
            "give EventBridgeConfiguration and a rule"
        )
    enabled = str(value.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled", True)).lower() == "true"
    return {"EventBridgeConfiguration": {}} if enabled and value else {}


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    flat = {
        "ExpirationInDays": ("Expiration", "Days"),
        "ExpiredObjectDeleteMarker": ("Expiration", "ExpiredObjectDeleteMarker"),
        "NoncurrentVersionExpirationInDays": ("NoncurrentVersionExpiration", "NoncurrentDays"),
    }
    written: dict[str, Any] = {"Filter": {"Prefix": rule.get("Prefix", "")}}
    for key, item in rule.items():
        if key in flat:
            group, member = flat[key]
            written.setdefault(group, {})[member] = item
        elif key != "Prefix":
            written[key] = item
    return written


class Bucket(Kind):
    """A bucket."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the bucket."""
        name = properties.get("BucketName") or calls.name(_BUCKET_NAME).lower()
        if not _BUCKET_RULE.fullmatch(name):
            raise ResourceError(
                f"bucket name {name!r}: 3 to 63 lowercase letters, digits, dots and hyphens, "
                "with a letter or a digit at both ends"
            )
        place = {} if calls.region == "us-east-1" else {"LocationConstraint": calls.region}
        if calls.read("s3", "HeadBucket", Bucket=name) is not None:
            raise ResourceError(f"{name} already exists")
        calls("s3", "CreateBucket", {"Bucket": name, **({"CreateBucketConfiguration": place} if place else {})})
        return Physical(name, self._attributes(name, calls.region))

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Set all that is declared."""
        self.update(calls, physical, {}, properties)

    def _attributes(self, name: str, region: str) -> dict[str, Any]:
        return {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        }

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        for name, (put, member, remove) in _BUCKET_CALLS.items():
            if before.get(name) == after.get(name):
                continue
            if name in after:
                calls("s3", put, {"Bucket": physical.id, member: _bucket_member(name, after[name])})
            elif remove:
                calls.delete("s3", remove, Bucket=physical.id)
            else:
                calls("s3", put, {"Bucket": physical.id, member: _WITHOUT[name]})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the bucket; S3 refuses while something is in it."""
        calls.delete("s3", "DeleteBucket", Bucket=physical.id)


class BucketPolicy(Kind):
    """A bucket's policy: kept and given back, but not enforced (``moto_repairs`` says why)."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Put the policy."""
        policy = json.dumps(properties["PolicyDocument"])
        calls("s3", "PutBucketPolicy", {"Bucket": properties["Bucket"], "Policy": policy})
        return Physical(properties["Bucket"])

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Put the policy again."""
        self.create(calls, after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Take the policy away."""
        calls.delete("s3", "DeleteBucketPolicy", Bucket=physical.id)


class Repository(Kind):
    """An ECR repository."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the repository."""
        name = properties.get("RepositoryName") or calls.name(256).lower()
        names = ("EncryptionConfiguration", "ImageScanningConfiguration", "ImageTagMutability", "Tags")
        made = calls("ecr", "CreateRepository", {**only(properties, *names), "RepositoryName": name})["repository"]
        return Physical(name, {"Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Set its policies."""
        self._put_policies(calls, physical.id, {}, properties)

    def _put_policies(self, calls: Calls, name: str, before: Properties, after: Properties) -> None:
        lifecycle = after.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
        if lifecycle != before.get("LifecyclePolicy", {}).get("LifecyclePolicyText"):
            if lifecycle is None:
                calls.delete("ecr", "DeleteLifecyclePolicy", repositoryName=name)
            else:
                calls("ecr", "PutLifecyclePolicy", {"repositoryName": name, "lifecyclePolicyText": lifecycle})
        policy = after.get("RepositoryPolicyText")
        if policy != before.get("RepositoryPolicyText"):
            if policy is None:
                calls.delete("ecr", "DeleteRepositoryPolicy", repositoryName=name)
            else:
                calls("ecr", "SetRepositoryPolicy", {"repositoryName": name, "policyText": policy})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        name = {"repositoryName": physical.id}
        self._put_policies(calls, physical.id, before, after)
        if before.get("ImageTagMutability") != after.get("ImageTagMutability"):
            mutability = after.get("ImageTagMutability", "MUTABLE")
            calls("ecr", "PutImageTagMutability", {**name, "imageTagMutability": mutability})
        if before.get("ImageScanningConfiguration") != after.get("ImageScanningConfiguration"):
            scanning = after.get("ImageScanningConfiguration", {"ScanOnPush": False})
            calls("ecr", "PutImageScanningConfiguration", {**name, "imageScanningConfiguration": scanning})
        put, removed = changed_tags(before, after)
        arn = {"resourceArn": physical.attributes["Arn"]}
        if put:
            calls("ecr", "TagResource", {**arn, "tags": put})
        if removed:
            calls("ecr", "UntagResource", {**arn, "tagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the repository; ECR refuses while images are in it, unless it was declared ``EmptyOnDelete``."""
        force = properties.get("EmptyOnDelete") in {True, "true"}
        calls.delete("ecr", "DeleteRepository", repositoryName=physical.id, force=force)


class Key(Kind):
    """A KMS key; deleted, it waits as AWS's keys do."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the key."""
        request = only(properties, "Description", "KeySpec", "KeyUsage", "MultiRegion")
        if "KeyPolicy" in properties:
            request["Policy"] = properties["KeyPolicy"]
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in properties.get("Tags", ())]
        made = calls("kms", "CreateKey", {**request, **({"Tags": tags} if tags else {})})["KeyMetadata"]
        return Physical(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Set its rotation."""
        self._rotate(calls, physical, properties)

    def _rotate(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        if str(properties.get("EnableKeyRotation", "false")).lower() == "true":
            period = only(properties, "RotationPeriodInDays")
            calls("kms", "EnableKeyRotation", {"KeyId": physical.id, **period})
        else:
            calls("kms", "DisableKeyRotation", {"KeyId": physical.id})

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        key = {"KeyId": physical.id}
        if before.get("KeyPolicy") != after.get("KeyPolicy") and "KeyPolicy" in after:
            calls("kms", "PutKeyPolicy", {**key, "PolicyName": "default", "Policy": after["KeyPolicy"]})
        if before.get("Description") != after.get("Description"):
            calls("kms", "UpdateKeyDescription", {**key, "Description": after.get("Description", "")})
        self._rotate(calls, physical, after)
        put, removed = changed_tags(before, after)
        if put:
            tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in put]
            calls("kms", "TagResource", {**key, "Tags": tags})
        if removed:
            calls("kms", "UntagResource", {**key, "TagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Schedule the key's deletion."""
        days = int(properties.get("PendingWindowInDays", _PENDING_DAYS))
        calls.delete("kms", "ScheduleKeyDeletion", KeyId=physical.id, PendingWindowInDays=days)


class Alias(Kind):
    """A name of a KMS key."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the alias."""
        calls("kms", "CreateAlias", properties)
        return Physical(properties["AliasName"])

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Point it to another key."""
        calls("kms", "UpdateAlias", after)

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the alias."""
        calls.delete("kms", "DeleteAlias", AliasName=physical.id)


class Parameter(Kind):
    """A parameter of Systems Manager."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the parameter."""
        name = properties.get("Name") or calls.name()
        calls("ssm", "PutParameter", {**properties, "Name": name, "Overwrite": False})
        return Physical(name, only(properties, "Type", "Value"))

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Write its value and its tags."""
        calls("ssm", "PutParameter", {**without(after, "Tags"), "Name": physical.id, "Overwrite": True})
        physical.attributes = only(after, "Type", "Value")
        put, removed = changed_tags(before, after)
        resource = {"ResourceType": "Parameter", "ResourceId": physical.id}
        if put:
            calls("ssm", "AddTagsToResource", {**resource, "Tags": put})
        if removed:
            calls("ssm", "RemoveTagsFromResource", {**resource, "TagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the parameter."""
        calls.delete("ssm", "DeleteParameter", Name=physical.id)
