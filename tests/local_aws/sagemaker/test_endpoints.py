"""Endpoints that really run: what their containers get, how they fail, are replaced and end."""

import io
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import IMAGE, REGION, ROLE, TINY_IMAGE, Bench, until, variant

from local_aws.sagemaker.container import STOP_LIMIT_S
from local_aws.server import LocalAws
from local_aws.settings import ACCOUNT, Settings

PING = (
    "The primary container for production variant main did not pass the ping health check. Please check CloudWatch "
    "logs for this endpoint."
)
CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a "
    "different ML instance type or after some time."
)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_endpoint_comes_up_answers_and_goes_without_a_trace_but_its_log(bench: Bench, tmp_path: Path) -> None:
    data = bench.put_model("deep", {"a/b/c.txt": "deep", "code/x.py": "pass"})
    ready = tmp_path / "ready"
    config = bench.simple_config(data, TAG="t", TINY_READY_FILE=str(ready))
    arn = bench.sagemaker.create_endpoint(
        EndpointName="Whole", EndpointConfigName=config, Tags=[{"Key": "k", "Value": "v"}]
    )["EndpointArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/whole"
    creating = bench.sagemaker.describe_endpoint(EndpointName="Whole")
    assert creating["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        bench.sagemaker.delete_endpoint(EndpointName="Whole")
    ready.touch()
    described = bench.wait("Whole", "InService")
    assert "FailureReason" not in described
    assert "PendingDeploymentSummary" not in described
    (row,) = described["ProductionVariants"]
    assert row["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert {name: row[name] for name in row if name != "DeployedImages"} == {
        "VariantName": "main",
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 1,
    }
    assert [e["EndpointStatus"] for e in bench.sagemaker.list_endpoints(NameContains="whole")["Endpoints"]] == [
        "InService"
    ]
    said = bench.ask("Whole")
    assert (said["tag"], said["model"]) == ("t", {"a/b/c.txt": "deep", "code/x.py": "pass"})
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        bench.sagemaker.create_endpoint(EndpointName="Whole", EndpointConfigName=config)
    folder = bench.aws.settings.state_folder / "endpoints" / REGION / "Whole"
    assert (folder / "1" / "main" / "model" / "a" / "b" / "c.txt").stat().st_mode & 0o222 == 0

    bench.delete("Whole")
    until(lambda: "Whole" not in str(bench.sagemaker.list_endpoints(MaxResults=100)))
    with pytest.raises(ClientError, match=r'Could not find endpoint "arn:.*:endpoint/whole"'):
        bench.sagemaker.describe_endpoint(EndpointName="Whole")
    assert not is_alive(said["pid"])
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["container.log"]
    assert any("tiny container listens" in line for line in bench.logged("Whole"))


def test_the_process_gets_what_was_deployed_and_no_credentials(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("JINA_V3_MODEL", "/elsewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    name = bench.create_endpoint(bench.simple_config(SAGEMAKER_BASE_DIR="/nowhere", JINA_V3_BIND_HOST="0.0.0.0"))
    environment = bench.ask(name)["environment"]
    bench.delete(name)
    assert not [key for key in environment if key.startswith("AWS_")]
    assert "JINA_V3_MODEL" not in environment
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["JINA_V3_BIND_HOST"] == "127.0.0.1"
    assert environment["PYTHONPATH"] == str(TINY_IMAGE)
    assert environment["SAGEMAKER_BASE_DIR"].endswith(f"{name}/1/main")


def test_two_regions_know_nothing_of_each_other(bench: Bench) -> None:
    name = bench.create_endpoint(bench.simple_config(TAG="us"))
    sagemaker = bench.connect("sagemaker", "eu-west-1")
    runtime = bench.connect("sagemaker-runtime", "eu-west-1")
    sagemaker.create_model(
        ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE, "Environment": {"TAG": "eu"}}
    )
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant("m")])
    arn = sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="c")["EndpointArn"]
    assert arn == f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:endpoint/{name}"
    until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService")
    answer = runtime.invoke_endpoint(EndpointName=name, Body=b"{}")["Body"].read()
    assert (b'"tag": "eu"' in answer, bench.ask(name)["tag"]) == (True, "us")
    sagemaker.delete_endpoint(EndpointName=name)
    until(lambda: sagemaker.list_endpoints()["Endpoints"] == [])
    assert bench.ask(name)["tag"] == "us"
    bench.delete(name)


def archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def create_model_of(bench: Bench, name: str, container: dict[str, Any]) -> str:
    bench.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE, **container})
    return name


def test_an_archive_is_unpacked(bench: Bench) -> None:
    bench.s3.put_object(Bucket="models", Key="packed.tar.gz", Body=archive({"x/y.txt": b"packed"}))
    model = create_model_of(bench, "packed", {"ModelDataUrl": "s3://models/packed.tar.gz"})
    name = bench.create_endpoint(bench.create_config(variant(model)))
    assert bench.ask(name)["model"] == {"x/y.txt": "packed"}
    bench.delete(name)


@pytest.mark.parametrize("content", [archive({"../outside.txt": b"x"}), b"no archive"], ids=["outside", "broken"])
def test_an_archive_that_can_not_be_unpacked_fails_the_endpoint(bench: Bench, content: bytes) -> None:
    key = f"bad-{len(content)}.tar.gz"
    bench.s3.put_object(Bucket="models", Key=key, Body=content)
    model = create_model_of(bench, f"bad-{len(content)}", {"ModelDataUrl": f"s3://models/{key}"})
    name = bench.create_endpoint(bench.create_config(variant(model)), status="Failed")
    reason = bench.sagemaker.describe_endpoint(EndpointName=name)["FailureReason"]
    assert reason.startswith(f"Failed to download model data for production variant main: s3://models/{key} is no tar")
    assert not list(bench.aws.settings.state_folder.rglob("outside.txt"))


def test_an_image_and_data_that_have_gone_fail_the_endpoint(bench: Bench) -> None:
    bench.aws.images.register("gone:1", TINY_IMAGE)
    source = {"S3Uri": bench.put_model("gone", {"x": "y"}), "S3DataType": "S3Prefix", "CompressionType": "None"}
    data = {"ModelDataSource": {"S3DataSource": source}}
    image_gone = create_model_of(bench, "image-gone", {"Image": "gone:1"})
    data_gone = create_model_of(bench, "data-gone", data)
    bench.aws.images.remove("gone:1")
    bench.s3.delete_object(Bucket="models", Key="gone/x")
    for model, reason in ((image_gone, "The image gone:1 of production"), (data_gone, "Failed to download model data")):
        name = bench.create_endpoint(bench.create_config(variant(model)), status="Failed")
        described = bench.sagemaker.describe_endpoint(EndpointName=name)
        assert described["FailureReason"].startswith(reason)
        assert "ProductionVariants" not in described
        bench.delete(name)


def test_a_container_that_ends_while_it_starts_fails_the_endpoint_and_its_log_is_kept(bench: Bench) -> None:
    name = bench.create_endpoint(bench.simple_config(TINY_START="exit"), status="Failed")
    assert bench.sagemaker.describe_endpoint(EndpointName=name)["FailureReason"] == PING
    (line,) = bench.logged(name)
    assert line.startswith("main/i-")
    assert line.endswith(": this container does not like its environment")
    with pytest.raises(ClientError, match=f"Endpoint {name} of account {ACCOUNT} not found."):
        bench.ask(name)
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        bench.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=bench.simple_config())
    bench.delete(name)


def test_a_container_that_is_never_healthy_fails_the_endpoint_in_time(bench: Bench, tmp_path: Path) -> None:
    from local_aws.sagemaker.container import Container, NotHealthyError, Program
    from local_aws.sagemaker.journal import Journal

    (tmp_path / "base").mkdir()
    program = Program(
        image=TINY_IMAGE, base=tmp_path / "base", environment={"TINY_START": "never"}, startup_limit_s=0.5
    )
    container = Container(program, Journal(tmp_path / "log", bench.aws.client("logs", REGION), "/never"), "main")
    started = time.monotonic()
    with pytest.raises(NotHealthyError, match="no answer 200 to /ping in 0 s"):
        container.start()
    assert 0.5 <= time.monotonic() - started < 60
    assert container.pid is not None
    assert not is_alive(container.pid)


