"""Keeps everything under test on this machine: no test, and no program that a test starts, can reach a real AWS.

A build that a test runs may fetch packages (``package_environment``). One run may leave this machine: the tests of a
real account, where a person has asked for them (``make verify-live``).

Within the process an audit hook refuses every connection that is not to loopback. Programs that tests start inherit
fake credentials and a proxy on a port that nobody listens on, which botocore, httpx and the CDK's command line honour.
"""

import ipaddress
import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_NOWHERE = "http://127.0.0.1:9"  # the discard port, on which nothing listens
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "HTTP_PROXY": _NOWHERE,
    "HTTPS_PROXY": _NOWHERE,
}
_NOT_INHERITED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ROLE_ARN")


_PROXIES = [name for upper in ("NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY") for name in (upper, upper.lower())]
_OUTER_PROXIES = "TESTS_OUTER_PROXIES"  # pytest-xdist's workers inherit what their parent has set already


class OutsideError(Exception):
    """Something under test wanted to leave this machine."""


def guard_run(marks: str) -> None:
    """Guard a run of pytest, by its expression of marks, unless it may leave.

    Against an AWS on loopback the live tests need nothing else, and keep its address.
    """
    if may_leave(marks, os.environ):
        return
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    stay_on_loopback()
    if is_live(marks, os.environ) and _is_loopback(urlsplit(endpoint).hostname or ""):
        os.environ["AWS_ENDPOINT_URL"] = endpoint


def is_live(marks: str, environment: Mapping[str, str]) -> bool:
    """Say whether a run is that of the live tests, and nothing else: by exactly this mark, and by being told so."""
    return marks == "aws" and environment.get("JINA_V3_LIVE") == "1"


def may_leave(marks: str, environment: Mapping[str, str]) -> bool:
    """Say whether a run may leave this machine."""
    return is_live(marks, environment) and "AWS_ENDPOINT_URL" not in environment


def stay_on_loopback() -> None:
    """Guard this process, for good, and the programs that it starts."""
    outer = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    os.environ.setdefault(_OUTER_PROXIES, json.dumps(outer))
    for name in _NOT_INHERITED:
        os.environ.pop(name, None)
    for name, value in _ENVIRONMENT.items():
        os.environ[name] = value
        if name.endswith("_PROXY"):
            os.environ[name.lower()] = value
    sys.addaudithook(_refuse_outside)


def package_environment() -> dict[str, str]:
    """Return what an installer needs to reach the package registries: the proxies as they were before the guard."""
    kept = {name: value for name, value in os.environ.items() if name not in _PROXIES}
    return kept | json.loads(os.environ.get(_OUTER_PROXIES, "{}"))


def _refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        opened, address = arguments
        if opened.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise OutsideError(f"a connection to {address[0]} was refused: tests stay on loopback")
    elif event == "socket.getaddrinfo" and arguments[0] is not None:
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        if not _is_loopback(host) and host != "0.0.0.0":
            raise OutsideError(f"a look-up of {host} was refused: tests stay on loopback")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
