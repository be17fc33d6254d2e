"""What a function must not be here, found before moto takes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from local_aws.errors import ServiceError
from local_aws.functions.records import find_function

if TYPE_CHECKING:
    from local_aws.server import LocalAws

_RUNTIME: Final = re.compile(r"python3\.\d+")
_RESERVED: Final = re.compile(r"AWS_(REGION|DEFAULT_REGION|ACCESS_KEY\w*|SECRET_\w+|SESSION_TOKEN|LAMBDA_\w+)|_HANDLER")
_MOST: Final = {"Timeout": 900, "MemorySize": 10_240}  # which botocore's model leaves open
_NOT_HERE: Final = ("Layers", "FileSystemConfigs", "ImageConfig", "SnapStart", "DeadLetterConfig", "DurableConfig")


def check_settings(aws: LocalAws, region: str, name: str | None, asked: dict[str, Any]) -> None:
    """Refuse what a function cannot be; ``name`` is ``None`` for one that is made.

    **Raises**: ``ServiceError``.
    """
    if name is None and find_function(region, asked.get("FunctionName", "")) is not None:
        raise ServiceError("ResourceConflictException", f"Function already exist: {asked['FunctionName']}", 409)
    runtime = asked.get("Runtime")
    if asked.get("PackageType", "Zip") != "Zip" or (name is None and runtime is None):
        _refuse("the local AWS runs functions from a zip with a Runtime, and no images")
    if runtime is not None and not _RUNTIME.fullmatch(runtime):
        _refuse(f"the local AWS does not run {runtime!r}; Runtime must be python3.x, run by this machine's Python")
    for member in _NOT_HERE:
        if asked.get(member):
            _refuse(f"the local AWS has no {member} of functions; leave it out")
    for member, most in _MOST.items():
        if asked.get(member, 0) > most:
            _refuse(
                f"1 validation error detected: Value '{asked[member]}' at '{member[0].lower()}{member[1:]}' failed to "
                f"satisfy constraint: Member must have value less than or equal to {most}"
            )
    variables = asked.get("Environment", {}).get("Variables", {})
    if reserved := sorted(filter(_RESERVED.fullmatch, variables)):
        _refuse(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    _check_code(aws, region, {**asked, **asked.get("Code", {})})


def _check_code(aws: LocalAws, region: str, code: dict[str, Any]) -> None:
    if "S3Bucket" not in code:
        return
    try:
        aws.client("s3", region).head_object(Bucket=code["S3Bucket"], Key=code.get("S3Key", ""))
    except ClientError:
        where = f"s3://{code['S3Bucket']}/{code.get('S3Key', '')}"
        _refuse(
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not "
            f"exist. ({where})"
        )


def _refuse(message: str) -> None:
    raise ServiceError("InvalidParameterValueException", message)
