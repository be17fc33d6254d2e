"""Inference components: up, down to nothing, and up again."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import IMAGE, ROLE, Bench, until, variant

from local_aws.settings import ACCOUNT

NEEDS = {"MinMemoryRequiredInMb": 1024, "NumberOfAcceleratorDevicesRequired": 1.0}
NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
    "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)


@pytest.fixture(scope="module")
def shell(bench: Bench) -> str:
    """An endpoint without a model."""
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
    config = bench.create_config(variant(None, ManagedInstanceScaling=scaling), ExecutionRoleArn=ROLE)
    return bench.create_endpoint(config)


def create(bench: Bench, shell: str, name: str, model: str, copies: int = 1, **more: Any) -> dict[str, Any]:
    bench.sagemaker.create_inference_component(
        InferenceComponentName=name,
        EndpointName=shell,
        VariantName="main",
        Specification={"ModelName": model, "ComputeResourceRequirements": NEEDS, **more},
        RuntimeConfig={"CopyCount": copies},
    )
    return wait(bench, name)


def wait(bench: Bench, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        described: dict[str, Any] = bench.sagemaker.describe_inference_component(InferenceComponentName=name)
        return described if described["InferenceComponentStatus"] in ("InService", "Failed") else None

    found: dict[str, Any] = until(look)
    return found


def scale(bench: Bench, name: str, copies: int) -> dict[str, Any]:
    bench.sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": copies}
    )
    return wait(bench, name)


def test_a_component_scales_to_nothing_and_back(bench: Bench, shell: str) -> None:
    described = create(bench, shell, "scaled", bench.create_model(TAG="scaled"))
    assert described["InferenceComponentStatus"] == "InService"
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}
    assert described["Specification"]["ComputeResourceRequirements"] == NEEDS
    first = bench.ask(shell, InferenceComponentName="scaled")
    assert (first["tag"], first["variant"]) == ("scaled", "main")

    assert scale(bench, "scaled", 0)["RuntimeConfig"] == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}
    for _ in range(3):
        with pytest.raises(bench.runtime.exceptions.ValidationError) as error:
            bench.ask(shell, InferenceComponentName="scaled")
        assert error.value.response["Error"]["Message"] == NO_CAPACITY
    metrics = bench.connect("cloudwatch").list_metrics(
        Namespace="AWS/SageMaker", MetricName="NoCapacityInvocationFailures"
    )["Metrics"]
    assert metrics[0]["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "scaled"}]

    assert scale(bench, "scaled", 2)["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    second = bench.ask(shell, InferenceComponentName="scaled")
    assert (second["tag"], second["pid"] == first["pid"]) == ("scaled", False)


def test_a_component_can_begin_with_nothing(bench: Bench, shell: str) -> None:
    assert create(bench, shell, "asleep", bench.create_model(), copies=0)["InferenceComponentStatus"] == "InService"
    with pytest.raises(ClientError, match="has no capacity"):
        bench.ask(shell, InferenceComponentName="asleep")


def test_a_component_s_model_can_be_changed_and_a_bad_one_changes_nothing(bench: Bench, shell: str) -> None:
    create(bench, shell, "changing", bench.create_model(TAG="one"))
    bench.sagemaker.update_inference_component(
        InferenceComponentName="changing", Specification={"ModelName": bench.create_model(TAG="two")}
    )
    described = wait(bench, "changing")
    assert described["Specification"]["ComputeResourceRequirements"] == NEEDS
    assert bench.ask(shell, InferenceComponentName="changing")["tag"] == "two"
    good = described["Specification"]["ModelName"]
    bench.sagemaker.update_inference_component(
        InferenceComponentName="changing", Specification={"ModelName": bench.create_model(TINY_START="exit")}
    )
    described = wait(bench, "changing")
    assert "did not pass the ping health check" in described["FailureReason"]
    assert described["Specification"]["ModelName"] == good
    assert bench.ask(shell, InferenceComponentName="changing")["tag"] == "two"


def test_an_alarm_takes_a_rolling_update_back(bench: Bench, shell: str) -> None:
    cloudwatch = bench.connect("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="component-errors", MetricName="m", Namespace="n", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    rolling = {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            "WaitIntervalInSeconds": 3600,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "component-errors"}]},
    }
    create(bench, shell, "rolling", old := bench.create_model(TAG="old"))
    with bench.set_to(waiting=1):  # what is rolled out first is watched for an hour
        bench.sagemaker.update_inference_component(
            InferenceComponentName="rolling",
            Specification={"ModelName": bench.create_model(TAG="new")},
            DeploymentConfig=rolling,
        )
        until(lambda: bench.ask(shell, InferenceComponentName="rolling")["tag"] == "new")
        time.sleep(0.5)  # the alarm is there, and quiet
        described = bench.sagemaker.describe_inference_component(InferenceComponentName="rolling")
        assert described["InferenceComponentStatus"] == "Updating"
        cloudwatch.set_alarm_state(AlarmName="component-errors", StateValue="ALARM", StateReason="test")
        described = wait(bench, "rolling")
    assert described["FailureReason"].endswith("went into alarm: component-errors")
    assert (described["Specification"]["ModelName"], described["LastDeploymentConfig"]) == (old, rolling)
    assert {bench.ask(shell, InferenceComponentName="rolling")["tag"] for _ in range(10)} == {"old"}


def test_an_update_that_changes_only_copies_starts_nothing_and_its_log_is_the_component_s(
    bench: Bench, shell: str
) -> None:
    create(bench, shell, "counted", model := bench.create_model())
    first = bench.ask(shell, InferenceComponentName="counted")["pid"]
    bench.sagemaker.update_inference_component(
        InferenceComponentName="counted",
        Specification={"ModelName": model, "ComputeResourceRequirements": NEEDS},
        RuntimeConfig={"CopyCount": 3},
    )
    assert wait(bench, "counted")["RuntimeConfig"]["CurrentCopyCount"] == 3
    assert bench.ask(shell, InferenceComponentName="counted")["pid"] == first
    with pytest.raises(bench.runtime.exceptions.ModelError) as error:
        bench.ask(shell, {"status": 400}, InferenceComponentName="counted")
    group = "/aws/sagemaker/InferenceComponents/counted"
    assert error.value.response["LogStreamArn"].endswith(f":log-group:{group}")
    groups = bench.connect("logs").describe_log_groups
    until(lambda: groups(logGroupNamePrefix=group)["logGroups"])


def test_a_component_can_have_a_container_of_its_own(bench: Bench, shell: str) -> None:
    bench.sagemaker.create_inference_component(
        InferenceComponentName="own",
        EndpointName=shell,
        VariantName="main",
        Specification={
            "Container": {"Image": IMAGE, "Environment": {"TAG": "own"}},
            "ComputeResourceRequirements": NEEDS,
        },
        RuntimeConfig={"CopyCount": 1},
    )
    container = wait(bench, "own")["Specification"]["Container"]
    assert container["DeployedImage"]["SpecifiedImage"] == IMAGE
    said = bench.ask(shell, InferenceComponentName="own")
    assert (said["tag"], said["model"]) == ("own", {})


def test_a_component_that_does_not_start_has_failed(bench: Bench, shell: str) -> None:
    described = create(bench, shell, "broken", bench.create_model(TINY_START="exit"))
    assert described["InferenceComponentStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    bench.sagemaker.delete_inference_component(InferenceComponentName="broken")


def test_which_component_must_be_said(bench: Bench, shell: str, endpoint: str) -> None:
    with pytest.raises(bench.runtime.exceptions.ValidationError, match="Inference Component Name header is required"):
        bench.ask(shell)
    for name in (shell, endpoint):
        with pytest.raises(bench.runtime.exceptions.ValidationError, match="Inference Component ghost of endpoint"):
            bench.ask(name, InferenceComponentName="ghost")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"EndpointName": "ghost"}, "Could not find endpoint"),
        ({"VariantName": "other"}, 'Could not find variant "other"'),
        ({"Specification": {"ModelName": "ghost", "ComputeResourceRequirements": NEEDS}}, "Could not find model"),
        ({"Specification": {"ComputeResourceRequirements": NEEDS}}, "either a ModelName or a Container"),
        ({"Specification": {"ModelName": "ghost"}}, "ComputeResourceRequirements is required"),
        ({"RuntimeConfig": None}, "RuntimeConfig is required"),
        ({"Specification": {"BaseInferenceComponentName": "scaled"}}, "does not model BaseInferenceComponentName"),
    ],
)
def test_a_component_that_can_not_be_is_refused(
    bench: Bench, shell: str, changes: dict[str, Any], message: str
) -> None:
    request = {
        "InferenceComponentName": "wrong",
        "EndpointName": shell,
        "VariantName": "main",
        "Specification": {"ModelName": bench.create_model(), "ComputeResourceRequirements": NEEDS},
        "RuntimeConfig": {"CopyCount": 1},
        **changes,
    }
    with pytest.raises(ClientError, match=message):
        bench.sagemaker.create_inference_component(**{name: value for name, value in request.items() if value})


def test_components_go_before_their_endpoint(bench: Bench, endpoint: str) -> None:
    shell = bench.create_endpoint(bench.create_config(variant(None), ExecutionRoleArn=ROLE))
    create(bench, shell, "last", bench.create_model())
    names = bench.sagemaker.list_inference_components(EndpointNameEquals=shell)["InferenceComponents"]
    assert [row["InferenceComponentName"] for row in names] == ["last"]
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:inference-component/last"
    bench.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    with pytest.raises(ClientError, match="delete its inference components first"):
        bench.delete(shell)
    bench.sagemaker.delete_inference_component(InferenceComponentName="last")
    until(lambda: not bench.sagemaker.list_inference_components(EndpointNameEquals=shell)["InferenceComponents"])
    with pytest.raises(ClientError, match=f'Could not find inference component "{arn}"'):
        bench.sagemaker.describe_inference_component(InferenceComponentName="last")
    assert not list(bench.aws.settings.state_folder.glob(f"endpoints/*/{shell}/components/*/*/model"))
    bench.delete(shell)
