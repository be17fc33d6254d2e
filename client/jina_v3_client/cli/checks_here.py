"""Checks of this machine and of who it is to AWS: versions, region, credentials, identity, clock."""

from __future__ import annotations

import difflib
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Any, Final

from jina_v3_client.cli.failures import AWS_ERRORS, explain
from jina_v3_client.cli.findings import Finding, right, unsure, wrong
from jina_v3_client.cli.places import Place

DISTRIBUTION: Final = "jina-embeddings-v3-sagemaker"

_OLDEST_PYTHON: Final = (3, 11)
_PACKAGES: Final = ("boto3", "botocore", "urllib3", "httpx", "numpy")
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)[^;]*?>=\s*([0-9.]+)[^;]*$")
_SKEW_S: Final = 300
"""AWS refuses signatures that are further from its own time."""
_LARGE_SKEW_S: Final = 60
_SOURCES: Final = {
    "env": "environment variables",
    "shared-credentials-file": "the credentials file",
    "config-file": "the configuration file",
    "assume-role": "a role that was assumed",
    "assume-role-with-web-identity": "a role, by a web identity's token",
    "sso": "IAM Identity Center (SSO)",
    "login": "aws login",
    "custom-process": "a program of the profile (credential_process)",
    "container-role": "the container's role",
    "iam-role": "the role of this machine",
}
"""Where botocore found credentials, by its name of the method."""


def check_python() -> Finding:
    """Look at the interpreter's version."""
    sentence = f"Python {platform.python_version()}"
    if sys.version_info < _OLDEST_PYTHON:
        return wrong("python", f"{sentence} is too old", f"use Python {'.'.join(map(str, _OLDEST_PYTHON))} or later")
    return right("python", sentence)


def check_packages() -> Finding:
    """Look at the versions of what a call goes through, against what the package asks for."""
    try:
        told = [f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}"]
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        told, wanted = [f"{DISTRIBUTION} is not installed"], []
    least = {found[1]: found[2] for line in wanted if (found := _REQUIREMENT.match(line))}
    versions = {name: metadata.version(name) for name in _PACKAGES}
    old = [name for name, version in versions.items() if name in least and _parts(version) < _parts(least[name])]
    told += [f"{name} {version}" for name, version in versions.items()]
    if old:
        needed = " ".join(f"'{name}>={least[name]}'" for name in old)
        return wrong("packages", f"{', '.join(told)}: {', '.join(old)} too old", f"pip install {needed}")
    return right("packages", ", ".join(told))


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def check_region(session: Any, place: Place) -> Finding:
    """Look whether a region is known, and SageMaker in it."""
    region = place.aws_region or session.region_name
    if region is None:
        return wrong(
            "region", "no region is known", "give --region, set AWS_DEFAULT_REGION, or write one into the profile"
        )
    source = "as given" if place.aws_region else "by the environment or the profile"
    known = session.get_available_regions("sagemaker")
    if region not in known and region.startswith(tuple({name.partition("-")[0] for name in known})):
        near = difflib.get_close_matches(region, known, n=1)
        return unsure(
            "region",
            f"{region}, {source}: this boto3 knows no SageMaker there",
            f"did you mean {near[0]}?" if near else "see whether the region is spelt right",
        )
    return right("region", f"{region}, {source}")


def check_credentials(session: Any) -> Finding:
    """Look where credentials come from; they are not shown."""
    try:
        found = session.get_credentials()
    except AWS_ERRORS as error:
        return wrong("credentials", *explain(error))
    if found is None:
        return wrong(
            "credentials",
            "none were found: neither environment variables, files, SSO nor a role",
            "log in (aws configure sso, or aws login), give --profile, or run where a role is",
        )
    profile = "" if found.method == "env" else f", profile {session.profile_name}"
    return right("credentials", f"from {_SOURCES.get(found.method, found.method)}{profile}")


def check_identity(sts: Any) -> Iterator[tuple[Finding, str | None]]:
    """Ask AWS who this is, and with its answer what the time is; beside the findings stands the caller's ARN."""
    try:
        answer = sts.get_caller_identity()
    except AWS_ERRORS as error:
        yield wrong("identity", *explain(error)), None
        answer = getattr(error, "response", {})
    else:
        yield right("identity", f"account {answer['Account']}, {answer['Arn']}"), answer["Arn"]
    clock = check_clock(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}), datetime.now(UTC))
    if clock is not None:
        yield clock, None


def check_clock(headers: Mapping[str, str], now: datetime) -> Finding | None:
    """Compare this machine's clock with the time of an answer; ``None`` where it tells none."""
    try:
        skew_s = (now - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (TypeError, ValueError):
        return None
    direction = "fast" if skew_s > 0 else "slow"
    if abs(skew_s) > _SKEW_S:
        return wrong(
            "clock",
            f"this machine's is {abs(skew_s):,.0f} s {direction}; AWS refuses signatures beyond {_SKEW_S} s",
            "set the clock: timedatectl set-ntp true, or restart the virtual machine",
        )
    if abs(skew_s) > _LARGE_SKEW_S:
        return unsure("clock", f"this machine's is {abs(skew_s):,.0f} s {direction}", "have it set by NTP")
    return right("clock", f"within {max(1, round(abs(skew_s)))} s of AWS")
