"""EventBridge: rules on the default bus that really trigger, and schedules that fire when they are told to.

moto keeps rules, targets and schedules; what reaches a target, and when, is written here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.event_bridge.repairs import repair_events, use
from local_aws.event_bridge.schedules import schedules_plane

if TYPE_CHECKING:
    from local_aws.server import LocalAws


def install(aws: LocalAws) -> None:
    """Have a local AWS deliver events."""
    repair_events()
    use(aws)
    aws.add_plane(schedules_plane(aws.schedules))
