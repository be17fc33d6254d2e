"""Both clients: no text is lost, doubled or moved, whatever becomes of requests; and errors reach the caller."""

import json
import pickle
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.both_clients import Tasked, Threaded, aiter_of
from tests.support.watched_transport import texts_of

from jina_v3_client import EmbeddingClient
from jina_v3_client.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    InvalidInputError,
    JinaClientError,
    ModelError,
    ResponseError,
    TooLargeError,
)
from jina_v3_client.routing import Endpoint, Failover
from jina_v3_client.settings import BreakerSettings, RequestLimits, RetrySettings, Settings
from jina_v3_client.transport import HttpResponse, TransportError

PATIENT = RetrySettings(attempts=50, first_wait_s=0.0, budget_burst=10_000)
NO_REST = BreakerSettings(rest_s=0.0)


def quick(texts=512, concurrency=8, window=16, retry=PATIENT, **more):
    """Settings under which nothing waits."""
    return Settings(
        limits=RequestLimits(texts=texts),
        concurrency=concurrency,
        window=window,
        retry=retry,
        breaker=NO_REST,
        **more,
    )


@pytest.fixture(params=[Threaded, Tasked], ids=["threads", "tasks"])
def kind(request):
    return request.param


def alone(texts, **options):
    """Each text's vector from a request of its own, decoded here."""
    client = Threaded()
    return np.array([client.embed([text], **options).vectors[0] for text in texts])


def numbered(count):
    return [f"text {n} of many" for n in range(count)]


VECTORS = alone(numbered(60), dimensions=8)


@pytest.mark.parametrize("form", [Threaded, Tasked])
@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(0, 60),
    per_request=st.integers(1, 9),
    concurrency=st.integers(1, 5),
    window=st.integers(1, 7),
    seed=st.integers(0, 10**6),
    errors=st.sampled_from(["raise", "return"]),
)
def test_every_text_is_sent_once_and_has_its_own_vector_though_requests_fail(
    form, count, per_request, concurrency, window, seed, errors
):
    chance = random.Random(seed)

    def fail(request):
        match chance.randrange(6):
            case 0:
                return error(429, "ThrottlingException")
            case 1:
                raise TransportError("broken", "the connection ended")
            case 2:
                return error(503, "ServiceUnavailable")
        return None

    given_texts = numbered(count)
    form = form(quick(per_request, concurrency, window), fail)
    result = form.embed(iter(given_texts), dimensions=8, errors=errors)
    np.testing.assert_array_equal(result.vectors, VECTORS[:count])
    assert result.shape == (count, 8)
    assert form.transport.most_at_a_time <= concurrency
    assert result.usage.requests == -(-count // per_request)
    assert result.usage.attempts == len(form.transport.sent)
    # each request is sent until it is answered, and always with the same texts
    pieces = {tuple(given_texts[at : at + per_request]) for at in range(0, count, per_request)}
    assert {tuple(texts) for texts in form.transport.sent} == pieces


def error(status, kind, **members):
    return HttpResponse(status=status, headers={"x-amzn-errortype": kind}, body=json.dumps(members).encode())


def model_error(status, code="internal", message="it failed"):
    original = json.dumps({"error": {"code": code, "message": message, "field": "body"}})
    return error(424, "ModelError", OriginalStatusCode=status, OriginalMessage=original)


@pytest.mark.parametrize(
    "refusal",
    [
        lambda: model_error(413, "too_many_texts"),
        lambda: model_error(413, "body_too_large"),
        lambda: model_error(503, "deadline_exceeded"),
        lambda: error(413, "RequestEntityTooLarge"),
        lambda: TransportError("timeout", "no answer within 70 s"),
    ],
)
def test_a_request_that_is_too_much_goes_in_halves(kind, refusal):
    def at_most_five(request):
        refused = refusal()
        if len(texts_of(request)) <= 5:
            return None
        if isinstance(refused, TransportError):
            raise refused
        return refused

    client = kind(quick(texts=32), at_most_five)
    result = client.embed(numbered(60), dimensions=8)
    np.testing.assert_array_equal(result.vectors, VECTORS)
    answered = Counter(text for texts in client.transport.sent if len(texts) <= 5 for text in texts)
    assert answered == dict.fromkeys(numbered(60), 1)


def test_one_text_that_is_too_much_by_itself_is_an_error_with_its_index(kind):
    def refuse(request):
        return model_error(413, "body_too_large", "too large") if "text 41 of many" in texts_of(request) else None

    with pytest.raises(TooLargeError, match="too large"):
        kind(quick(texts=8), refuse).embed(numbered(60))


def test_a_text_that_the_server_refuses_is_named_by_its_place_among_all(kind):
    texts = [*numbered(20), "one two three four five six seven eight nine ten", *numbered(9)]
    client = kind(quick(texts=8), max_tokens=8)
    with pytest.raises(InvalidInputError) as caught:
        client.embed(texts)
    assert caught.value.code == "text_too_long"
    assert caught.value.index == 20
    assert "texts[20]" in str(caught.value)
    assert "seven" not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "   ", None, b"bytes", 7, "\ud800"])
