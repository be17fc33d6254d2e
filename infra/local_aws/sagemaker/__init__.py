"""SageMaker's hosting and batch transform: models, endpoints and jobs that really run their containers, and calls.

It knows nothing of what the containers do. Where it differs from the service, docs/local-aws.md says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.autoscaling import Autoscaler
from local_aws.faults import faults_plane
from local_aws.sagemaker.capture import Capture
from local_aws.sagemaker.control import control_plane
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.routers_runtime import routers_plane
from local_aws.sagemaker.runtime import runtime_plane
from local_aws.scaling_plane import scaling_plane

if TYPE_CHECKING:
    from local_aws.server import LocalAws

__all__ = ["install"]


def install(aws: LocalAws) -> None:
    """Put SageMaker's planes, and that of the faults, before an AWS."""
    hosting = Hosting(aws)
    capture = Capture(hosting)
    capturing = hosting.spawn("data capture", capture.run)

    def close() -> None:
        hosting.close()
        capturing.join()

    aws.on_stop(close)
    aws.scaling = Autoscaler(hosting)
    aws.add_plane(scaling_plane(aws.scaling))
    aws.add_plane(control_plane(hosting))
    aws.add_plane(runtime_plane(hosting, capture))
    aws.add_plane(routers_plane(hosting, capture))
    aws.add_plane(faults_plane(aws.faults))
