"""`status`: how it stands, and what a deployment would change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.infra.deploy.conftest import BATCH, ENDPOINT, make_stack

from jina_v3_infra.config import check_deployment
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.stack_state import Resource
from jina_v3_infra.deploy.status import _variants
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


def test_a_variant_that_sleeps_is_said_to() -> None:
    machines = {"ProductionVariants": [{"VariantName": "main", "InstanceType": "ml.g6.xlarge"}]}
    asleep = {"ProductionVariants": [{"VariantName": "main", "CurrentInstanceCount": 0, "DesiredInstanceCount": 0}]}
    lines = list(_variants(asleep, {**machines, "AsyncInferenceConfig": {"OutputConfig": {}}}))
    assert lines[-1] == "variant main sleeps; the next call wakes it, in some minutes"
    assert len(list(_variants(asleep, machines))) == 1


def test_nothing_stands(run: Run, account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 1
    out = capsys.readouterr().out
    assert "stack jina-v3-endpoint: not there" in out
    assert "endpoint jina-v3: not there" in out


def test_a_stack_that_the_configuration_no_longer_has_is_named(
    run: Run, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-batch", {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    run("status")
    assert "stack jina-v3-batch: stands, and the configuration no longer has it" in capsys.readouterr().out


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


def with_numbers(count: int, weight: float) -> dict[str, Any]:
    variant = ENDPOINT["Resources"]["Config"]["Properties"]["ProductionVariants"][0]
    numbered = {**variant, "InitialInstanceCount": count, "InitialVariantWeight": weight}
    config = {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [numbered]}}
    return ENDPOINT | {"Resources": ENDPOINT["Resources"] | {"Config": config}}


def test_counts_and_weights_that_would_change_are_named(
    run: Run, account: Account, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-endpoint", with_numbers(2, 0.5))
    assert run("status", "-c", f"model.source={tiny_model}") == 0
    out = capsys.readouterr().out
    assert "deploy would change the count of variant main: 2 → 1" in out
    assert "deploy would change the weight of variant main: 0.5 → 1" in out


def test_a_count_that_scales_is_not_compared(
    run: Run, account: Account, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-endpoint", with_numbers(2, 1.0))
    words = ("-c", f"model.source={tiny_model}", "-c", "endpoint.variants.0.scaling.max=3")
    assert run("status", *words) == 0
    assert "the count of" not in capsys.readouterr().out


def test_what_was_set_by_hand_is_told_from_what_deploy_changes(
    run: Run, account: Account, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-endpoint", with_numbers(1, 1.0))
    account.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="jina-v3",
        DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 3, "DesiredWeight": 1.0}],
    )
    assert run("status", "-c", f"model.source={tiny_model}") == 0
    out = capsys.readouterr().out
    assert "what was set by hand goes with the next update: the count of variant main: 3 → 1" in out
    assert "deploy would change the count" not in out


def test_the_alarms_of_every_stack_that_stands_are_listed(
    run: Run, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-endpoint", ENDPOINT)
    make_stack(account, "jina-v3-batch", BATCH)
    for name in ("jina-v3-endpoint-slow", "jina-v3-batch-failed", "another"):
        account.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/States",
            MetricName="ExecutionsFailed",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )

    def resources(_client: Any, stack: str) -> list[Resource]:
        """What moto's CloudFormation would say if it had alarms."""
        name = {"jina-v3-endpoint": "jina-v3-endpoint-slow", "jina-v3-batch": "jina-v3-batch-failed"}[stack]
        return [Resource(kind="AWS::CloudWatch::Alarm", name=name, status="CREATE_COMPLETE", reason="")]

    monkeypatch.setattr("jina_v3_infra.deploy.status.list_resources", resources)
    run("status", "-c", "batch.jobs=1")
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.strip().startswith("alarm ")] == [
        "jina-v3-endpoint-slow:",
        "jina-v3-batch-failed:",
    ]
