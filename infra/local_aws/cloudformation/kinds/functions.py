"""Lambda functions, and who may call them."""

# ruff: noqa: ARG002  # the methods of every kind take the same
from __future__ import annotations

import io
import zipfile
from typing import Any, Final

from local_aws.cloudformation.kinds.base import (
    Calls,
    Kind,
    Physical,
    Properties,
    ResourceError,
    changed_tags,
    differs,
    only,
    without,
)
from local_aws.settings import ACCOUNT

_DEFAULTS: Final[dict[str, Any]] = {
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "Handler": None,
    "KmsKeyArn": "",
    "LoggingConfig": None,
    "MemorySize": 128,
    "Role": None,
    "Runtime": None,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
}
"""The settings of a function, and what they are where a template does not say: ``None`` where it has to."""


class Function(Kind):
    """A function; ``Ref`` gives its name."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Make the function."""
        name = properties.get("FunctionName") or calls.name()
        tags = {tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags", ())}
        request = {
            **without(properties, "Code", "ReservedConcurrentExecutions", "Tags"),
            "FunctionName": name,
            "Code": _code(properties["Code"]),
            **({"Tags": tags} if tags else {}),
        }
        calls("lambda", "CreateFunction", request)
        return Physical(name, {"Arn": f"arn:aws:lambda:{calls.region}:{ACCOUNT}:function:{name}"})

    def set_up(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Reserve how often it runs at once."""
        self._reserve(calls, physical, properties)

    def _reserve(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        reserved = only(properties, "ReservedConcurrentExecutions")
        if reserved:
            calls("lambda", "PutFunctionConcurrency", {"FunctionName": physical.id, **reserved})
        else:
            calls.delete("lambda", "DeleteFunctionConcurrency", FunctionName=physical.id)

    def update(self, calls: Calls, physical: Physical, before: Properties, after: Properties) -> None:
        """Write what has changed: settings, code, tags."""
        name = {"FunctionName": physical.id}
        if differs(before, after, _DEFAULTS):
            settings = {key: after.get(key, default) for key, default in _DEFAULTS.items()}
            settings["LoggingConfig"] = after.get("LoggingConfig", {"LogGroup": f"/aws/lambda/{physical.id}"})
            calls("lambda", "UpdateFunctionConfiguration", {**name, **settings})
        if differs(before, after, ("Code", "Architectures")):
            code = {**_code(after["Code"]), "Architectures": after.get("Architectures", ["x86_64"])}
            calls("lambda", "UpdateFunctionCode", {**name, **code})
        if differs(before, after, ("ReservedConcurrentExecutions",)):
            self._reserve(calls, physical, after)
        put, removed = changed_tags(before, after)
        arn = {"Resource": physical.attributes["Arn"]}
        if put:
            calls("lambda", "TagResource", {**arn, "Tags": {tag["Key"]: tag["Value"] for tag in put}})
        if removed:
            calls("lambda", "UntagResource", {**arn, "TagKeys": removed})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Delete the function; its log group is its template's, or stays."""
        calls.delete("lambda", "DeleteFunction", FunctionName=physical.id)


def _code(code: Properties) -> dict[str, Any]:
    """Write a function's code as the API has it; a text is the file index.py of a zip."""
    if "ImageUri" in code:
        raise ResourceError("Code.ImageUri: the local AWS runs functions from a zip, and no images")
    if "ZipFile" not in code:
        return dict(code)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), code["ZipFile"])
    return {"ZipFile": packed.getvalue()}


class Permission(Kind):
    """A statement of a function's policy: kept and given back, but not enforced."""

    def create(self, calls: Calls, properties: Properties) -> Physical:
        """Add the statement."""
        statement = calls.name(100)
        calls("lambda", "AddPermission", {**properties, "StatementId": statement})
        return Physical(statement, {"Id": statement})

    def delete(self, calls: Calls, physical: Physical, properties: Properties) -> None:
        """Take the statement away; a function that is gone took it along."""
        named = {"FunctionName": properties["FunctionName"], "StatementId": physical.id}
        calls.delete("lambda", "RemovePermission", **named)
