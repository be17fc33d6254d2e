"""The client and an asynchronous endpoint of the local AWS, behind which the project's own server runs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.both_clients import aiter_of
from tests.support.sagemaker_bench import REGION, ROLE, Bench, variant

from jina_v3_client import AsynchronousEndpoint, EmbeddingClient, InvalidInputError, Settings
from jina_v3_client._clients.aio import AsyncEmbeddingClient
from jina_v3_infra.artifact import find_source_root, list_members
from local_aws.server import LocalAws
from local_aws.settings import ACCESS_KEY, SECRET_KEY
from local_aws.settings import Settings as LocalSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/jina-v3:abc"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Bench]:
    """A local AWS with the endpoints ``now`` and ``later``, of one model."""
    with LocalAws(LocalSettings(state_folder=tmp_path_factory.mktemp("aws"), waiting=0.001)) as aws:
        bench = Bench(aws)
        aws.images.register(URI, find_source_root())
        for member in list_members(tiny_model):
            bench.s3.upload_file(str(member.source), "models", f"jina/{member.name}")
        source = {"S3DataSource": {"S3Uri": "s3://models/jina/", "S3DataType": "S3Prefix", "CompressionType": "None"}}
        environment = {"JINA_V3_DEVICE": "cpu", "JINA_V3_BIND_HOST": "0.0.0.0", "OMP_NUM_THREADS": "1"}
        container = {"Image": URI, "ModelDataSource": source, "Environment": environment}
        bench.sagemaker.create_model(ModelName="jina", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        outputs = {"S3OutputPath": "s3://models/calls/outputs/", "S3FailurePath": "s3://models/calls/failures/"}
        machine = variant("jina", ContainerStartupHealthCheckTimeoutInSeconds=120)
        for name, more in (("now", {}), ("later", {"AsyncInferenceConfig": {"OutputConfig": outputs}})):
            config = bench.create_config(machine, **more)
            bench.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        for name in ("now", "later"):
            bench.wait(name, "InService")
        yield bench


@pytest.fixture(autouse=True)
def environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", bench.aws.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


LATER = AsynchronousEndpoint(name="later", bucket="models", prefix="calls/")
TEXTS = [f"the sun rises over harbour {number}" for number in range(300)]


def kept(bench: Bench) -> list[str]:
    return [one["Key"] for one in bench.s3.list_objects_v2(Bucket="models", Prefix="calls/").get("Contents", ())]


def test_the_queue_gives_what_the_real_time_endpoint_gives(bench: Bench) -> None:
    with EmbeddingClient("now", region=REGION, dimensions=32, asynchronous=LATER) as client:
        waited = client.embed(TEXTS, task="separation", route="asynchronous", deadline_s=120)
        called = client.embed(TEXTS, task="separation")
    np.testing.assert_allclose(waited.vectors, called.vectors, atol=1e-5)
    np.testing.assert_array_equal(waited.token_counts, called.token_counts)
    assert kept(bench) == []


def test_a_failure_names_the_text(bench: Bench) -> None:
    with (
        EmbeddingClient("now", region=REGION, asynchronous=LATER) as client,
        pytest.raises(InvalidInputError) as caught,
    ):
        client.embed(["sunrise", "sun " * 9000], route="asynchronous", deadline_s=120)
    assert (caught.value.code, caught.value.index) == ("text_too_long", 1)
    assert kept(bench) == []


async def _embed() -> np.ndarray:
    async with AsyncEmbeddingClient("now", region=REGION, dimensions=32, asynchronous=LATER) as client:
        waited = await client.embed(aiter_of(TEXTS), task="separation", route="asynchronous", deadline_s=120)
        called = await client.embed(TEXTS, task="separation")
    np.testing.assert_allclose(waited.vectors, called.vectors, atol=1e-5)
    return waited.vectors


def test_tasks_wait_in_the_queue_alike(bench: Bench) -> None:
    import asyncio

    assert asyncio.run(_embed()).shape == (300, 32)
    assert kept(bench) == []


def test_late_chunking_and_bad_texts_pass_the_real_server(bench: Bench) -> None:
    with EmbeddingClient("now", region=REGION, dimensions=32, settings=Settings()) as client:
        document = client.embed_document(["The sun rises.", "Boats return."])
        alone = client.embed(["The sun rises.", "Boats return."])
        assert np.abs(document.vectors - alone.vectors).max() > 1e-3  # each chunk knows the other
        several = list(client.embed_documents([["The sun rises.", "Boats return."], ["Fish."]]))
        np.testing.assert_allclose(several[0].vectors, document.vectors, atol=1e-5)
        result = client.embed(["sunrise", "", "sun " * 9000], errors="return")
        assert {index: told.code for index, told in result.errors.items()} == {1: "empty_text", 2: "text_too_long"}
