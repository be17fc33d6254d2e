"""CloudFormation: templates made into resources by calls to this AWS's own services.

moto has one too, which deploys at once inside the request and skips what it does not know; the CDK's change sets,
replacements, rollbacks and waiting for an endpoint need more than repairs of it, so this one is written anew on the
behaviour that AWS documents. It is strict: ``table`` declares what it takes, and nothing else deploys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.cloudformation.api import CloudFormation
from local_aws.services import Service, add_service

if TYPE_CHECKING:
    from local_aws.server import LocalAws


def install(aws: LocalAws) -> None:
    """Have a local AWS answer CloudFormation."""
    service = Service(
        name="cloudformation",
        signing_name="cloudformation",
        operations=CloudFormation(aws).operations,
        invalid="ValidationError",
    )
    add_service(aws, service)
