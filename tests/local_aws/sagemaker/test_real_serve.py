"""The project's own server behind the local AWS: deployed from S3, called by boto3."""

import json
from pathlib import Path

import pytest
from tests.support.sagemaker_bench import ROLE, Bench, until, variant

from jina_v3_infra.artifact import find_source_root, list_image_sources, list_members

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/jina-v3:abc"


@pytest.fixture(scope="module")
def served(bench: Bench, tiny_model: Path) -> str:
    """An endpoint of the real server over a stand-in of the model."""
    assert {"Dockerfile", "image/serve"} <= {member.name for member in list_image_sources()}
    bench.aws.images.register(URI, find_source_root())
    for member in list_members(tiny_model):
        bench.s3.upload_file(str(member.source), "models", f"jina/{member.name}")
    source = {"S3DataSource": {"S3Uri": "s3://models/jina/", "S3DataType": "S3Prefix", "CompressionType": "None"}}
    container = {
        "Image": URI,
        "ModelDataSource": source,
        "Environment": {"JINA_V3_DEVICE": "cpu", "JINA_V3_BIND_HOST": "0.0.0.0", "OMP_NUM_THREADS": "1"},
    }
    bench.sagemaker.create_model(
        ModelName="jina", ExecutionRoleArn=ROLE, PrimaryContainer=container, EnableNetworkIsolation=True
    )
    config = bench.create_config(variant("jina", ContainerStartupHealthCheckTimeoutInSeconds=120))
    bench.sagemaker.create_endpoint(EndpointName="served", EndpointConfigName=config)
    until(
        lambda: bench.sagemaker.describe_endpoint(EndpointName="served")["EndpointStatus"] in ("InService", "Failed"),
        limit_s=120,
    )
    bench.wait("served", "InService")
    return "served"


def test_it_embeds(bench: Bench, served: str) -> None:
    body = {"input": ["the sun rises", "die Sonne"], "task": "text-matching", "dimensions": 32}
    answer = bench.runtime.invoke_endpoint(
        EndpointName=served, Body=json.dumps(body).encode(), ContentType="application/json", CustomAttributes="trace-7"
    )
    rows = json.loads(answer["Body"].read())["data"]
    assert [len(row["embedding"]) for row in rows] == [32, 32]
    assert sum(value**2 for value in rows[0]["embedding"]) == pytest.approx(1, abs=1e-3)
    assert answer["CustomAttributes"].startswith("trace-7")


def test_its_errors_are_model_errors_with_its_own_words(bench: Bench, served: str) -> None:
    with pytest.raises(bench.runtime.exceptions.ModelError) as error:
        bench.runtime.invoke_endpoint(EndpointName=served, Body=b"{}", ContentType="application/json")
    response = error.value.response
    assert 400 <= response["OriginalStatusCode"] < 500
    assert "detail" in json.loads(response["OriginalMessage"])


def test_it_logs_to_cloudwatch_and_ends_in_good_order(bench: Bench, served: str) -> None:
    bench.delete(served)
    until(lambda: served not in str(bench.sagemaker.list_endpoints()))
    events = [json.loads(line.partition(": ")[2])["event"] for line in bench.logged(served) if "{" in line]
    assert {"listening", "ready"} <= set(events)
    until(lambda: not any(_is_of(path, bench) for path in Path("/proc").glob("[0-9]*/environ")))


def _is_of(path: Path, bench: Bench) -> bool:
    try:
        return str(bench.aws.settings.state_folder).encode() in path.read_bytes()
    except OSError:
        return False
