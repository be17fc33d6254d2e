"""A deployment with batch transform: its step, its checks, its costs, its status and its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.stepfunctions.models import stepfunctions_backends
from tests.infra.deploy.conftest import (
    ACCOUNT,
    BATCH,
    ENDPOINT,
    FOUNDATION,
    REGION,
    TOOLKIT,
    FakeCdk,
    Services,
    client_error,
    make_stack,
)

from jina_v3_infra.config import check_deployment
from jina_v3_infra.deploy import destruction
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.costs import describe_costs, estimate_costs, summarise_costs
from jina_v3_infra.deploy.findings import Finding, Verdict
from jina_v3_infra.deploy.preflight import run_preflight
from jina_v3_infra.deploy.prices import Prices

Run = Callable[..., int]
BESIDE = ("-c", "batch.instances=2")
ALONE = (*BESIDE, "-c", "endpoint.enabled=false")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destruction, "_POLL_S", 0.0)


def deployed(cdk: FakeCdk) -> list[str]:
    return [call[1] for call in cdk.calls if call[0] == "deploy"]


def check(account: Account, name: str, **content: Any) -> list[Finding]:
    found = run_preflight(account, check_deployment(content), lambda: True)
    return [one for one in found.findings if one.check == name]


def test_batch_is_deployed_after_the_endpoint(run: Run, cdk: FakeCdk, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "--yes", *BESIDE) == 0
    assert deployed(cdk) == ["jina-v3-foundation", "jina-v3-endpoint", "jina-v3-batch"]
    out = capsys.readouterr().out
    for needle in ("[5/5] batch", "invoke-endpoint", "jina-v3-infra batch start s3://bucket/folder/", "$1.25 an hour"):
        assert needle in out


def test_batch_alone_has_no_endpoint_and_costs_nothing_by_the_hour(
    run: Run, cdk: FakeCdk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--yes", *ALONE) == 0
    assert deployed(cdk) == ["jina-v3-foundation", "jina-v3-batch"]
    out = capsys.readouterr().out
    assert "[4/4] batch" in out
    assert "invoke-endpoint" not in out
    assert "it costs nothing by the hour while no batch run goes on" in out
    assert "$1.5000 for each machine and hour (AWS's price list, on demand), 2 at a time at most" in out
    assert "name:" not in out  # nothing is asked of an endpoint
    assert "scaling role" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "batch"), "this configuration has no step batch: it deploys jina-v3-foundation, jina-v3-endpoint"),
        ((*ALONE, "--until", "endpoint"), "has no step endpoint: it deploys jina-v3-foundation, jina-v3-batch"),
    ],
)
def test_a_step_that_the_configuration_does_not_have_is_refused(
    run: Run, cdk: FakeCdk, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--yes", *words) == 1
    assert told in capsys.readouterr().err
    assert cdk.calls == []


def test_a_failed_stack_is_a_failed_step(run: Run, cdk: FakeCdk, capsys: pytest.CaptureFixture[str]) -> None:
    cdk.statuses["jina-v3-batch"] = 1
    assert run("deploy", "--yes", *ALONE) == 1
    assert "cdk deploy of jina-v3-batch failed with exit status 1" in capsys.readouterr().err


def test_the_quota_of_transform_jobs_is_another_than_the_endpoints(account: Account, services: Services) -> None:
    services.quotas["ml.g6.xlarge"] = 100.0
    services.job_quotas["ml.g6.xlarge"] = 5.0
    endpoint, jobs = check(account, "quotas", batch={"instances": 2, "jobs": 3})
    assert endpoint.verdict is Verdict.RIGHT
    assert jobs.verdict is Verdict.WRONG
    assert jobs.sentence == (
        "the quota is 5 × ml.g6.xlarge for transform job usage, and batch.jobs × batch.instances is 6"
    )
    assert "ask for 6" in jobs.fix
    assert "lower batch.jobs and batch.instances" in jobs.fix
    services.job_quotas["ml.g6.xlarge"] = 6.0
    _, jobs = check(account, "quotas", batch={"instances": 2, "jobs": 3})
    assert jobs.verdict is Verdict.RIGHT
    assert "runs take 6 at most" in jobs.sentence


def test_a_machine_that_the_region_has_not_for_jobs_is_wrong(account: Account) -> None:
    found = check(account, "region", endpoint={"enabled": False}, batch={"instance_type": "ml.g5.xlarge"})
    (finding,) = found
    assert finding.verdict is Verdict.WRONG
    assert finding.sentence == "us-east-1 does not offer ml.g5.xlarge for transform jobs"


def test_places_are_looked_at_each_by_itself(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="their-data")
    s3.put_object(Bucket="their-data", Key="full/a.jsonl", Body=b"x")
    s3.create_bucket(Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    datasets = ["s3://their-data/full/", "s3://their-data/empty/", "s3://nowhere/x/", "s3://far-away/x/"]
    found = check(account, "batch places", batch={"datasets": datasets, "results": ["s3://their-data/out/"]})
    told = [(one.verdict, one.sentence) for one in found]
    assert told == [
        (Verdict.RIGHT, "s3://their-data/full/ can be read"),
        (Verdict.UNSURE, "nothing is under s3://their-data/empty/ yet"),
        (Verdict.WRONG, "there is no bucket 'nowhere'"),
        (
            Verdict.WRONG,
            "the bucket of s3://far-away/x/ is in eu-west-1, and transform jobs read and write in us-east-1 only",
        ),
        (Verdict.RIGHT, "s3://their-data/out/ is there to write to"),
    ]


def test_a_key_that_the_roles_may_not_use_is_found(account: Account) -> None:
    s3 = account.client("s3")
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="their-data")
    s3.put_object(Bucket="their-data", Key="a/a.jsonl", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    batch = {"datasets": ["s3://their-data/a/"]}
    _, finding = check(account, "batch places", batch=batch)
    assert finding.verdict is Verdict.WRONG
    assert f"is encrypted by the key {key}, which is not in batch.kms_keys" in finding.sentence
    (finding,) = check(account, "batch places", batch=batch | {"kms_keys": [key]})
    assert finding.verdict is Verdict.RIGHT


def test_the_archive_of_a_model_in_s3_is_looked_for(account: Account) -> None:
    account.client("s3").create_bucket(Bucket="theirs")
    content = {"model": {"source": "s3://theirs/m/"}, "batch": {"archive": "s3://theirs/m.tar.gz"}}
    (finding,) = check(account, "archive", **content)
    assert (finding.verdict, finding.sentence) == (Verdict.WRONG, "s3://theirs/m.tar.gz is not there")
    account.client("s3").put_object(Bucket="theirs", Key="m.tar.gz", Body=b"x")
    (finding,) = check(account, "archive", **content)
    assert finding.verdict is Verdict.RIGHT


def test_places_that_may_not_be_looked_at_are_not_known(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(operation: str, arguments: dict[str, Any]) -> Any:
        raise client_error(operation, "403")

    monkeypatch.setattr(account.client("s3"), "_make_api_call", refuse)
    for finding in check(account, "batch places", batch={"datasets": ["s3://their-data/a/"]}):
        assert finding.verdict is Verdict.UNSURE
        assert "the missing permission is s3:ListBucket" in finding.sentence


def test_the_cost_of_runs_by_hand() -> None:
    deployment = check_deployment({"endpoint": {"enabled": False}, "batch": {"jobs": 3, "instances": 2}})
    cost = estimate_costs(deployment, Prices(listed={"ml.g6.xlarge": 9.0}, listed_jobs={"ml.g6.xlarge": 3.6}))
    assert cost.least_usd_per_hour == cost.most_usd_per_hour == 0
    assert cost.runs is not None
    assert (cost.runs.usd_per_hour, cost.runs.most) == (3.6, 6)
    assert cost.runs.usd_per_million_tokens == pytest.approx(0.0127393, rel=1e-5)  # as test_costs.py works it out
    assert summarise_costs(cost) == "nothing by the hour while no batch run goes on"
    told = "\n".join(describe_costs(cost))
    assert "ml.g6.xlarge at $3.6000 for each machine and hour (AWS's price list, on demand), 6 at a time" in told


def test_a_network_for_jobs_alone_costs_nothing() -> None:
    content = {"endpoint": {"enabled": False}, "batch": {}, "network": {"vpc": "create"}}
    assert estimate_costs(check_deployment(content), Prices()).network_usd_per_hour == 0


def test_a_price_of_jobs_that_is_not_known_is_said() -> None:
    deployment = check_deployment({"endpoint": {"enabled": False}, "batch": {"instance_type": "ml.g6.48xlarge"}})
    told = "\n".join(describe_costs(estimate_costs(deployment, Prices())))
    assert "the price of ml.g6.48xlarge is not known here" in told


def test_status_of_batch_alone(run: Run, account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", *ALONE) == 1
    assert "batch: jina-v3-batch does not stand in us-east-1" in capsys.readouterr().out
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    make_stack(account, "jina-v3-batch", BATCH)
    run("batch", "start", "s3://b/x/")
    capsys.readouterr()
    assert run("status", *ALONE) == 0
    out = capsys.readouterr().out
    assert "stack jina-v3-batch: CREATE_COMPLETE" in out
    assert ": running, started " in out
    assert "endpoint" not in out


def test_status_beside_an_endpoint_tells_of_both(
    run: Run, account: Account, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, template in (("foundation", FOUNDATION), ("endpoint", ENDPOINT), ("batch", BATCH)):
        make_stack(account, f"jina-v3-{name}", template)
    assert run("status", *BESIDE, "-c", f"model.source={tiny_model}") == 0
    out = capsys.readouterr().out
    assert "endpoint jina-v3: InService" in out
    assert "no run was started yet" in out


class Jobs:
    """Transform jobs of the account, as SageMaker lists them."""

    def __init__(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running = {"run-1": "jina-v3", "other": "another", "untagged": None}
        self.stops = True
        client = account.client("sagemaker")
        self._real = client._make_api_call
        monkeypatch.setattr(client, "_make_api_call", self._call)

    def _call(self, operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "ListTransformJobs":
            assert arguments["StatusEquals"] == "InProgress"
            arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:transform-job/"
            return {
                "TransformJobSummaries": [
                    {"TransformJobName": name, "TransformJobArn": arn + name} for name in self.running
                ]
            }
        if operation == "ListTags" and ":transform-job/" in arguments["ResourceArn"]:
            deployment = self.running[arguments["ResourceArn"].rpartition("/")[2]]
            return {"Tags": [] if deployment is None else [{"Key": "deployment", "Value": deployment}]}
        if operation == "StopTransformJob":
            if self.stops:
                del self.running[arguments["TransformJobName"]]
            return {}
        return self._real(operation, arguments)


@pytest.fixture
def jobs(account: Account, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    return Jobs(account, monkeypatch)


@pytest.fixture
def bucket(account: Account) -> str:
    make_stack(account, "CDKToolkit", TOOLKIT)
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    make_stack(account, "jina-v3-batch", BATCH)
    (name,) = (one["Name"] for one in account.client("s3").list_buckets()["Buckets"])
    return str(name)


@pytest.mark.parametrize("words", [ALONE, BESIDE, ()])
def test_what_runs_is_stopped_before_its_machine_goes(
    run: Run,
    account: Account,
    bucket: str,
    jobs: Jobs,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the configuration of today, whatever it was when the stacks were deployed."""
    run("batch", "start", "s3://b/x/")
    (machine,) = stepfunctions_backends[ACCOUNT][REGION].state_machines
    (execution,) = machine.executions
    capsys.readouterr()
    assert run("destroy", "--yes", *words) == 0
    out = capsys.readouterr().out
    assert f"the run {execution.name} was going on, and is stopped" in out
    assert "the transform job run-1 was going on, and is stopped" in out
    assert execution.status == "ABORTED"
    assert jobs.running.keys() == {"other", "untagged"}
    assert account.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert "looked: nothing that bills is left" in out


