"""Texts through an asynchronous endpoint: the same vectors and errors as at once, and nothing is left in S3."""

import asyncio
import logging
from collections import Counter

import numpy as np
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.support.fake_queue import FakeQueue, NoSuchKeyError
from tests.support.sagemaker_bench import until

from jina_v3_client import (
    AccessError,
    AsyncEmbeddingClient,
    AsynchronousEndpoint,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    EmbeddingClient,
    EndpointNotFoundError,
    InvalidInputError,
)
from jina_v3_client._routes import through_s3
from jina_v3_client.testing import InMemoryClient

LATER = AsynchronousEndpoint(name="later", bucket="later-data")
TEXTS = [f"boat {number}" for number in range(1300)]  # three requests
LONG = "tide " * 30


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(through_s3, "_FIRST_LOOK_S", 0.0)


def refused(code, message="no"):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Some")


def failing(operation, error, times=1):
    """Raise an error at the first calls of an operation."""
    seen = Counter()

    def before(name, _):
        seen[name] += 1
        if name == operation and seen[name] <= times:
            raise error

    return FakeQueue(before)


def threaded(queue, target="later"):
    client = EmbeddingClient(target, asynchronous=LATER, dimensions=64)
    client._access = queue
    return client


def tasked(queue, target="later"):
    client = AsyncEmbeddingClient(target, asynchronous=LATER, dimensions=64)
    client._access = queue
    return client


class Both:
    """One call of either client, in a loop of its own where it needs one."""

    def __init__(self, make):
        self._make = make

    def embed(self, queue, texts, **options):
        client = self._make(queue)
        if isinstance(client, EmbeddingClient):
            return client.embed(texts, route="asynchronous", **options)
        return asyncio.run(client.embed(texts, route="asynchronous", **options))

    def embed_iter(self, queue, texts, **options):
        client = self._make(queue)
        if isinstance(client, EmbeddingClient):
            return list(client.embed_iter(texts, **options))

        async def gather():
            return [one async for one in client.embed_iter(texts, **options)]

        return asyncio.run(gather())


@pytest.fixture(params=[threaded, tasked])
def both(request):
    return Both(request.param)


def test_vectors_are_those_of_a_call_at_once_and_s3_is_as_before(both):
    queue = FakeQueue()
    found = both.embed(queue, TEXTS)
    np.testing.assert_array_equal(found, InMemoryClient(dimensions=64).embed(TEXTS))
    assert found.usage.requests == len(queue.invoked) == 3
    assert queue.objects == {}


@pytest.mark.parametrize("route", ["auto", "asynchronous"])
def test_texts_can_be_streamed_through_the_queue(both, route):
    queue = FakeQueue()
    found = both.embed_iter(queue, (text for text in TEXTS), route=route)
    assert [one.index for one in found] == list(range(len(TEXTS)))
    np.testing.assert_array_equal([one.vector for one in found], InMemoryClient(dimensions=64).embed(TEXTS))
    assert queue.objects == {}


def test_a_stream_is_no_batch_run(both):
    with pytest.raises(InvalidInputError, match=r"client\.batch\.submit"):
        both.embed_iter(FakeQueue(), TEXTS, route="batch")


def test_a_stream_of_an_asynchronous_endpoint_says_which_route_it_has(both):
    with pytest.raises(ConfigurationError, match="route='asynchronous'"):
        both.embed_iter(FakeQueue(), TEXTS)


def test_a_bad_text_has_its_index_and_its_failure_does_not_stay_in_s3(both):
    queue = FakeQueue()
    with pytest.raises(InvalidInputError) as raised:
        both.embed(queue, [*TEXTS[:700], LONG])
    assert (raised.value.code, raised.value.index) == ("text_too_long", 700)
    assert LONG not in str(raised.value)
    assert both.embed(queue, ["sun", LONG], errors="return").errors[1].code == "text_too_long"
    assert queue.objects == {}


@pytest.mark.parametrize(
    ("operation", "error", "kind", "words"),
    [
        ("put", refused("AccessDenied"), AccessError, "may not do this"),
        ("put", refused("NoSuchBucket"), ConfigurationError, "no such bucket"),
        ("get", refused("AccessDenied"), AccessError, r"s3:GetObject .*s3:ListBucket"),
        ("invoke", refused("ValidationError", "Endpoint later not found."), EndpointNotFoundError, "no such endpoint"),
        ("invoke", EndpointConnectionError(endpoint_url="https://x"), ConnectionFailedError, "could not be reached"),
    ],
)
def test_what_the_services_refuse_is_told_by_type_and_the_input_is_taken_back(both, operation, error, kind, words):
    queue = failing(operation, error)
    with pytest.raises(kind, match=words):
        both.embed(queue, ["sun"])
    assert {place for place in queue.objects if "/inputs/" in place} == set()


def test_a_bad_minute_of_s3_ends_no_waiting_and_a_worse_one_does(both):
    gone = EndpointConnectionError(endpoint_url="https://x")
    assert both.embed(failing("get", gone, times=4), ["sun"]).shape == (1, 64)
    with pytest.raises(ConnectionFailedError):
        both.embed(failing("get", gone, times=5), ["sun"])


def test_what_cannot_be_deleted_is_no_failure_of_the_call(both, caplog):
    queue = failing("delete", refused("AccessDenied"), times=99)
    with caplog.at_level(logging.WARNING):
        assert both.embed(queue, ["sun"]).shape == (1, 64)
    assert "stays in S3" in caplog.text


def test_a_deadline_bounds_the_waiting_and_what_the_service_is_given(both):
    queue = failing("get", NoSuchKeyError(), times=10**9)
    with pytest.raises(DeadlineError):
        both.embed(queue, ["sun"], deadline_s=0.2)
    (asked,) = queue.invoked
    assert (asked["RequestTTLSeconds"], asked["InvocationTimeoutSeconds"]) == (60, 1)
    assert queue.objects == {}


def test_leaving_a_stream_takes_back_what_was_put():
    queue = FakeQueue()
    stream = threaded(queue).embed_iter(TEXTS * 3, route="auto")
    next(stream)
    stream.close()
    until(lambda: not queue.objects)


def test_a_task_that_is_cancelled_takes_back_what_it_put():
    queue = FakeQueue()

    async def run():
        task = asyncio.ensure_future(tasked(queue).embed(TEXTS * 3, route="asynchronous"))
        while not queue.objects:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert {place for place in queue.objects if "/inputs/" in place} == set()
