"""`python -m local_aws`, what it refuses, and what a preflight asks of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from local_aws.__main__ import main
from local_aws.errors import LocalAwsError
from local_aws.moto_repairs import TESTED, check_version
from local_aws.server import LocalAws
from local_aws.settings import Settings


def test_the_process_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "local_aws",
        "--port",
        "0",
        "--state",
        str(tmp_path / "state"),
        "--region",
        "eu-west-1",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(8)]
        assert {line[0] for line in lines} == {"export"}
        printed = dict(line[1].split("=", 1) for line in lines)
        client = boto3.client(
            "sts",
            endpoint_url=printed["AWS_ENDPOINT_URL"],
            region_name=printed["AWS_REGION"],
            aws_access_key_id=printed["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=printed["AWS_SECRET_ACCESS_KEY"],
        )
        assert client.get_caller_identity()["Account"] == "123456789012"
        assert printed["AWS_DEFAULT_REGION"] == "eu-west-1"
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert told.splitlines() == [
        f"local AWS at {printed['AWS_ENDPOINT_URL']}, state in {tmp_path / 'state'}; Ctrl-C ends it"
    ]


def test_a_taken_port_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalAwsError, match=rf"port {port} .*--port"):
            LocalAws(Settings(state_folder=tmp_path, port=port))


def test_only_loopback_is_listened_on(capsys: pytest.CaptureFixture[str]) -> None:
    held = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        assert main(["--host", "192.0.2.1"]) == 1
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), held, strict=True):
            signal.signal(number, handler)
    assert "loopback only" in capsys.readouterr().err


def test_the_help_shows_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    for word in ("boto3", "aws s3", "cdk deploy", "AWS_ENDPOINT_URL"):
        assert word in told


def test_another_version_of_moto_is_refused() -> None:
    check_version(TESTED)
    check_version(TESTED.rpartition(".")[0] + ".99")
    with pytest.raises(LocalAwsError, match=rf"moto 5\.3\.0 .*tested with moto {TESTED}"):
        check_version("5.3.0")


def test_quotas_are_as_the_settings_say(aws: LocalAws) -> None:
    api = aws.client("service-quotas", "us-east-1")
    found = {
        quota["QuotaName"]: quota
        for page in api.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        for quota in page["Quotas"]
    }
    assert found["ml.g6.xlarge for endpoint usage"]["Value"] == 0
    assert found["ml.g5.xlarge for endpoint usage"]["Value"] == 4
    one = found["ml.g5.xlarge for endpoint usage"]
    assert api.get_service_quota(ServiceCode="sagemaker", QuotaCode=one["QuotaCode"])["Quota"] == one
    with pytest.raises(api.exceptions.NoSuchResourceException):
        api.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-00000000")
    with pytest.raises(api.exceptions.NoSuchResourceException):
        api.list_service_quotas(ServiceCode="ec2")


def test_the_price_list_is_empty(aws: LocalAws) -> None:
    assert aws.client("pricing", "us-east-1").get_products(ServiceCode="AmazonSageMaker")["PriceList"] == []
