"""What this AWS changes in moto's services, and the version of moto that it was tried with.

Each repair says what moto does otherwise. They are put in once for the process, and are harmless twice.
"""

from __future__ import annotations

import importlib.metadata
import logging
from enum import Enum
from typing import Any, Final

from local_aws import shapes
from local_aws.errors import LocalAwsError

TESTED: Final = "5.2.5"


def repair_moto() -> None:
    """Put the repairs in.

    **Raises**: ``LocalAwsError`` where another version of moto is installed than they are for.
    """
    check_version(importlib.metadata.version("moto"))
    know_aws_policies()
    leave_bucket_policies_alone()
    scale_inference_components()
    change_keys_of_log_groups()
    keep_settings_of_functions()
    keep_quiet()


def check_version(installed: str) -> None:
    """Refuse another minor version: its internals may have moved.

    **Raises**: ``LocalAwsError``.
    """
    if installed.split(".")[:2] != TESTED.split(".")[:2]:
        raise LocalAwsError(
            f"moto {installed} is installed, but the local AWS was tested with moto {TESTED} and reaches into it; "
            f"install moto=={TESTED}, or run tests/local_aws with {installed} and change moto_repairs.TESTED"
        )


def replace(owner: Any, name: str, value: Any) -> None:
    """Put something of ours in a class or a module of moto's."""
    setattr(owner, name, value)


def know_aws_policies() -> None:
    """Have IAM know AWS's own policies (arn:aws:iam::aws:policy/…), which moto leaves out and then cannot attach."""
    from moto.core.config import default_user_config

    default_user_config["iam"] = {"load_aws_managed_policies": True}


def leave_bucket_policies_alone() -> None:
    """Keep bucket policies without acting on them: moto denies what a Deny names and never looks at its condition.

    "Deny everything that is not TLS" would then deny everything.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(_bucket: Any, _action: str, _resource: str) -> Any:
        return PermissionResult.NEUTRAL

    replace(FakeBucket, "get_permission", get_permission)


def scale_inference_components() -> None:
    """Let Application Auto Scaling take every dimension that AWS does: moto's list lacks inference components."""
    from moto.applicationautoscaling import models, responses

    known = shapes.input_shape("application-autoscaling", "RegisterScalableTarget").members["ScalableDimension"].enum
    dimensions = Enum("ScalableDimensionValueSet", {value: value for value in known})  # type: ignore[misc]  # from data
    for module in (models, responses):
        replace(module, "ScalableDimensionValueSet", dimensions)


def change_keys_of_log_groups() -> None:
    """Let CloudWatch Logs change a group's key, which moto takes at its creation only."""
    from moto.core.responses import EmptyResult
    from moto.logs.responses import LogsResponse

    def associate_kms_key(response: Any) -> Any:
        group = response.logs_backend.groups[response._get_param("logGroupName")]
        group.kms_key_id = response._get_param("kmsKeyId")
        return EmptyResult()

    for name in ("associate_kms_key", "disassociate_kms_key"):
        replace(LogsResponse, name, associate_kms_key)


def keep_settings_of_functions() -> None:
    """Keep every setting of a Lambda function: moto drops some when it is made, and more when it is changed."""
    from moto.awslambda.models import LambdaFunction

    make, describe = LambdaFunction.__init__, LambdaFunction.get_configuration
    update, update_code = LambdaFunction.update_configuration, LambdaFunction.update_function_code
    if getattr(make, "repaired", False):
        return

    def keep(function: Any, settings: dict[str, Any]) -> None:
        if "LoggingConfig" in settings:
            function.logging_config = settings["LoggingConfig"]
        if "KMSKeyArn" in settings:
            function.kms_key_arn = settings["KMSKeyArn"] or None
        if "TracingConfig" in settings:
            function.tracing_config = settings["TracingConfig"]
        if "EphemeralStorage" in settings:
            function.ephemeral_storage = settings["EphemeralStorage"]["Size"]

    def init(function: Any, account_id: str, spec: dict[str, Any], *place: Any, **named: Any) -> None:
        make(function, account_id, spec, *place, **named)
        function.logging_config = None
        keep(function, spec)

    def get_configuration(function: Any, *given: Any, **named: Any) -> dict[str, Any]:
        group = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.function_name}"}
        configuration: dict[str, Any] = describe(function, *given, **named)
        return {**configuration, "LoggingConfig": group | (function.logging_config or {})}

    def update_configuration(function: Any, settings: dict[str, Any]) -> dict[str, Any]:
        keep(function, settings)
        update(function, settings)
        return get_configuration(function)

    def update_function_code(function: Any, code: dict[str, Any]) -> dict[str, Any]:
        if "Architectures" in code:
            function.architectures = code["Architectures"]
        update_code(function, code)
        return get_configuration(function)

    replace(init, "repaired", True)
    replace(LambdaFunction, "__init__", init)
    replace(LambdaFunction, "get_configuration", get_configuration)
    replace(LambdaFunction, "update_configuration", update_configuration)
    replace(LambdaFunction, "update_function_code", update_function_code)


def keep_quiet() -> None:
    """Have werkzeug and moto log warnings only; a request that fails is the client's to report."""
    for name in ("werkzeug", "moto"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # more calls at once than it keeps connections


def forget_everything() -> None:
    """Empty moto's backends, so that the next local AWS of the process begins with nothing."""
    from moto.core.config import default_user_config
    from moto.moto_api._internal.models import moto_api_backend

    default_user_config.pop("iam", None)  # AWS's policies take long to read, and not every user of moto wants them
    moto_api_backend.reset()
