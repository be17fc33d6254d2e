"""An AWS on loopback, a bucket in it and a model to publish."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support.loopback_aws import LoopbackAws

from jina_v3_infra.publish.bucket import MIB, Bucket, open_bucket

PART_BYTES = 5 * MIB
"""The smallest that S3 takes."""

WEIGHTS = random.Random(3).randbytes(2 * PART_BYTES + 2 * MIB)  # three parts

CODE = ("inference.py", "requirements.txt", "jina_v3/__init__.py", "jina_v3/encoder/engine.py")


@pytest.fixture(scope="session")
def _environment() -> Iterator[tuple[LoopbackAws, boto3.Session, Any]]:
    """The server, a session and its client for S3: what takes half a second to make."""
    with LoopbackAws().running() as running:
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # for as long as the client is made: other tests have the process too
            patch.setenv("AWS_ENDPOINT_URL", running.endpoint)
            session = boto3.Session(region_name="us-east-1")
            s3 = open_bucket(session, "us-east-1", "").s3
        yield running, session, s3


@pytest.fixture
def aws(_environment: tuple[LoopbackAws, boto3.Session, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackAws]:
    running = _environment[0]
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    yield running
    running.heal()


@pytest.fixture
def session(aws: LoopbackAws, _environment: tuple[LoopbackAws, boto3.Session, Any]) -> boto3.Session:
    return _environment[1]


@pytest.fixture
def bucket(aws: LoopbackAws, _environment: tuple[LoopbackAws, boto3.Session, Any]) -> Bucket:
    s3, name = _environment[2], f"artifacts-{uuid.uuid4().hex}"  # moto's state is the process's
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    aws.asked.clear()
    return Bucket(s3=s3, name=name, part_bytes=PART_BYTES)


@pytest.fixture
def source_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source root of a few files: the real one costs a call for each of its many."""
    root = tmp_path / "inference"
    for name in (*CODE, "Dockerfile", "image/serve", "image/packages.txt", "jina_v3/__pycache__/contract.pyc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"this is {name}")
    (root / "image" / "serve").chmod(0o755)
    monkeypatch.setattr("jina_v3_infra.artifact.find_source_root", lambda: root)
    monkeypatch.setattr("jina_v3_infra.publish.image.find_source_root", lambda: root)
    return root


@pytest.fixture
def model(source_root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"hidden_size": 1024}')
    (folder / "tokenizer.json").write_text("tokens " * 1000)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder
