"""The way to AWS: one session, from which every client of the command comes.

A test that points this at loopback (``AWS_ENDPOINT_URL``) has pointed all of the command there.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field, replace
from typing import Any, Final

import boto3
from botocore.config import Config

_CLIENT: Final = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 5})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The caller's credentials, and the region that is deployed to."""

    session: Any
    region: str
    profile: str | None = None
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a client of a service, in this region unless another is named; the same one each time."""
        place = (service, region or self.region)
        if place not in self._clients:
            self._clients[place] = self.session.client(service, region_name=place[1], config=_CLIENT)
        return self._clients[place]

    def in_region(self, region: str) -> Account:
        """Return the same credentials for another region."""
        return replace(self, region=region)

    def export_command(self) -> str | None:
        """Return what puts these credentials into a shell's environment; ``None`` where they come from there."""
        credentials = self.session.get_credentials()
        if credentials is None or credentials.method == "env":
            return None
        profile = self.profile or os.environ.get("AWS_PROFILE")
        named = f"--profile {shlex.quote(profile)} " if profile else ""
        return f'eval "$(aws configure export-credentials {named}--format env)"'


def open_account(region: str, profile: str | None = None) -> Account:
    """Make the session.

    **Raises**: botocore's ``ProfileNotFound``.
    """
    return Account(
        session=boto3.session.Session(profile_name=profile, region_name=region), region=region, profile=profile
    )
