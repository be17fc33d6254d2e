"""What a deployment of the project's infrastructure has: asked of CloudFormation by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jina_v3_client._aws.access import Access
from jina_v3_client._aws.errors import aws_errors
from jina_v3_client.errors import EndpointNotFoundError
from jina_v3_client.routing.targets import Endpoint

_STACKS: Final = ("foundation", "endpoint", "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What stands; ``None`` where the deployment has no such thing.

    ``input_prefix`` is where bodies of asynchronous calls go, as ``s3://…/``: only an asynchronous endpoint has it.
    """

    name: str
    region: str
    bucket: str | None = None
    endpoint: str | None = None
    inference_component: str | None = None
    input_prefix: str | None = None
    state_machine: str | None = None
    batch_model: str | None = None

    @property
    def is_asynchronous(self) -> bool:
        """Whether the endpoint takes asynchronous calls, and no others."""
        return self.input_prefix is not None

    @property
    def target(self) -> Endpoint:
        """The endpoint, as one asks it.

        **Raises**: ``EndpointNotFoundError`` where the deployment has none.
        """
        if self.endpoint is None:
            batch = f"BatchClient.from_deployment({self.name!r}) embeds datasets by the batch that it has"
            raise EndpointNotFoundError(
                f"deployment {self.name!r} in {self.region} has no endpoint",
                advice="deploy one" if self.state_machine is None else f"deploy one; {batch}",
            )
        return Endpoint(self.endpoint, region=self.region, inference_component=self.inference_component)

    @classmethod
    def find(cls, name: str, region: str | None = None, access: Access | None = None) -> Deployment:
        """Return the deployment of a name, as ``name`` stands in its configuration.

        **Raises**: ``EndpointNotFoundError``, ``AccessError``.
        """
        access = access or Access(region=region)
        region = region or access.region_of()
        with aws_errors(target=f"{region}/{name}"):
            cloudformation = access.client("cloudformation", region)
            stacks = {part: _outputs(cloudformation, f"{name}-{part}") for part in _STACKS}
            if all(outputs is None for outputs in stacks.values()):
                raise EndpointNotFoundError(
                    f"there is no deployment {name!r} in {region}: none of the stacks "
                    f"{', '.join(f'{name}-{part}' for part in _STACKS)}",
                    advice="see the region and the name; `jina-v3 endpoints` lists what can be called",
                )
            foundation, endpoint, batch = (stacks[part] or {} for part in _STACKS)
            asynchronous = "SuccessTopic" in endpoint and "EndpointName" in endpoint
            return cls(
                name=name,
                region=region,
                bucket=foundation.get("ArtifactBucket"),
                endpoint=endpoint.get("EndpointName"),
                inference_component=endpoint.get("InferenceComponentName"),
                input_prefix=_input_prefix(access, region, endpoint["EndpointName"]) if asynchronous else None,
                state_machine=batch.get("StateMachineArn"),
                batch_model=batch.get("BatchModel"),
            )


def _outputs(cloudformation: Any, stack: str) -> dict[str, str] | None:
    from botocore.exceptions import ClientError

    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}


def _input_prefix(access: Access, region: str, endpoint: str) -> str:
    """Return the place beside the outputs' that the endpoint's role may read."""
    sagemaker = access.client("sagemaker", region)
    config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    described = sagemaker.describe_endpoint_config(EndpointConfigName=config)
    outputs: str = described["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"]
    return f"{outputs.rstrip('/').rpartition('/')[0]}/inputs/"