def test_a_text_that_is_none_is_named_before_it_is_sent(kind, bad):
    client = kind(quick(texts=8))
    with pytest.raises(InvalidInputError) as caught:
        client.embed([*numbered(3), bad])
    assert caught.value.index == 3
    assert client.transport.sent == []


def test_bad_texts_cost_only_themselves_where_errors_are_returned(kind):
    texts = numbered(30)
    texts[4] = texts[12] = ""
    texts[5] = None
    texts[29] = "one two three four five six seven eight nine ten"
    client = kind(quick(texts=4), max_tokens=8)
    result = client.embed(texts, dimensions=8, errors="return")
    assert {index: told.code for index, told in result.errors.items()} == {
        4: "empty_text",
        5: "wrong_type",
        12: "empty_text",
        29: "text_too_long",
    }
    good = [n for n in range(30) if n not in result.errors]
    np.testing.assert_array_equal(result.vectors[good], VECTORS[good])
    assert np.isnan(result.vectors[sorted(result.errors)]).all()
    streamed = kind(quick(texts=4), max_tokens=8).embed_iter(iter(texts), dimensions=8, errors="return")
    assert [one.index for one in streamed] == list(range(30))
    assert [one.index for one in streamed if one.error] == [4, 5, 12, 29]
    assert all(np.array_equal(streamed[n].vector, VECTORS[n]) for n in good)


@pytest.mark.parametrize("stream", [iter, aiter_of], ids=["iterator", "async iterator"])
def test_embeddings_are_yielded_one_by_one_in_order(stream):
    kinds = [Tasked] if stream is aiter_of else [Threaded, Tasked]
    for kind in kinds:
        got = kind(quick(texts=7)).embed_iter(stream(numbered(60)), dimensions=8)
        assert [one.index for one in got] == list(range(60))
        np.testing.assert_array_equal(np.array([one.vector for one in got]), VECTORS)
        result = kind(quick(texts=7)).embed(stream(numbered(60)), dimensions=8)
        np.testing.assert_array_equal(result.vectors, VECTORS)


def test_an_error_of_the_texts_own_iterator_passes_through(kind):
    def texts():
        yield from numbered(20)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        kind(quick(texts=4)).embed(texts())
    with pytest.raises(OSError, match="the disk is gone"):
        kind(quick(texts=4)).embed_iter(texts())


def test_one_failing_request_fails_the_call_with_its_own_error(kind):
    def fail(request):
        return model_error(500) if "text 17 of many" in texts_of(request) else None

    with pytest.raises(ModelError) as caught:
        kind(quick(texts=4), fail).embed(numbered(60))
    assert caught.value.original_status == 500
    assert caught.value.target == "us-east-1/in-memory"


def test_an_answer_that_is_none_is_an_error_with_who_gave_it(kind):
    def cut_off(request):
        return HttpResponse(status=200, headers={}, body=b'{"data": [')

    with pytest.raises(ResponseError) as caught:
        kind(quick(), cut_off).embed(numbered(3))
    assert caught.value.target == "us-east-1/in-memory"


def test_retries_end(kind):
    def refuse(request):
        raise TransportError("connect", "nobody listens")

    client = kind(quick(retry=RetrySettings(attempts=3, first_wait_s=0.0)), refuse)
    with pytest.raises(ConnectionFailedError, match="nobody listens") as caught:
        client.embed("sunrise")
    assert caught.value.attempts == 3
    assert len(client.transport.sent) == 3


def test_a_target_that_dies_under_load_costs_no_text(kind):
    counter = iter(range(10**6))

    def die(request):
        if "eu-west-1" in request.url and next(counter) >= 3:
            raise TransportError("connect", "nobody listens")

    target = Failover(Endpoint("texts", region="eu-west-1"), Endpoint("texts", region="us-east-1"))
    result = kind(quick(texts=4), die, target=target).embed(numbered(60), dimensions=8)
    np.testing.assert_array_equal(result.vectors, VECTORS)


def test_nothing_makes_no_call(kind):
    client = kind(quick())
    for nothing in ([], (), iter(())):
        result = client.embed(nothing, dimensions=100, embedding_type="ubinary")
        assert (result.shape, result.dtype, result.usage.requests) == ((0, 13), np.uint8, 0)
    assert client.embed_iter([]) == []
    assert client.embed_passages([]).shape == (0, 1024)
    assert client.embed_document([]).shape == (0, 1024)
    assert client.embed_documents([]) == []
    assert client.transport.sent == []


