"""Lambda: functions that really run, each call in a process of its own function, as in Lambda's environments.

moto keeps what a function is (``moto_repairs`` adds the settings that it forgets); what is refused, and every
invocation, is answered here, before moto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.functions.plane import Functions

if TYPE_CHECKING:
    from local_aws.server import LocalAws


def install(aws: LocalAws) -> None:
    """Have a local AWS run Lambda functions."""
    aws.add_plane(Functions(aws).plane)
