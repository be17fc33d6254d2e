"""What the batch stack makes of each setting."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from tests.support.templates import CASES, RELEASE, THEIR_KEY, Templates, case, plain

import jina_v3_batch
from jina_v3_infra.config import DeploymentError, check_deployment
from jina_v3_infra.outputs import Output
from jina_v3_infra.stacks.application import build_application
from jina_v3_infra.stacks.batch.state_machine import read_definition

OWN = "arn:${AWS::Partition}:s3:::${Data-foundation:ArtifactBucket}"
THEIRS = "arn:${AWS::Partition}:s3:::"
BATCH_CASES = ["batch", "batch-beside", "batch-cpu"]


def of_batch(templates: Templates, type: str) -> dict[str, Any]:
    (found,) = [each for each in templates.resources(type) if each.stack == "batch"]
    return found.properties


def role_of(templates: Templates, service: str) -> dict[str, Any]:
    """Return the statements of the batch stack's role for a service, by their names."""
    (role,) = [
        each
        for each in templates.resources("IAM::Role")
        if each.stack == "batch"
        and each.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        == f"{service}.amazonaws.com"
    ]
    (policy,) = role.properties["Policies"]
    return {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}


def allows(statements: dict[str, Any], action: str, resource: str) -> bool:
    """Say whether any statement allows an action on a resource, conditions aside."""
    for statement in statements.values():
        actions, resources = (
            one if isinstance(one, list) else [one] for one in (statement["Action"], statement["Resource"])
        )
        if action in actions and any(fnmatchcase(resource, pattern) for pattern in resources):
            return True
    return False


def variables(name: str) -> dict[str, str]:
    return dict(of_batch(case(name), "Lambda::Function")["Environment"]["Variables"])


def test_a_deployment_without_an_endpoint_has_no_stack_of_it() -> None:
    assert case("batch").stacks.keys() == {"foundation", "batch"}
    assert case("default").stacks.keys() == {"foundation", "endpoint"}
    assert case("batch-beside").stacks.keys() == {"foundation", "endpoint", "batch"}


def test_the_model_is_the_archive() -> None:
    model = of_batch(case("batch-beside"), "SageMaker::Model")["PrimaryContainer"]
    assert model == {
        "Image": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/jina-v3:cu128-0123456789ab",
        "ModelDataUrl": f"s3://${{jina-v3-foundation:ArtifactBucket}}/{RELEASE.archive_key}",
    }
    theirs = of_batch(case("batch"), "SageMaker::Model")
    assert theirs["PrimaryContainer"]["ModelDataUrl"] == "s3://their-models/jina/v3.tar.gz"
    assert theirs["PrimaryContainer"]["Environment"] == {"JINA_V3_MAX_QUEUE_S": "9"}
    assert theirs["VpcConfig"]["Subnets"] == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


def test_the_endpoint_stands_as_without_batch(tmp_path: Path) -> None:
    alone = build_application(
        check_deployment({key: value for key, value in CASES["batch-beside"].items() if key != "batch"}),
        release=RELEASE,
        outdir=tmp_path,
    )
    alone.synth()
    name = "jina-v3-endpoint.template.json"
    assert (tmp_path / name).read_bytes() == (case("batch-beside").folder / name).read_bytes()


def test_a_new_network_for_jobs_has_nothing_that_costs_by_the_hour() -> None:
    templates = case("batch-beside")
    (endpoint,) = [each for each in templates.resources("EC2::VPCEndpoint") if each.stack == "batch"]
    assert endpoint.properties["VpcEndpointType"] == "Gateway"
    assert of_batch(templates, "SageMaker::Model")["VpcConfig"]["Subnets"] == [
        f"${{{each.name}}}" for each in templates.resources("EC2::Subnet") if each.stack == "batch"
    ]


