"""Keeps everything under test on this machine: no test, and no program that a test starts, can reach a real AWS.

Within the process an audit hook refuses every connection that is not to loopback. Programs that tests start inherit
fake credentials and a proxy on a port that nobody listens on, which botocore, httpx and the CDK's command line honour.
"""

import ipaddress
import os
import socket
import sys
from typing import Any

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


class OutsideError(Exception):
    """Something under test wanted to leave this machine."""


def stay_on_loopback() -> None:
    """Guard this process, for good, and the programs that it starts."""
    for name in _NOT_INHERITED:
        os.environ.pop(name, None)
    for name, value in _ENVIRONMENT.items():
        os.environ[name] = value
        if name.endswith("_PROXY"):
            os.environ[name.lower()] = value
    sys.addaudithook(_refuse_outside)


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
