"""IAM's resources."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

import json
from typing import Any, Final

from local_aws.cloudformation.kinds.base import Calls, Kind, Physical, Properties, Written, changed_tags, only

_NAME: Final = 64


def _put_inline(calls: Calls, role: str, policy: Properties) -> None:
    document = json.dumps(policy["PolicyDocument"])
    calls("iam", "PutRolePolicy", {"RoleName": role, "PolicyName": policy["PolicyName"], "PolicyDocument": document})


def _in_roles(before: Properties, after: Properties) -> tuple[set[str], set[str]]:
    """Return the roles to be given a policy, and those to be rid of it."""
    old, new = set(before.get("Roles", ())), set(after.get("Roles", ()))
    return new, old - new


class Role(Kind):
    """A role, with the policies that its properties name."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the role."""
        name = properties.get("RoleName") or calls.name(_NAME)
        names = ("AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "Path", "PermissionsBoundary", "Tags")
        made = calls("iam", "CreateRole", {**only(properties, *names), "RoleName": name})["Role"]
        return Physical(name, {"Arn": made["Arn"], "RoleId": made["RoleId"]})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Give it its policies."""
        self._put_policies(calls, physical.id, {}, properties)

    def _put_policies(self, calls: Calls, role: str, before: Properties, after: Properties) -> None:
        old, new = set(before.get("ManagedPolicyArns", ())), set(after.get("ManagedPolicyArns", ()))
        for arn in sorted(new - old):
            calls("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn})
        for arn in sorted(old - new):
            calls.delete("iam", "DetachRolePolicy", RoleName=role, PolicyArn=arn)
        kept = {policy["PolicyName"] for policy in after.get("Policies", ())}
        for policy in after.get("Policies", ()):
            _put_inline(calls, role, policy)
        for name in sorted({policy["PolicyName"] for policy in before.get("Policies", ())} - kept):
            calls.delete("iam", "DeleteRolePolicy", RoleName=role, PolicyName=name)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Set what has changed."""
        role = {"RoleName": physical.id}
        self._put_policies(calls, physical.id, before, after)
        trust = json.dumps(after["AssumeRolePolicyDocument"])
        calls("iam", "UpdateAssumeRolePolicy", {**role, "PolicyDocument": trust})
        calls("iam", "UpdateRole", {**role, "Description": "", **only(after, "Description", "MaxSessionDuration")})
        if "PermissionsBoundary" in after:
            calls("iam", "PutRolePermissionsBoundary", {**role, **only(after, "PermissionsBoundary")})
        elif "PermissionsBoundary" in before:
            calls.delete("iam", "DeleteRolePermissionsBoundary", **role)
        put, removed = changed_tags(before, after)
        if put:
            calls("iam", "TagRole", {**role, "Tags": put})
        if removed:
            calls("iam", "UntagRole", {**role, "TagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the role and what its properties gave it; IAM refuses while it has other policies."""
        if calls.read("iam", "GetRole", RoleName=physical.id) is not None:
            self._put_policies(calls, physical.id, properties, {})
            calls.delete("iam", "DeleteRole", RoleName=physical.id)


class Policy(Written):
    """A policy written into roles."""

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Write it again."""
        written, rid = _in_roles(before, after)
        for role in sorted(written):
            _put_inline(calls, role, after)
        for role in sorted(rid):
            calls.delete("iam", "DeleteRolePolicy", RoleName=role, PolicyName=before["PolicyName"])

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Take it out of each role."""
        for role in sorted(set(properties.get("Roles", ()))):
            calls.delete("iam", "DeleteRolePolicy", RoleName=role, PolicyName=properties["PolicyName"])


class ManagedPolicy(Kind):
    """A policy of its own, attached to roles."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make it."""
        request: dict[str, Any] = {
            **only(properties, "Description", "Path", "PolicyDocument"),
            "PolicyName": properties.get("ManagedPolicyName") or calls.name(128),
        }
        arn = calls("iam", "CreatePolicy", request)["Policy"]["Arn"]
        return Physical(arn, {"PolicyArn": arn})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Attach it."""
        self._attach(calls, physical.id, {}, properties)

    def _attach(self, calls: Calls, arn: str, before: Properties, after: Properties) -> None:
        written, rid = _in_roles(before, after)
        for role in sorted(written):
            calls("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn})
        for role in sorted(rid):
            calls.delete("iam", "DetachRolePolicy", RoleName=role, PolicyArn=arn)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Make a new version of its text the default, and attach it where it is to be."""
        arn = {"PolicyArn": physical.id}
        if before["PolicyDocument"] != after["PolicyDocument"]:
            self._drop_versions(calls, physical.id)
            document = json.dumps(after["PolicyDocument"])
            calls("iam", "CreatePolicyVersion", {**arn, "PolicyDocument": document, "SetAsDefault": True})
        self._attach(calls, physical.id, before, after)

    def _drop_versions(self, calls: Calls, arn: str) -> None:
        found = calls.read("iam", "ListPolicyVersions", PolicyArn=arn) or {"Versions": []}
        for version in found["Versions"]:
            if not version["IsDefaultVersion"]:  # there may be five, and one cannot be deleted
                calls.delete("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=version["VersionId"])

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Detach and delete it."""
        self._attach(calls, physical.id, properties, {})
        self._drop_versions(calls, physical.id)
        calls.delete("iam", "DeletePolicy", PolicyArn=physical.id)
