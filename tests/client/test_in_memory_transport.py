import asyncio
import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import container
from tests.support.fake_encoder import FakeEncoder

from jina_v3.contract import TASKS
from jina_v3_client._calls.steps import Work
from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.wire import decode, error_body
from jina_v3_client.parameters import VECTOR_FORMS, Parameters
from jina_v3_client.similarity import cosine
from jina_v3_client.testing import AsyncInMemoryTransport, InMemoryTransport
from jina_v3_client.transport import HttpRequest, TransportError

LONG = "word " * 60


def request(work, url="https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/texts/invocations"):
    return HttpRequest(method="POST", url=url, headers={"content-type": work.content_type}, body=work.body)


def send(work, transport=None, **where):
    return (transport or InMemoryTransport(max_tokens=FakeEncoder.max_tokens)).send(request(work, **where), timeout_s=1)


def vectors(texts, **asked):
    piece = Piece(0, tuple(texts), Parameters(**asked))
    return decode(send(piece.work, InMemoryTransport()), piece).vectors


@given(
    st.lists(st.text(min_size=1, max_size=9) | st.sampled_from([LONG, " "]), min_size=1, max_size=5),
    st.builds(
        Parameters,
        task=st.sampled_from([None, *TASKS]),
        dimensions=st.integers(1, 1024),
        late_chunking=st.booleans(),
        normalized=st.booleans(),
        truncate=st.booleans(),
        form=st.sampled_from(VECTOR_FORMS),
    ),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_it_answers_as_the_real_server_does(texts, asked, lines, nested):
    lines = lines and not asked.late_chunking
    texts = [text for text in texts if asked.late_chunking is False or len(text.split()) < 9] or ["a"]
    piece = Piece(0, tuple(texts), asked, lines, documents=(len(texts),) if nested and asked.late_chunking else ())
    real, ours = container.answer(piece.work), send(piece.work)
    if real.status != 200:
        told, wanted = error_body(ours.body), error_body(real.body)
        assert ours.status == 424
        assert json.loads(ours.body)["OriginalStatusCode"] == real.status
        assert (told.code, told.field) == (wanted.code, wanted.field)
        return
    assert ours.status == 200
    decode(ours, piece)
    answers = [json.loads(response.body) for response in (real, ours)]
    assert lines or answers[0]["parameters"] == answers[1]["parameters"]
    for theirs, own in zip(*(answer if lines else answer["data"] for answer in answers), strict=True):
        assert own.keys() == theirs.keys()
        assert all(type(own[name]) is type(theirs[name]) for name in own)
        assert len(own.get("embedding", "")) == len(theirs.get("embedding", ""))
        assert own.get("error", {}).get("code") == theirs.get("error", {}).get("code")


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"{", "application/json", "not_json"),
        (b"[]", "application/json", "unknown_shape"),
        (b"{}", "application/json", "unknown_shape"),
        (b'{"data":[]}', "application/json", "empty_input"),
        (b'{"data":["a"],"parameters":{"tusk":null}}', "application/json", "unknown_field"),
        (b'{"data":["a"],"parameters":{"task":"retrieval"}}', "application/json", "unknown_task"),
        (b'{"data":["a"],"parameters":{"dimensions":2000}}', "application/json", "invalid_dimensions"),
        (b'{"data":[7]}', "application/json", "wrong_type"),
        (json.dumps({"data": ["a"] * 2049}).encode(), "application/json", "too_many_texts"),
    ],
)
def test_it_refuses_what_the_real_server_does(body, content_type, code):
    work = Work(body=body, content_type=content_type)
    assert error_body(container.answer(work).body).code == code
    found = error_body(send(work).body)
    assert (found.code, found.field) == (code, error_body(container.answer(work).body).field)


def test_a_request_without_ids_is_answered_too():
    work = Work(body=b'{"data":["a",{"text":"b"}]}')
    for response in (send(work), container.answer(work)):
        answer = json.loads(response.body)
        assert answer["parameters"]["task"] == "text-matching"
        assert [len(item["id"]) for item in answer["data"]] == [32, 32]