def test_what_the_function_is_told() -> None:
    told = variables("batch")
    assert told.pop("JINA_V3_BATCH_TAGS")
    speed = float(told.pop("JINA_V3_BATCH_TOKENS_PER_S"))
    assert 10_000 < speed < 100_000  # an A10G at two fifths of 70 TFLOP/s
    assert told == {
        "JINA_V3_BATCH_NAME": "Data",
        "JINA_V3_BATCH_BUCKET": "${Data-foundation:ArtifactBucket}",
        "JINA_V3_BATCH_MODEL": "${Model.ModelName}",
        "JINA_V3_BATCH_INSTANCE_TYPE": "ml.g5.2xlarge",
        "JINA_V3_BATCH_INSTANCES": "3",
        "JINA_V3_BATCH_JOBS": "5",
        "JINA_V3_BATCH_AMI": "al2-ami-sagemaker-batch-gpu-535",
        "JINA_V3_BATCH_KMS_KEY": "${Data-foundation:ArtifactKey}",
        "JINA_V3_BATCH_USD_PER_HOUR": "1.515",
        "JINA_V3_BATCH_MAX_USD": "12.5",
        "JINA_V3_BATCH_ATTEMPTS": "4",
        "JINA_V3_BATCH_DATASETS": '["s3://their-data/documents/", "s3://their-data/more/"]',
        "JINA_V3_BATCH_RESULTS": '["s3://their-vectors/out/"]',
    }
    tags = json.loads(variables("batch")["JINA_V3_BATCH_TAGS"])
    assert tags == {"project": "jina-embeddings-v3", "deployment": "Data", "team": "search"}


def test_a_machine_without_a_gpu_has_no_host_image() -> None:
    told = variables("batch-cpu")
    assert (told["JINA_V3_BATCH_AMI"], told["JINA_V3_BATCH_MAX_USD"]) == ("", "")
    assert float(told["JINA_V3_BATCH_TOKENS_PER_S"]) > 0


def test_the_most_that_a_configuration_can_tell_fits_into_the_function() -> None:
    """Lambda refuses an environment of more than 4 KB."""
    for name in BATCH_CASES:
        assert sum(len(key) + len(value) for key, value in variables(name).items()) < 1024 + 256
    accepted: dict[str, Any] = {}
    for count in range(1, 40):
        content = {
            "batch": {"datasets": [f"s3://{'b' * 63}/f/"] * 1},
            "tags": {f"{n:02}": "ü" * 60 for n in range(count)},
        }
        try:
            check_deployment(content)
        except DeploymentError:
            break
        accepted = content
    assert 10 < len(accepted["tags"]) < 39
    told = json.dumps(accepted["tags"] | {"project": "x" * 20, "deployment": "x" * 30}, ensure_ascii=False)
    assert len(told.encode()) + len(json.dumps(accepted["batch"]["datasets"])) + 1024 + 256 < 4096


def test_the_code_is_the_package_and_only_that() -> None:
    templates = case("batch")
    key = of_batch(templates, "Lambda::Function")["Code"]["S3Key"]
    folder = templates.folder / f"asset.{key.removesuffix('.zip')}"
    package = Path(jina_v3_batch.__file__).parent
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        f"jina_v3_batch/{path.name}" for path in package.glob("*.py")
    }
    assert of_batch(templates, "Lambda::Function")["Handler"] == "jina_v3_batch.function.handler"


def test_the_states_are_those_of_the_package() -> None:
    machine = of_batch(case("batch"), "StepFunctions::StateMachine")
    assert machine["DefinitionString"] == read_definition()
    assert json.loads(read_definition()) == json.loads(
        Path(jina_v3_batch.__file__).with_name("state_machine.asl.json").read_text()
    )
    wanted = set(re.findall(r"\$\{(\w+)\}", read_definition()))
    assert wanted <= machine["DefinitionSubstitutions"].keys() == {"Function", "Topic", "Bucket"}
    assert (machine["StateMachineName"], machine["StateMachineType"]) == ("Data-batch", "STANDARD")