def test_runs_in_the_bucket_are_data(
    run: Run, account: Account, bucket: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("batch/vectors/r/a.jsonl.out", "batch/runs/r/report.json", "archives/r/model.tar.gz"):
        account.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")
    assert run("destroy", "--yes", *ALONE) == 0
    out = capsys.readouterr().out
    assert f"kept: s3://{bucket}/batch/: 2 object versions" in out
    assert "looked: nothing else that bills is left" in out
    assert run("destroy", "--yes", "--delete-data", *ALONE) == 0
    assert account.client("s3").list_buckets()["Buckets"] == []


def test_a_job_that_does_not_stop_is_told(
    run: Run, bucket: str, jobs: Jobs, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.stops = False
    assert run("destroy", "--yes", *ALONE) == 1
    assert "transform job run-1" in capsys.readouterr().err


def test_the_question_names_the_stacks_that_are_configured_or_stand(
    run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("destroy", *ALONE) == 1
    assert "this would delete jina-v3-batch and jina-v3-foundation in us-east-1" in capsys.readouterr().err
    assert run("destroy") == 1  # another configuration than it was deployed with: what stands goes too
    told = "this would delete jina-v3-batch and jina-v3-endpoint and jina-v3-foundation in us-east-1"
    assert told in capsys.readouterr().err
