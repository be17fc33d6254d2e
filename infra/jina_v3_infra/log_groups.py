"""The names of a deployment's log groups: the stacks make them, the commands read them and clear them away."""

from __future__ import annotations

from typing import Final

from jina_v3_infra.config import Deployment

TRANSFORM_LOG_GROUP: Final = "/aws/sagemaker/TransformJobs"
"""Where the containers of all transform jobs of the account print to: SageMaker's own, and no deployment's."""


def build_log_group(deployment: Deployment) -> str:
    """Return where the image's build writes its log."""
    return f"/aws/codebuild/{deployment.name}-image"


def endpoint_log_group(deployment: Deployment) -> str:
    """Return where SageMaker puts what the containers print; these names are its own choice."""
    by_itself, component = container_log_groups(deployment)
    return by_itself if deployment.endpoint.inference_component is None else component


def flow_log_group(deployment: Deployment) -> str:
    """Return where a new VPC's flow logs go."""
    return f"/{deployment.name}/flow"


def batch_function_log_group(deployment: Deployment) -> str:
    """Return where the steps of batch runs write their log."""
    return f"/aws/lambda/{deployment.name}-batch"


def state_machine_log_group(deployment: Deployment) -> str:
    """Return where the state machine's log goes; under this prefix AWS needs no policy that grows with each group."""
    return f"/aws/vendedlogs/states/{deployment.name}-batch"


def batch_flow_log_group(deployment: Deployment) -> str:
    """Return where the flow logs of a new VPC for transform jobs go."""
    return f"/{deployment.name}/batch-flow"


def former_log_group_names(deployment: Deployment) -> tuple[str, ...]:
    """Return the names of all log groups that a deployment has or can have had, in whatever form it stood before."""
    return (
        build_log_group(deployment),
        *container_log_groups(deployment),
        flow_log_group(deployment),
        batch_function_log_group(deployment),
        state_machine_log_group(deployment),
        batch_flow_log_group(deployment),
    )


def container_log_groups(deployment: Deployment) -> tuple[str, str]:
    """Return both names that SageMaker can choose for what the containers print: an endpoint's, a component's."""
    name = deployment.endpoint_name
    return f"/aws/sagemaker/Endpoints/{name}", f"/aws/sagemaker/InferenceComponents/{name}"