@pytest.mark.parametrize(
    ("service", "action", "place", "allowed"),
    [
        ("sagemaker", "s3:GetObject", "their-models/jina/v3.tar.gz", True),
        ("sagemaker", "s3:GetObject", "their-models/jina/v3/config.json", False),
        ("sagemaker", "s3:GetObject", "their-data/documents/a.jsonl", True),
        ("sagemaker", "s3:GetObject", "their-data/secret/a.jsonl", False),
        ("sagemaker", "s3:GetObject", "their-vectors/out/a.jsonl.out", False),
        ("sagemaker", "s3:PutObject", "their-vectors/out/a.jsonl.out", True),
        ("sagemaker", "s3:PutObject", "their-vectors/other/a.jsonl.out", False),
        ("sagemaker", "s3:PutObject", "their-data/documents/a.jsonl", False),
        ("lambda", "s3:GetObject", "their-data/documents/a.jsonl", True),
        ("lambda", "s3:GetObject", "their-vectors/out/a.jsonl.out", True),
        ("lambda", "s3:PutObject", "their-data/documents/a.jsonl", False),
        ("lambda", "s3:GetObject", "their-models/jina/v3.tar.gz", False),
        ("lambda", "s3:DeleteObject", "their-vectors/out/a.jsonl.out", True),
        ("lambda", "s3:DeleteObject", "their-data/documents/a.jsonl", False),
        ("states", "s3:GetObject", "their-data/documents/a.jsonl", False),
    ],
)
def test_who_may_touch_what_of_others(service: str, action: str, place: str, allowed: bool) -> None:
    assert allows(role_of(case("batch"), service), action, f"{THEIRS}{place}") is allowed


@pytest.mark.parametrize(
    ("service", "action", "place", "allowed"),
    [
        ("sagemaker", "s3:GetObject", "batch/datasets/news/a.jsonl", True),
        ("sagemaker", "s3:GetObject", "batch/runs/r/manifest.json", True),
        ("sagemaker", "s3:PutObject", "batch/vectors/r/a.jsonl.out", True),
        ("sagemaker", "s3:PutObject", "batch/datasets/news/a.jsonl", False),
        ("sagemaker", "s3:GetObject", "capture/a", False),
        ("lambda", "s3:GetObject", "batch/vectors/r/a.jsonl.out", True),
        ("lambda", "s3:PutObject", "batch/runs/r/plan.json", True),
        ("lambda", "s3:PutObject", "models/r/config.json", False),
        ("states", "s3:GetObject", "batch/runs/r/jobs.json", True),
        ("states", "s3:PutObject", "batch/runs/r/map/x.json", True),
        ("states", "s3:GetObject", "batch/datasets/a", False),
    ],
)
def test_who_may_touch_what_of_the_own_bucket(service: str, action: str, place: str, allowed: bool) -> None:
    assert allows(role_of(case("batch"), service), action, f"{OWN}/{place}") is allowed


def test_keys_of_others_are_used_where_they_are_named() -> None:
    (key,) = CASES["batch"]["batch"]["kms_keys"]
    transform = role_of(case("batch"), "sagemaker")
    assert allows(transform, "kms:GenerateDataKey", key)
    assert allows(role_of(case("batch"), "lambda"), "kms:Decrypt", key)
    assert transform["DecryptArchive"]["Resource"] == THEIR_KEY
    assert not allows(role_of(case("batch"), "states"), "kms:Decrypt", key)