def test_one_string_is_one_text(kind):
    client = kind(quick())
    assert client.embed("sunrise").shape == (1, 1024)
    assert [one.index for one in client.embed_iter("sunrise")] == [0]
    assert client.transport.sent == [["sunrise"], ["sunrise"]]


@pytest.mark.parametrize("bad", [b"sunrise", bytearray(b"x"), None, 7, {"text": "sunrise"}, np.array([["a"]])])
def test_what_holds_no_texts_is_refused_at_once(kind, bad):
    for call in ("embed", "embed_iter", "embed_passages"):
        with pytest.raises(InvalidInputError, match=f"texts is {type(bad).__name__}; it must be a string, or strings"):
            getattr(kind(), call)(bad)


def test_an_array_of_strings_is_texts(kind):
    np.testing.assert_array_equal(kind().embed(np.array(numbered(5)), dimensions=8).vectors, VECTORS[:5])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "queries"}, "is no task of this model"),
        ({"dimensions": 0}, "dimensions is 0"),
        ({"embedding_type": "base64"}, "float travels as base64 already"),
        ({"errors": "ignore"}, "errors is 'ignore'; it must be raise or return"),
        ({"deadline_s": 0}, "deadline_s is 0; it must be a number of seconds above 0"),
        ({"route": "fast"}, "route is 'fast'"),
        ({"late_chunking": True, "errors": "return"}, "errors='return' cannot be together with late_chunking"),
    ],
)
def test_parameters_that_cannot_be_are_refused(kind, options, words):
    client = kind()
    with pytest.raises(InvalidInputError, match=words):
        client.embed(["sunrise"], **options)
    assert client.transport.sent == []


def test_the_clients_own_task_and_dimensions_hold_where_a_call_says_nothing(kind):
    client = kind(task="retrieval.passage", dimensions=16)
    np.testing.assert_array_equal(
        client.embed("sunrise").vectors, kind().embed("sunrise", task="retrieval.passage", dimensions=16).vectors
    )
    np.testing.assert_array_equal(
        client.embed("sunrise", task=None, dimensions=8).vectors, kind().embed("sunrise", dimensions=8).vectors
    )
    np.testing.assert_array_equal(
        client.embed_query("sunrise"), kind().embed("sunrise", task="retrieval.query", dimensions=16).vectors[0]
    )


def test_a_query_is_one_string(kind):
    with pytest.raises(InvalidInputError, match="text is list; it must be a string"):
        kind().embed_query(["sunrise"])


def test_documents_are_embedded_each_by_itself_whatever_request_they_travel_in(kind):
    documents = [numbered(n % 4 + 1) for n in range(11)]
    client = kind(quick(texts=6))
    results = client.embed_documents(documents, dimensions=8)
    assert len(client.transport.sent) < len(documents)
    for document, result in zip(documents, results, strict=True):
        np.testing.assert_array_equal(result.vectors, kind().embed_document(document, dimensions=8).vectors)
        assert result.chunks == tuple(document)
    assert sum(result.usage.requests for result in results) == len(client.transport.sent)


def test_a_document_is_cut_by_its_chunker_and_never_by_us(kind):
    client = kind(quick(texts=2))
    result = client.embed_document("a b. c d. e f", chunker=lambda text: text.split(". "), dimensions=8)
    assert result.chunks == ("a b", "c d", "e f")
    assert client.transport.sent == [["a b", "c d", "e f"]]
    with pytest.raises(InvalidInputError, match="nothing says how to cut it"):
        client.embed_document("a b. c d")
    with pytest.raises(InvalidInputError, match="a chunker cuts one text"):
        client.embed_document(["a b", "c d"], chunker=lambda text: [text])


def test_a_bad_chunk_is_named_with_its_document(kind):
    with pytest.raises(InvalidInputError, match=r"documents\[1\]\[0\]") as caught:
        kind().embed_documents([["a"], [""]])
    assert caught.value.index == 1


def test_documents_that_are_too_much_together_go_in_halves(kind):
    def at_most_three(request):
        return model_error(413, "too_many_texts") if len(texts_of(request)) > 3 else None

    documents = [numbered(n % 3 + 1) for n in range(9)]
    results = kind(quick(), at_most_three).embed_documents(documents, dimensions=8)
    for document, result in zip(documents, results, strict=True):
        np.testing.assert_array_equal(result.vectors, kind().embed_document(document, dimensions=8).vectors)