def test_one_variant_that_fails_takes_the_others_with_it(bench: Bench) -> None:
    config = bench.create_config(
        variant(bench.create_model(), "good"), variant(bench.create_model(TINY_START="exit"), "main")
    )
    name = bench.create_endpoint(config, status="Failed")
    assert bench.sagemaker.describe_endpoint(EndpointName=name)["FailureReason"] == PING
    assert not list(bench.aws.settings.state_folder.glob(f"endpoints/*/{name}/*/*/model"))


def pid_of(bench: Bench, name: str) -> Any:
    """Return the process that answers, None while there is none."""
    try:
        return bench.ask(name)["pid"]
    except (bench.runtime.exceptions.ServiceUnavailable, bench.runtime.exceptions.ModelError):
        return None


def test_a_container_that_dies_is_replaced(bench: Bench) -> None:
    name = bench.create_endpoint(bench.simple_config())
    first = bench.ask(name)["pid"]
    with pytest.raises(bench.runtime.exceptions.ModelError, match="was closed before it had answered"):
        bench.ask(name, {"die": True})
    assert until(lambda: pid_of(bench, name)) != first
    assert bench.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    until(lambda: len({line.split(":")[0] for line in bench.logged(name)}) == 2)  # a stream an instance
    bench.delete(name)


def test_a_container_that_fails_its_pings_is_replaced(bench: Bench) -> None:
    name = bench.create_endpoint(bench.simple_config())
    first = bench.ask(name, {"sick": True})["pid"]
    until(lambda: not is_alive(first))  # nobody else would end it
    assert until(lambda: pid_of(bench, name)) != first
    bench.delete(name)


def test_instances_share_a_process_and_counts_and_weights_can_be_changed(bench: Bench) -> None:
    name = bench.create_endpoint(bench.create_config(variant(bench.create_model(), InitialInstanceCount=3)))
    bench.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 5, "DesiredWeight": 0.5}],
    )
    (row,) = bench.wait(name, "InService")["ProductionVariants"]
    assert (row["CurrentInstanceCount"], row["CurrentWeight"]) == (5, 0.5)
    with pytest.raises(ClientError, match='Could not find variant "other"'):
        bench.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "other", "DesiredInstanceCount": 5}]
        )
    bench.delete(name)


def test_capacity_that_is_missing_fails_the_endpoint_or_goes_to_the_next_pool(bench: Bench) -> None:
    model = bench.create_model()
    rule = bench.aws.faults.add(kind="capacity_missing", instance_types=["ml.g6.xlarge"])
    name = bench.create_endpoint(bench.create_config(variant(model)), status="Failed")
    assert bench.sagemaker.describe_endpoint(EndpointName=name)["FailureReason"] == CAPACITY
    bench.delete(name)
    pooled = {
        "VariantName": "main",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstancePools": [
            {"InstanceType": "ml.g5.xlarge", "Priority": 2, "ModelNameOverride": bench.create_model(TAG="g5")},
            {"InstanceType": "ml.g6.xlarge", "Priority": 1},
        ],
    }
    name = bench.create_endpoint(bench.create_config(pooled))
    (row,) = bench.sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
    assert row["InstancePools"] == [{"InstanceType": "ml.g5.xlarge", "CurrentInstanceCount": 1}]
    assert bench.ask(name)["tag"] == "g5"
    bench.aws.faults.remove(rule)
    bench.delete(name)


def test_stopping_the_aws_ends_every_container_even_one_that_starts(tmp_path: Path) -> None:
    with LocalAws(Settings(state_folder=tmp_path)) as aws:
        bench = Bench(aws)
        name = bench.create_endpoint(bench.simple_config())
        pid = bench.ask(name)["pid"]
        bench.sagemaker.create_endpoint(
            EndpointName="starting", EndpointConfigName=bench.simple_config(TINY_START="never")
        )
        until(lambda: list(tmp_path.glob("endpoints/*/starting/1/main/container.log")))
        started = time.monotonic()
    assert time.monotonic() - started < STOP_LIMIT_S  # none has to be killed
    assert not is_alive(pid)
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    mine = [path for path in Path("/proc").glob("[0-9]*/environ") if str(tmp_path).encode() in _read(path)]
    assert mine == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
