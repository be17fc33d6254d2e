"""What the local AWS is started with; loopback and fake credentials only."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local_aws.errors import LocalAwsError

ACCOUNT: Final = "123456789012"
ACCESS_KEY: Final = "testing"
SECRET_KEY: Final = "testing"  # noqa: S105  # fake, and the only pair that the local AWS lets in
REGIONS: Final = ("us-east-1", "eu-west-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one local AWS.

    ``state_folder`` keeps unpacked images, downloaded models and the containers' logs. ``waiting`` scales times that
    are only waited for (a canary's baking, the termination wait): 0.01 makes five minutes three seconds; it never
    shortens work that is really done. ``quota`` is how many instances of each type the account may have, ``quotas``
    says otherwise by a quota's name (``ml.g6.xlarge for endpoint usage``). ``container_environment`` wins over what is
    deployed: what a container must do otherwise here, such as to listen on loopback only. ``model_timeout_s`` is what a
    container has for one answer; ``transform_processes`` is how many transform jobs have a process at a time, and
    ``function_processes`` how many calls of one Lambda function are worked on at once: the others wait. ``seed``
    decides what is left to chance (variants by weight, sampled captures).

    **Units**: ``port`` 0 lets the system choose; ``…_s`` seconds.
    **Raises**: ``LocalAwsError`` for a host that is not loopback, and for no process of a function.
    """

    state_folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    waiting: float = 0.01
    quota: float = 4.0
    quotas: Mapping[str, float] = field(default_factory=dict)
    container_environment: Mapping[str, str] = field(default_factory=lambda: {"JINA_V3_BIND_HOST": "127.0.0.1"})
    model_timeout_s: float = 60.0
    transform_processes: int = 1
    function_processes: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.host != "localhost" and not ipaddress.ip_address(self.host).is_loopback:
            raise LocalAwsError(f"the local AWS listens on loopback only, not on {self.host!r}; use 127.0.0.1")
        if self.function_processes < 1:
            raise LocalAwsError(f"function_processes must be at least 1, not {self.function_processes}")