def test_progress_tells_each_step_and_ends_with_all(kind):
    told = []
    kind(quick(texts=7)).embed(numbered(60), progress=lambda *counts: told.append(counts))
    assert told[-1] == (60, 60)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    told.clear()
    texts = ["", *numbered(20), ""]
    kind(quick(texts=7)).embed_iter(iter(texts), errors="return", progress=lambda *counts: told.append(counts))
    assert told[-1] == (22, None)


def test_the_deadline_holds_for_the_whole_call(kind):
    def busy(request):
        return error(429, "ThrottlingException") if "text 9 of many" in texts_of(request) else None

    settings = quick(texts=1, retry=RetrySettings(attempts=10**6, first_wait_s=0.01, budget_burst=10**6))
    with pytest.raises(DeadlineError):
        kind(settings, busy).embed(numbered(12), deadline_s=0.05)


def test_a_deadline_may_be_as_far_away_as_one_likes(kind):
    assert kind().embed(numbered(3), dimensions=8, deadline_s=float("inf")).shape == (3, 8)
    assert kind(quick(deadline_s=1e15)).embed(numbered(3), dimensions=8).shape == (3, 8)


def test_a_closed_client_says_so(kind):
    client = kind()
    client.embed("sunrise")
    client.close()
    for call in ("embed", "embed_iter", "embed_query", "embed_passages", "embed_document", "embed_documents"):
        with pytest.raises(JinaClientError, match="this client is closed; make a new one"):
            getattr(client, call)("sunrise", **({"chunker": str.split} if "document" in call else {}))
    client.close()


def test_routes_that_the_client_lacks_are_refused_with_what_is_missing(kind):
    client = kind()
    client.client._batch = None
    with pytest.raises(ConfigurationError, match="AsynchronousEndpoint"):
        client.embed("sunrise", route="asynchronous")
    with pytest.raises(ConfigurationError, match="BatchClient"):
        client.embed("sunrise", route="batch")
    with pytest.raises(ConfigurationError, match="BatchClient"):
        _ = client.client.batch
    assert client.transport.sent == []


def test_auto_says_what_it_decided(kind):
    result = kind().embed(iter(numbered(60)), dimensions=8, route="auto")
    np.testing.assert_array_equal(result.vectors, VECTORS)
    assert result.route.route == "real-time"
    assert result.route.reason.startswith("60 texts of about ")


def test_numpys_whole_numbers_are_dimensions(kind):
    result = kind(dimensions=np.int64(16)).embed("sunrise")
    assert np.array_equal(result, kind().embed("sunrise", dimensions=16))
    with pytest.raises(InvalidInputError, match="whole number"):
        kind().embed("sunrise", dimensions=np.array([16, 16]))


def test_queries_and_passages_have_deadlines_of_their_own(kind):
    client = kind(quick())
    client.transport.fail(429, "ThrottlingException", retry_after_s=60, times=None)
    with pytest.raises(DeadlineError):
        client.embed_query("sunrise", deadline_s=5)
    with pytest.raises(DeadlineError):
        client.embed_passages(["sunrise"], deadline_s=5)


@pytest.mark.parametrize("progress", ["yes", 1])
def test_progress_that_tells_nobody_is_refused(kind, progress):
    with pytest.raises(InvalidInputError, match="progress"):
        kind().embed("sunrise", progress=progress)


def test_a_document_among_several_is_named_by_its_place(kind):
    with pytest.raises(InvalidInputError, match=r"documents\[1\] is int"):
        kind().embed_documents([["sunrise"], 5])
    with pytest.raises(InvalidInputError, match=r"documents\[0\] is one text"):
        kind().embed_documents(["sunrise"])


@pytest.mark.parametrize(("made", "chunks"), [("The sun rises.", 1), (["The sun", "rises."], 2)])
def test_what_a_chunker_leaves_whole_is_one_chunk(kind, made, chunks):
    assert len(kind().embed_document("The sun rises.", chunker=lambda _: made)) == chunks
    with pytest.raises(InvalidInputError, match="what the chunker made"):
        kind().embed_document("The sun rises.", chunker=lambda _: None)


def test_a_client_goes_to_no_other_process(kind):
    with pytest.raises(TypeError, match="make one there"):
        pickle.dumps(kind().client)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EmbeddingClient("texts", settings={"concurrency": 3}), r"settings is dict; it must be Settings\(…\)"),
        (lambda: Settings(retry={"attempts": 3}), r"retry is {'attempts': 3}; it must be RetrySettings\(…\)"),
        (lambda: Settings(concurrency=2.5), "concurrency is 2.5; it must be a whole number"),
        (lambda: RequestLimits(texts=2.0), "texts is 2.0; it must be a whole number"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_they_are_made(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()
