"""A client of a deployment has what the deployment has."""

import asyncio
from dataclasses import replace

import pytest

from jina_v3_client import AsyncEmbeddingClient, EmbeddingClient
from jina_v3_client._aws.deployment import Deployment
from jina_v3_client._routes.through_s3 import AsynchronousEndpoint
from jina_v3_client.errors import ConfigurationError, EndpointNotFoundError
from jina_v3_client.routing import Endpoint
from jina_v3_client.testing import InMemoryBatchClient

PLAIN = Deployment(name="texts", region="eu-west-1", bucket="data", endpoint="texts", inference_component="part")
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:texts-batch"
WHOLE = Deployment(
    name="texts",
    region="eu-west-1",
    bucket="data",
    endpoint="texts",
    input_prefix="s3://data/calls/inputs/",
    state_machine=MACHINE,
)


def threads(name, **options):
    return EmbeddingClient.from_deployment(name, **options)


def tasks(name, **options):
    return asyncio.run(AsyncEmbeddingClient.from_deployment(name, **options))


@pytest.fixture(params=[threads, tasks])
def make(request):
    return request.param


@pytest.fixture
def deployments(monkeypatch):
    """What is deployed, by name; ``asked`` are the regions that were looked in."""
    there, asked = {"plain": PLAIN, "whole": WHOLE}, []

    def find(name, region=None, access=None):
        asked.append(region or access.region_of())
        if name not in there:
            raise EndpointNotFoundError(f"there is no deployment {name!r}")
        return there[name]

    monkeypatch.setattr(Deployment, "find", find)
    return asked


def test_its_endpoint_is_asked_in_its_region(deployments, make):
    client = make("plain", region="eu-west-1", dimensions=64)
    assert client.routing.policy.targets == (Endpoint("texts", region="eu-west-1", inference_component="part"),)
    assert client.defaults.dimensions == 64
    assert client._available == {"real-time"}
    with pytest.raises(ConfigurationError, match=r"this client has none; .*\[batch\]"):
        _ = client.batch


def test_its_queue_and_its_batch_are_found(deployments, make):
    client = make("whole", region="eu-west-1")
    assert client._available == {"asynchronous", "batch"}
    through, _ = client._way("asynchronous")
    assert through.endpoint == AsynchronousEndpoint(name="texts", bucket="data", prefix="calls/", region="eu-west-1")
    assert through.endpoint.inputs == "calls/inputs/"
    assert client.batch._machine == MACHINE
    assert client.batch is client.batch


def test_what_is_given_wins(deployments, make):
    batch, later = InMemoryBatchClient(), AsynchronousEndpoint(name="later", bucket="others")
    client = make("whole", region="eu-west-1", batch=batch, asynchronous=later)
    assert client.batch is batch
    assert client._way("asynchronous")[0].endpoint == replace(later, region="eu-west-1")


def test_one_that_is_not_there_is_an_error(deployments, make):
    with pytest.raises(EndpointNotFoundError, match="there is no deployment 'other'"):
        make("other", region="eu-west-1")


def test_the_queue_of_a_deployment_is_looked_for_when_it_is_needed(deployments):
    client = EmbeddingClient("texts", region="eu-west-1", asynchronous="whole")
    assert deployments == []
    assert client._way("asynchronous")[0].endpoint.name == "texts"
    assert client._way("asynchronous")[0].endpoint.bucket == "data"
    assert deployments == ["eu-west-1"]
    with pytest.raises(ConfigurationError, match="has no asynchronous endpoint"):
        EmbeddingClient("texts", region="eu-west-1", asynchronous="plain")._way("asynchronous")
