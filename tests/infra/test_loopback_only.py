"""The guard that every test runs under: nothing leaves this machine."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import HTTPClientError
from tests import conftest
from tests.support import loopback_only
from tests.support.loopback_only import OutsideError

_ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
_CALL = """
import boto3, botocore.exceptions
from botocore.config import Config
try:
    boto3.client("sts", "us-east-1", config=Config(retries={"total_max_attempts": 1})).get_caller_identity()
except botocore.exceptions.ProxyConnectionError as error:
    print("not reached")
"""

_GUARDED = """
import os, runpy, sys
guard = runpy.run_path(sys.argv[1])
guard["guard_run"](sys.argv[2])
try:
    sys.audit("socket.getaddrinfo", "sts.amazonaws.com", 443, 0, 0, 0)  # as a look-up begins; nothing is looked up
    print("free", os.environ["AWS_ACCESS_KEY_ID"], os.environ.get("AWS_ENDPOINT_URL"))
except guard["OutsideError"]:
    print("guarded", os.environ["AWS_ACCESS_KEY_ID"], os.environ.get("AWS_ENDPOINT_URL"))
"""
_LOCAL = "http://localhost:5005"


@pytest.mark.parametrize(
    ("marks", "environment", "outcome"),
    [
        ("aws", {"JINA_V3_LIVE": "1"}, "free real None"),
        ("aws", {}, "guarded testing None"),
        ("aws", {"JINA_V3_LIVE": ""}, "guarded testing None"),
        ("aws", {"JINA_V3_LIVE": "0"}, "guarded testing None"),
        ("aws", {"JINA_V3_LIVE": "true"}, "guarded testing None"),
        ("", {"JINA_V3_LIVE": "1"}, "guarded testing None"),
        ("aws or slow", {"JINA_V3_LIVE": "1"}, "guarded testing None"),
        ("not aws", {"JINA_V3_LIVE": "1"}, "guarded testing None"),
        ("aws", {"JINA_V3_LIVE": "1", "AWS_ENDPOINT_URL": _LOCAL}, f"guarded testing {_LOCAL}"),
        ("aws", {"JINA_V3_LIVE": "1", "AWS_ENDPOINT_URL": ""}, "guarded testing None"),
        ("aws", {"JINA_V3_LIVE": "1", "AWS_ENDPOINT_URL": "https://sts.amazonaws.com"}, "guarded testing None"),
        ("slow", {"JINA_V3_LIVE": "1", "AWS_ENDPOINT_URL": _LOCAL}, "guarded testing None"),
    ],
)
def test_only_the_live_tests_may_leave_and_only_when_told(
    marks: str, environment: dict[str, str], outcome: str
) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JINA_V3_"))}
    ran = subprocess.run(
        [sys.executable, "-c", _GUARDED, str(loopback_only.__file__), marks],
        env={**own, "AWS_ACCESS_KEY_ID": "real", **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert ran.stdout.strip() == outcome


def test_pytest_asks_with_the_expression_that_it_runs_by(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(conftest, "guard_run", asked.append)
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr="aws"))
    conftest.pytest_configure(config)
    assert asked == ["aws"]


@pytest.mark.parametrize("host", ["sts.us-east-1.amazonaws.com", "jinaai.example"])
def test_no_name_outside_is_looked_up(host: str) -> None:
    with pytest.raises(OutsideError, match=host):
        socket.create_connection((host, 443), timeout=5)


def test_no_address_outside_is_connected_to() -> None:
    with socket.socket() as outside, pytest.raises(OutsideError, match=r"192\.0\.2\.1"):
        outside.connect(("192.0.2.1", 443))


def test_loopback_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()


def test_boto3_reaches_no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):  # the hook alone must do
        monkeypatch.delenv(name)
    with pytest.raises(HTTPClientError, match="tests stay on loopback"):
        boto3.client("sts", "us-east-1", config=_ONCE).get_caller_identity()


def test_nor_does_a_program_that_a_test_starts() -> None:
    out = subprocess.run([sys.executable, "-c", _CALL], capture_output=True, text=True, timeout=240, check=True)
    assert out.stdout.strip() == "not reached"


def test_credentials_are_fake() -> None:
    assert boto3.session.Session().get_credentials().get_frozen_credentials()[:2] == ("testing", "testing")
    assert "AWS_PROFILE" not in os.environ
