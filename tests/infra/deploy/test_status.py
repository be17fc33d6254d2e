"""`status`: how it stands, and what a deployment would change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.infra.deploy.conftest import ENDPOINT, make_stack

from jina_v3_infra.config import check_deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.release import plan_release

Run = Callable[..., int]


def stack(image: str, model: str) -> dict[str, object]:
    source = {"S3DataSource": {"S3Uri": f"s3://bucket/{model}", "S3DataType": "S3Prefix", "CompressionType": "None"}}
    hosted = {
        "Type": "AWS::SageMaker::Model",
        "Properties": {
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/x",
            "PrimaryContainer": {"Image": image, "ModelDataSource": source},
        },
    }
    return ENDPOINT | {"Resources": ENDPOINT["Resources"] | {"Model": hosted}}


def test_nothing_stands(run: Run, account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 1
    out = capsys.readouterr().out
    assert "stack jina-v3-endpoint: not there" in out
    assert "endpoint jina-v3: not there" in out


def test_what_stands_is_what_would_be_deployed(
    run: Run, account: Account, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    override = f"model.source={tiny_model}"
    release = plan_release(check_deployment({"model": {"source": str(tiny_model)}}))
    make_stack(account, "jina-v3-endpoint", stack(f"repository:{release.image_tag}", release.model_prefix))
    account.client("cloudwatch")
    assert run("status", "-c", override) == 0
    out = capsys.readouterr().out
    assert "endpoint jina-v3: InService" in out
    assert "variant main: " in out
    assert "× ml.g6.xlarge, weight 1" in out
    assert "deploy would change neither machines, counts and weights, nor image nor model" in out


def test_what_would_change_is_named(
    run: Run, account: Account, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-endpoint", stack("repository:cu128-old", "models/old/"))
    release = plan_release(check_deployment({"model": {"source": str(tiny_model)}}))
    words = ("-c", f"model.source={tiny_model}", "-c", "endpoint.variants.0.instance_type=ml.g5.xlarge")
    assert run("status", *words) == 0
    out = capsys.readouterr().out
    assert "deploy would change machines: main ml.g6.xlarge → main ml.g5.xlarge" in out
    assert f"deploy would change the image: repository:cu128-old → {release.image_tag}" in out
    assert f"deploy would change the model: s3://bucket/models/old/ → {release.model_prefix}" in out