def test_the_machine_runs_jobs_of_this_deployment_alone() -> None:
    allowed = role_of(case("batch"), "states")
    jobs = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:transform-job/*"
    for sid, key in (("StartJobs", "aws:RequestTag/deployment"), ("FollowJobs", "aws:ResourceTag/deployment")):
        assert allowed[sid]["Resource"] == jobs
        assert allowed[sid]["Condition"] == {"StringEquals": {key: "Data"}}
    assert json.loads(variables("batch")["JINA_V3_BATCH_TAGS"])["deployment"] == "Data"
    passed = allowed["PassRole"]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    (role,) = [each for each in case("batch").resources("IAM::Role") if each.name.startswith("TransformRole")]
    assert passed["Resource"] == f"${{{role.name}.Arn}}"


def test_the_machines_maps_start_executions_of_itself() -> None:
    allowed = role_of(case("batch"), "states")
    states = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
    assert allows(allowed, "states:StartExecution", f"{states}:stateMachine:Data-batch")
    assert allows(allowed, "states:StopExecution", f"{states}:execution:Data-batch/Embed:1")
    assert allows(allowed, "states:DescribeExecution", f"{states}:execution:Data-batch:run")
    assert not allows(allowed, "states:StopExecution", f"{states}:execution:other:run")


def test_a_success_file_starts_a_run_of_its_folder() -> None:
    rule = of_batch(case("batch"), "Events::Rule")
    pattern = rule["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert pattern["detail"]["bucket"]["name"] == ["${Data-foundation:ArtifactBucket}"]
    (key,) = pattern["detail"]["object"]["key"]
    for name, starts in {
        "batch/datasets/news/_SUCCESS": True,
        "batch/datasets/news/2026/11/_SUCCESS": True,
        "batch/datasets/news/part-0.jsonl": False,
        "batch/vectors/run/_SUCCESS": False,
        "batch/datasets/news/_SUCCESS.tmp": False,
    }.items():
        assert fnmatchcase(name, key["wildcard"]) is starts, name
    (target,) = rule["Targets"]
    template = target["InputTransformer"]["InputTemplate"]
    for name, value in {"<bucket>": '"b"', "<key>": '"batch/datasets/news/_SUCCESS"'}.items():
        template = template.replace(name, value)  # as EventBridge does it, with the marks of a text
    assert json.loads(template) == {"success_file": {"bucket": "b", "key": "batch/datasets/news/_SUCCESS"}}
    assert target["InputTransformer"]["InputPathsMap"].keys() == {"bucket", "key"}
    assert not case("batch-beside").resources("Events::Rule")


def test_schedules_start_runs_of_what_they_name() -> None:
    nightly, hourly = (each.properties for each in case("batch").resources("Scheduler::Schedule"))
    assert (nightly["Name"], nightly["State"]) == ("Data-nightly", "ENABLED")
    assert (nightly["ScheduleExpression"], nightly["ScheduleExpressionTimezone"]) == (
        "cron(0 3 * * ? *)",
        "Europe/Berlin",
    )
    assert json.loads(nightly["Target"]["Input"]) == {
        "dataset": "s3://their-data/documents/new/",
        "output": "s3://their-vectors/out/nightly/",
        "task": "retrieval.passage",
        "dimensions": 256,
        "embedding_type": "binary",
    }
    assert json.loads(hourly["Target"]["Input"]) == {
        "dataset": "s3://${Data-foundation:ArtifactBucket}/batch/datasets/news/"
    }


def test_a_failed_run_rings() -> None:
    alarms = {each.properties["MetricName"]: each.properties for each in case("batch").resources("CloudWatch::Alarm")}
    pages = {name: each["AlarmDescription"].partition("#")[2] for name, each in alarms.items()}
    assert pages == {
        "ExecutionsFailed": "run-failed",
        "ExecutionsTimedOut": "run-ran-too-long",
        "FailedInvocations": "run-not-started",
    }
    for alarm in alarms.values():
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
        assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("Sum", "notBreaching")
    (machine,) = case("batch").resources("StepFunctions::StateMachine")
    assert alarms["ExecutionsFailed"]["Dimensions"] == [
        {"Name": "StateMachineArn", "Value": f"${{{machine.name}.Arn}}"}
    ]
    (rule,) = case("batch").resources("Events::Rule")
    assert alarms["FailedInvocations"]["Dimensions"] == [{"Name": "RuleName", "Value": f"${{{rule.name}}}"}]
    beside = [each for each in case("batch-beside").resources("CloudWatch::Alarm") if each.stack == "batch"]
    assert len(beside) == 2


def test_a_run_can_run_too_long() -> None:
    """Without a limit of the states' own, the alarm would ring after a year."""
    assert json.loads(read_definition())["TimeoutSeconds"] == 30 * 24 * 3600


def test_what_the_command_needs_is_told() -> None:
    told = {name: plain(each["Value"]) for name, each in case("batch").batch["Outputs"].items()}
    assert told.keys() == {Output.STATE_MACHINE, Output.BATCH_TOPIC, Output.BATCH_MODEL}
    assert not any("Export" in each for each in case("batch").batch["Outputs"].values())


def test_names_fit_what_the_services_take() -> None:
    """The longest names that a configuration allows."""
    service = botocore.session.Session().get_service_model("scheduler").shape_for("Name")
    longest = "a" * 30
    assert len(f"{longest}-{longest}") <= service.metadata["max"]
    assert (
        len(f"{longest}-batch")
        <= botocore.session.Session().get_service_model("stepfunctions").shape_for("Name").metadata["max"]
    )


def test_two_syntheses_of_the_code_are_the_same(tmp_path: Path) -> None:
    build_application(check_deployment(CASES["batch"]), release=RELEASE, outdir=tmp_path).synth()
    name = "Data-batch.template.json"
    assert (tmp_path / name).read_bytes() == (case("batch").folder / name).read_bytes()
