"""What the stacks tell to whoever comes after them: the names of their outputs, and reading them from the account."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError


class Output(StrEnum):
    """Names of CloudFormation outputs."""

    BUCKET = "ArtifactBucket"
    KEY = "ArtifactKey"
    REPOSITORY = "RepositoryUri"
    BUILD_PROJECT = "BuildProject"
    ENDPOINT = "EndpointName"
    INFERENCE_COMPONENT = "InferenceComponentName"
    STATE_MACHINE = "StateMachineArn"
    BATCH_TOPIC = "BatchTopic"
    BATCH_MODEL = "BatchModel"
    TOPIC = "OperationsTopic"
    SUCCESS_TOPIC = "SuccessTopic"
    FAILURE_TOPIC = "FailureTopic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What stands in the account before a model is published.

    ``repository_uri`` and ``build_project`` are ``None`` where the configuration names an image that exists.
    """

    bucket: str
    key_arn: str
    repository_uri: str | None
    build_project: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The bucket of the first region, from which the second gets the model."""

    region: str
    bucket: str


def read_outputs(cloudformation: Any, stack: str) -> dict[str, str] | None:
    """Return the outputs of a stack by name, ``None`` where there is no such stack."""
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}


def read_foundation(cloudformation: Any, stack: str) -> Foundation | None:
    """Return what the foundation stack has made, ``None`` where it is not there, or broke off before it was whole."""
    outputs = read_outputs(cloudformation, stack)
    if outputs is None or not {Output.BUCKET, Output.KEY} <= outputs.keys():
        return None
    return Foundation(
        bucket=outputs[Output.BUCKET],
        key_arn=outputs[Output.KEY],
        repository_uri=outputs.get(Output.REPOSITORY),
        build_project=outputs.get(Output.BUILD_PROJECT),
    )