def test_texts_that_share_words_are_near():
    near = cosine(*[vectors(["the sun rises", "The sun sets!", "ein Hund bellt", "雨が降る", "雨が止む"])] * 2)
    assert near[0, 1] > 0.4 > 0.2 > abs(near[0, 2])
    assert near[3, 4] > 0.4


def test_another_task_gives_another_vector_and_a_query_still_finds_its_passage():
    query = vectors(["when does the sun rise"], task="retrieval.query")
    assert not np.allclose(query, vectors(["when does the sun rise"], task="retrieval.passage"))
    passages = vectors(["a dog barks", "the sun does rise early"], task="retrieval.passage")
    assert cosine(query[0], passages).argmax() == 1


def test_fewer_dimensions_are_the_beginning_of_the_whole_vector():
    whole, cut = vectors(["the sun"], normalized=False), vectors(["the sun"], dimensions=100)
    assert np.allclose(cut, whole[:, :100] / np.linalg.norm(whole[:, :100]), atol=1e-6)
    assert np.linalg.norm(whole) > 1.1


def test_with_late_chunking_a_vector_knows_the_other_chunks():
    alone, document = vectors(["it rises", "the sun"]), vectors(["it rises", "the sun"], late_chunking=True)
    assert cosine(document[0], document[1]) > cosine(alone[0], alone[1]) + 0.1


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("task", ["retrieval.query", None])
def test_tokens_are_words_with_the_prompt_and_two_more_for_each_text_or_document(task, late):
    piece = Piece(0, ("one", "two two", "three"), Parameters(task=task, late_chunking=late))
    prompt = 7 if task else 0
    counts = [prompt + 2, 2, 2] if late else [prompt + 3, prompt + 4, prompt + 3]
    assert decode(send(piece.work), piece).token_counts.tolist() == counts


def test_faults_happen_as_often_and_where_they_shall():
    transport, work = InMemoryTransport(), Piece(0, ("a",), Parameters()).work
    transport.fail(429, "ThrottlingException", retry_after_s=2, times=2)
    transport.fail(where="eu-west-1", times=None)
    transport.fail(TransportError("timeout", "no answer"), where="us-east-1")
    first, second = send(work, transport), send(work, transport)
    assert [first.status, second.status] == [429, 429]
    assert (first.headers["x-amzn-errortype"], first.headers["retry-after"]) == ("ThrottlingException", "2")
    assert {send(work, transport).status for _ in range(5)} == {503}
    with pytest.raises(TransportError, match="no answer"):
        send(work, transport, url="https://us-east-1")
    assert send(work, transport, url="https://us-east-1").status == 200
    assert transport.requests == 9


def test_a_containers_fault_is_told_as_sagemaker_tells_it():
    transport = InMemoryTransport()
    transport.fail(original_status=429)
    response = send(Piece(0, ("a",), Parameters()).work, transport)
    members = json.loads(response.body)
    assert (response.status, response.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert (members["OriginalStatusCode"], error_body(response.body).code) == (429, "overloaded")


def test_it_counts_from_many_threads():
    transport, work = InMemoryTransport(), Piece(0, ("a",), Parameters(dimensions=1)).work
    transport.fail(times=10)
    statuses = []

    def ask():
        statuses.extend(send(work, transport).status for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (transport.requests, statuses.count(503), statuses.count(200)) == (40, 10, 30)


def test_the_asynchronous_one_answers_alike():
    work = Piece(0, ("a",), Parameters()).work

    async def ask():
        transport = AsyncInMemoryTransport()
        transport.fail(503)
        return [await transport.send(request(work), timeout_s=1) for _ in range(2)], await transport.aclose()

    (failed, answered), _ = asyncio.run(ask())
    assert (failed.status, answered.body) == (503, send(work, InMemoryTransport()).body)
