"""Texts through an asynchronous endpoint's queue, and through batch runs: the same vectors and errors, nothing left."""

import asyncio
import json
import logging
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from tests.client.test_clients import VECTORS, numbered, quick
from tests.support.asynchronous_aws import AsynchronousAws, failure_of
from tests.support.both_clients import Tasked, Threaded

from jina_v3_client._clients import call as call_module
from jina_v3_client._clients import client as client_module
from jina_v3_client._routes import through_s3
from jina_v3_client._routes.through_s3 import AsynchronousEndpoint
from jina_v3_client.errors import (
    AccessError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    EndpointNotFoundError,
    InvalidInputError,
    JinaClientError,
    ModelError,
    OverloadedError,
)
from jina_v3_client.routing import Endpoint
from jina_v3_client.settings import RequestLimits, RouteSettings, Settings

LATER = AsynchronousEndpoint(name="later", bucket="data", region="eu-west-1")


@pytest.fixture(params=[Threaded, Tasked], ids=["threads", "tasks"])
def kind(request):
    return request.param


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Looks that do not wait."""
    monkeypatch.setattr(through_s3, "_FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(through_s3, "_LONGEST_LOOK_S", 0.0)


def client_of(kind, aws, asynchronous=LATER, texts=512, **options):
    """A client with an asynchronous endpoint beside the real-time one."""
    made = kind(quick(texts=texts), **options)
    made.client._asynchronous = asynchronous
    made.client._access.client = aws.client
    return made


@pytest.fixture
def small_requests(monkeypatch):
    """Seven texts to a request through S3."""
    monkeypatch.setattr(client_module, "THROUGH_S3", RequestLimits(texts=7))


def test_texts_go_through_s3_and_nothing_stays_there(kind, small_requests):
    aws = AsynchronousAws(looks=3)
    client = client_of(kind, aws)
    result = client.embed(iter(numbered(60)), dimensions=8, route="asynchronous")
    np.testing.assert_array_equal(result.vectors, VECTORS)
    assert (result.route.route, result.usage.requests) == ("asynchronous", 9)
    assert client.transport.sent == []
    assert aws.objects == {}
    assert all(call["InputLocation"].startswith("s3://data/asynchronous/inputs/") for call in aws.calls)
    assert len({call["InputLocation"] for call in aws.calls}) == 9
    assert {call["EndpointName"] for call in aws.calls} == {"later"}


def test_a_stream_goes_through_s3_in_order(kind, small_requests):
    aws = AsynchronousAws()
    later = client_of(kind, aws, target=Endpoint("later", region="eu-west-1"))
    for route in ("asynchronous", "auto"):
        got = later.embed_iter(iter(numbered(60)), dimensions=8, route=route)
        assert [one.index for one in got] == list(range(60))
        np.testing.assert_array_equal(np.array([one.vector for one in got]), VECTORS)
    assert len(aws.calls) == 18
    with pytest.raises(InvalidInputError, match=r"client\.batch\.submit"):
        later.embed_iter(numbered(3), route="batch")


def test_bad_texts_cost_only_themselves_there_too(kind):
    texts = ["sunrise", "", "one two three four five six seven eight nine ten", "sunset"]
    result = client_of(kind, AsynchronousAws()).embed(texts, route="asynchronous", errors="return")
    assert {index: told.code for index, told in result.errors.items()} == {1: "empty_text", 2: "text_too_long"}


def test_a_failure_is_the_error_that_a_real_time_call_has(kind, small_requests):
    texts = [*numbered(20), "one two three four five six seven eight nine ten"]
    aws = AsynchronousAws()
    with pytest.raises(InvalidInputError) as caught:
        client_of(kind, aws).embed(texts, route="asynchronous")
    assert (caught.value.code, caught.value.index) == ("text_too_long", 20)
    assert not [place for place in aws.objects if "/inputs/" in place]


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (failure_of("internal"), ModelError),
        (failure_of("overloaded"), OverloadedError),
        (b"The request was not processed within 60 seconds.", ModelError),
    ],
)
def test_other_failures_are_typed(kind, failure, error):
    aws = AsynchronousAws(failure=lambda body: failure)
    with pytest.raises(error):
        client_of(kind, aws).embed("sunrise", route="asynchronous")
    assert aws.objects == {}


def test_a_request_that_is_too_much_goes_in_halves(kind):
    def at_most_nine(body):
        return failure_of("too_many_texts") if len(json.loads(body)["data"]) > 9 else None

    client = client_of(kind, AsynchronousAws(failure=at_most_nine))
    result = client.embed(numbered(60), dimensions=8, route="asynchronous")
    np.testing.assert_array_equal(result.vectors, VECTORS)


def test_a_document_too_large_for_a_call_goes_through_s3(kind):
    aws = AsynchronousAws()
    client = client_of(kind, aws)
    client.client.settings = Settings(limits=RequestLimits(request_bytes=1000))
    chunks = ["sunrise " * 100, "sunset " * 100]
    with pytest.raises(InvalidInputError):
        client.embed(chunks, late_chunking=True, dimensions=8)
    assert client.embed(chunks, late_chunking=True, dimensions=8, route="asynchronous").shape == (2, 8)


def test_the_deadline_ends_the_waiting_and_takes_the_input_away(kind, monkeypatch):
    aws, look, passed_s = AsynchronousAws(looks=10**9), AsynchronousAws.get_object, [0.0]

    def late(**place):
        passed_s[0] = 1.0
        return look(aws, **place)

    monkeypatch.setattr(aws, "get_object", late)
    for module in (call_module, through_s3):  # time stands still until the first look, by which it has run out
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: passed_s[0]))
    with pytest.raises(DeadlineError, match="before the asynchronous endpoint had answered"):
        client_of(kind, aws).embed("sunrise", route="asynchronous", deadline_s=0.5)
    assert aws.objects == {}
    (call,) = aws.calls
    assert (call["RequestTTLSeconds"], call["InvocationTimeoutSeconds"]) == (60, 1)


@pytest.mark.parametrize(
    ("operation", "code", "error", "words"),
    [
        ("InvokeEndpointAsync", "ValidationError", EndpointNotFoundError, "no such endpoint"),
        ("InvokeEndpointAsync", "AccessDeniedException", AccessError, "InvokeEndpointAsync"),
        ("InvokeEndpointAsync", "ThrottlingException", OverloadedError, "throttles"),
        ("PutObject", "NoSuchBucket", ConfigurationError, "no such bucket"),
        ("GetObject", "AccessDenied", AccessError, "s3:ListBucket"),
    ],
)
def test_what_aws_refuses_is_a_typed_error(kind, operation, code, error, words):
    aws = AsynchronousAws()
    aws.refused[operation] = code
    with pytest.raises(error, match=words):
        client_of(kind, aws).embed("sunrise", route="asynchronous")
    assert not [place for place in aws.objects if "/inputs/" in place]


def test_some_looks_may_fail_and_too_many_end_the_call(kind, monkeypatch):
    aws = AsynchronousAws()
    looks = iter(range(10**6))
    look = aws.get_object

    def sometimes(**place):
        if next(looks) < 4:
            raise ConnectionFailedError("S3 could not be reached")
        return look(**place)

    monkeypatch.setattr(aws, "get_object", sometimes)
    assert client_of(kind, aws).embed("sunrise", route="asynchronous").shape == (1, 1024)
    aws.refused["GetObject"] = "SlowDown"
    with pytest.raises(OverloadedError):
        client_of(kind, aws).embed("sunrise", route="asynchronous")


def test_what_cannot_be_deleted_is_no_failure_but_is_told(kind, caplog):
    aws = AsynchronousAws()
    aws.refused["DeleteObject"] = "AccessDenied"
    with caplog.at_level(logging.WARNING, "jina_v3_client"):
        assert client_of(kind, aws).embed("sunrise", route="asynchronous").shape == (1, 1024)
    assert "stays in S3" in caplog.text


def test_more_requests_wait_in_the_queue_than_connections_would_allow(kind, small_requests):
    aws = AsynchronousAws(looks=5)
    later = AsynchronousEndpoint(name="later", bucket="data", region="eu-west-1", in_flight=3)
    client_of(kind, aws, later).embed(numbered(60), dimensions=8, route="asynchronous")
    assert len(aws.calls) == 9


def test_closing_ends_the_waiting():
    aws = AsynchronousAws(looks=10**9)
    client = client_of(Threaded, aws)
    failures = []

    def embed():
        try:
            client.embed("sunrise", route="asynchronous")
        except JinaClientError as error:
            failures.append(str(error))

    thread = threading.Thread(target=embed)
    thread.start()
    while not aws.calls:
        time.sleep(0.001)
    client.close()
    thread.join(30)
    assert failures == ["this client is closed; make a new one, or close it later"]
    assert aws.objects == {}


def test_a_cancelled_task_clears_away_what_it_was_just_putting_there(monkeypatch):
    aws = AsynchronousAws()
    put, putting, let_go = aws.put_object, threading.Event(), threading.Event()

    def slowly(**given):
        putting.set()
        assert let_go.wait(30)
        put(**given)

    monkeypatch.setattr(aws, "put_object", slowly)

    async def run():
        client = client_of(Tasked, aws).client
        task = asyncio.ensure_future(client.embed("sunrise", route="asynchronous"))
        await asyncio.to_thread(putting.wait, 30)
        task.cancel()
        let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert aws.objects == {}
    assert len(aws.deleted) == 1


def test_an_asynchronous_endpoint_alone_answers_no_real_time_calls(kind):
    client = client_of(kind, AsynchronousAws(), target=Endpoint("later", region="eu-west-1"))
    for call in (client.embed, client.embed_iter, client.embed_query):
        with pytest.raises(ConfigurationError, match="its endpoint is an asynchronous one"):
            call("sunrise")
    assert client.embed(["sunrise"], route="auto").route.route == "asynchronous"


def test_auto_chooses_by_size(kind):
    client = client_of(kind, AsynchronousAws())
    client.client.settings = quick(routes=RouteSettings(real_time_tokens=200, asynchronous_tokens=400))
    routes = [
        client.embed(stream(numbered(count)), dimensions=8, route="auto")
        for count in (10, 50, 60)
        for stream in (iter, list)
    ]
    assert [result.route.route for result in routes] == ["real-time"] * 2 + ["asynchronous"] * 2 + ["batch"] * 2
    assert "batch run" in routes[-1].route.reason
    for result in routes:
        np.testing.assert_array_equal(result.vectors, VECTORS[: len(result)])


@pytest.mark.parametrize(
    "options", [{}, {"embedding_type": "int8"}, {"embedding_type": "ubinary"}, {"normalized": False}]
)
def test_a_batch_run_gives_what_real_time_calls_give(kind, options):
    client = kind(quick(texts=7))
    ran = client.embed(iter(numbered(60)), dimensions=16, task="separation", route="batch", **options)
    assert client.transport.sent == []
    called = client.embed(numbered(60), dimensions=16, task="separation", **options)
    np.testing.assert_array_equal(ran.vectors, called.vectors)
    np.testing.assert_array_equal(ran.token_counts, called.token_counts)
    assert (ran.dtype, ran.usage.tokens, ran.route.route) == (called.dtype, called.usage.tokens, "batch")
    if "embedding_type" in options and options["embedding_type"] == "int8":
        np.testing.assert_allclose(ran.scales, called.scales)


def test_a_batch_runs_bad_records_are_errors_by_index(kind):
    texts = ["sunrise", "", "sunset", " "]
    with pytest.raises(InvalidInputError, match=r"texts\[1\]: .*\w, and 1 more of run") as caught:
        kind().embed(texts, route="batch")
    assert (caught.value.code, caught.value.index) == ("empty_text", 1)
    result = kind().embed(texts, route="batch", errors="return")
    assert {index: told.code for index, told in result.errors.items()} == {1: "empty_text", 3: "empty_text"}
    assert np.isnan(result.vectors[[1, 3]]).all()
    assert not np.isnan(result.vectors[[0, 2]]).any()


def test_what_cannot_be_a_record_of_a_run_costs_only_itself_too(kind):
    texts = ["sunrise", "half of one: \ud83d", "sunset", 5]
    with pytest.raises(InvalidInputError, match=r"texts\[1\] has half of a surrogate pair") as caught:
        kind().embed(texts, route="batch")
    assert (caught.value.code, caught.value.index) == ("invalid_text", 1)
    ran = kind().embed(texts, route="batch", errors="return", dimensions=8)
    assert {index: told.code for index, told in ran.errors.items()} == {1: "invalid_text", 3: "wrong_type"}
    called = kind().embed(texts, errors="return", dimensions=8)
    assert ran.errors == called.errors
    np.testing.assert_array_equal(ran.vectors, called.vectors)


def test_a_batch_run_of_nothing_is_none(kind):
    assert kind().embed(iter(()), route="batch", dimensions=8).shape == (0, 8)


def test_a_batch_takes_texts_and_no_other_records(kind):
    with pytest.raises(InvalidInputError, match=r"texts\[1\] is dict"):
        kind().embed(["sunrise", {"text": "sunset"}], route="batch")
    with pytest.raises(ConfigurationError, match="'batch'"):
        kind().embed(["sunrise"], route="batch", late_chunking=True)


@pytest.mark.parametrize("bucket", ["s3://data", "data/prefix", "", "Data"])
def test_an_asynchronous_endpoints_bucket_is_a_name(bucket):
    with pytest.raises(ConfigurationError, match="is no name of a bucket"):
        AsynchronousEndpoint(name="later", bucket=bucket)
    with pytest.raises(ConfigurationError, match="in_flight"):
        AsynchronousEndpoint(name="later", bucket="data", in_flight=0)
