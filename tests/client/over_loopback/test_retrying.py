"""Whatever breaks on the way, the right vectors come in the right order, or a typed error does."""

import time
from typing import Any

import numpy as np
import pytest
from tests.support.calling import HURRIED, QUICK, Caller, open_client, right, settings, some_texts
from tests.support.loopback_endpoint import Fault, LoopbackEndpoint, faults

from jina_v3_client import (
    BreakerSettings,
    ConnectionFailedError,
    DeadlineError,
    Endpoint,
    InvalidInputError,
    JinaClientError,
    ModelError,
    NotInServiceError,
    OverloadedError,
    ResponseError,
    RetrySettings,
)

TEXTS = some_texts(60)
PASSING = {
    "throttled": faults.throttled(times=2),
    "unavailable": faults.unavailable(times=2),
    "internal": faults.service_error(500, "InternalFailure", "it failed", times=2),
    "container overloaded": faults.model_error(429, times=2),
    "container not ready": faults.model_error(503, "not_ready", times=2),
    "container gone": faults.model_error(502, "bad_gateway", times=2),
    "reset at once": Fault(kind="reset", times=2),
    "reset when asked": Fault(kind="abort", times=2),
    "cut in the middle": Fault(kind="cut", times=2),
    "ends early": Fault(kind="wrong_length", length_by=1000, times=1),
    "closes behind it": Fault(kind="close_after", times=4),
    "no capacity": faults.no_capacity(times=2),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_is_outlasted(endpoint: LoopbackEndpoint, caller: Caller, fault: Fault) -> None:
    endpoint.inject(fault)
    found = caller.embed("texts", TEXTS, settings=HURRIED if fault.kind == "wrong_length" else QUICK)
    assert np.array_equal(np.asarray(found), right(TEXTS))
    assert set(endpoint.answered()) == set(TEXTS)


def test_half_open_connections_cost_an_attempt_and_no_more(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.inject(Fault(kind="hang", times=2))
    found = caller.embed("texts", TEXTS, settings=HURRIED)
    assert np.array_equal(np.asarray(found), right(TEXTS))


def test_connections_closed_while_idle_are_no_failures(endpoint: LoopbackEndpoint) -> None:
    with open_client(settings=settings(retry=RetrySettings(attempts=1))) as client:
        for number in range(4):
            assert np.array_equal(np.asarray(client.embed([str(number)])), right([str(number)]))
            assert endpoint.close_idle() >= 1


def test_surplus_of_one_answer_is_never_taken_for_the_next(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.inject(Fault(kind="wrong_length", length_by=-3, times=3))
    try:
        found = caller.embed("texts", TEXTS)
    except (ResponseError, ConnectionFailedError):
        found = None  # an answer of the wrong form may be an error, and must not be a vector
    if found is not None:
        assert np.array_equal(np.asarray(found), right(TEXTS))
    assert np.array_equal(np.asarray(caller.embed("texts", TEXTS)), right(TEXTS))


@pytest.mark.parametrize("kind", ["lose_item", "reverse_items", "garble"])
def test_an_answer_that_is_none_is_an_error(endpoint: LoopbackEndpoint, caller: Caller, kind: Any) -> None:
    endpoint.inject(Fault(kind=kind))
    with pytest.raises(ResponseError):
        caller.embed("texts", TEXTS)


def test_retry_after_is_waited_for(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.inject(faults.throttled(times=1, retry_after_s=0.4))
    began = time.monotonic()
    caller.embed("texts", ["a"])
    assert time.monotonic() - began >= 0.4  # never less; more is the machine's business


def test_a_throttling_storm_is_outlasted(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    texts = some_texts(600)
    endpoint.inject(faults.throttled(probability=0.3), faults.model_error(429, probability=0.1))
    found = caller.embed("texts", texts, settings=settings(retry=RetrySettings(first_wait_s=0.005, attempts=30)))
    assert np.array_equal(np.asarray(found), right(texts))
    assert found.usage.requests == 60
    assert found.usage.attempts > 60
    assert set(endpoint.answered()) == set(texts)


def test_a_throttling_that_stays_is_an_error_and_makes_no_storm_of_its_own(
    endpoint: LoopbackEndpoint, caller: Caller
) -> None:
    endpoint.inject(faults.throttled())
    quick = settings(retry=RetrySettings(attempts=4, first_wait_s=0.005, longest_wait_s=0.02, budget_burst=10))
    with pytest.raises(OverloadedError) as caught:
        caller.embed("texts", some_texts(300), settings=quick)
    assert 1 <= caught.value.attempts <= 4
    # at most one attempt of each request that was begun, and what the budget allows
    assert endpoint.totals()["requests"] <= quick.window + 10


def test_nobody_at_the_address_is_an_error(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.die()
    breaker = BreakerSettings(rest_s=0.01, longest_rest_s=0.1)
    quick = settings(retry=RetrySettings(attempts=3, first_wait_s=0.005), breaker=breaker)
    with pytest.raises(ConnectionFailedError):
        caller.embed("texts", TEXTS, settings=quick)


def test_a_deadline_ends_what_hangs(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.inject(Fault(kind="hang"))
    with pytest.raises(DeadlineError):
        caller.embed("texts", TEXTS, deadline_s=0.3)


def test_a_component_that_stays_asleep_is_waited_for_with_patience(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.inject(faults.no_capacity())
    with pytest.raises(NotInServiceError):
        caller.embed(Endpoint("parts", inference_component="part"), ["a"], settings=settings(patience_s=0.2))


def test_a_fault_of_the_model_is_told_with_its_status(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.inject(faults.model_error(500, "internal"))
    with pytest.raises(ModelError) as caught:
        caller.embed("texts", ["a"])
    assert (caught.value.original_status, caught.value.original_code) == (500, "internal")


def test_a_bad_text_is_named_by_its_place_among_all_and_never_sent_again(
    endpoint: LoopbackEndpoint, caller: Caller
) -> None:
    texts = some_texts(95)
    texts[57] = "word " * 9000  # more tokens than a text may have: the endpoint alone can tell
    with pytest.raises(InvalidInputError) as caught:
        caller.embed("texts", texts)
    assert (caught.value.index, caught.value.code) == (57, "text_too_long")
    assert sum(one.status == 424 for one in endpoint.asked()) == 1


def test_bad_texts_cost_only_themselves_where_errors_are_returned(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    texts = some_texts(95)
    texts[7], texts[57] = "", "word " * 9000
    found = caller.embed("texts", texts, errors="return")
    assert {index: error.code for index, error in found.errors.items()} == {7: "empty_text", 57: "text_too_long"}
    good = [index for index in range(95) if index not in (7, 57)]
    assert np.array_equal(found.vectors[good], right([texts[index] for index in good]))
    assert np.isnan(found.vectors[[7, 57]]).all()


PATIENT = settings(retry=RetrySettings(attempts=15, first_wait_s=0.002, longest_wait_s=0.02, budget_burst=200))
TROUBLES = (
    faults.throttled(probability=0.08),
    faults.unavailable(probability=0.05),
    faults.model_error(503, probability=0.05),
    Fault(kind="reset", probability=0.05),
    Fault(kind="abort", probability=0.05),
    Fault(kind="cut", probability=0.08),
    Fault(kind="close_after", probability=0.1),
    Fault(kind="delay", delay_s=0.02, probability=0.2),
)


def test_all_troubles_at_once_lose_no_text_and_change_no_order(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    texts = some_texts(300)
    endpoint.inject(*TROUBLES)
    found = caller.embed("texts", texts, settings=PATIENT)
    assert np.array_equal(np.asarray(found), right(texts))
    assert found.token_counts.tolist() == [6] * 300
    assert (found.usage.tokens, found.usage.requests) == (1800, 30)
    assert found.usage.attempts > 30


@pytest.mark.parametrize("form", ["int8", "binary", "ubinary"])
def test_troubles_change_no_form(endpoint: LoopbackEndpoint, caller: Caller, form: Any) -> None:
    plain = caller.embed("texts", TEXTS, embedding_type=form)
    endpoint.inject(*TROUBLES)
    found = caller.embed("texts", TEXTS, settings=PATIENT, embedding_type=form)
    assert np.array_equal(found.vectors, plain.vectors)
    assert found.scales is None or np.array_equal(found.scales, plain.scales)
    assert (found.scales is not None) == (form == "int8")


def test_errors_hold_no_texts(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    secret = "a sentence that nobody else may read"
    for fault in (faults.model_error(500), Fault(kind="garble"), faults.model_error(422, "invalid_text")):
        endpoint.heal()
        endpoint.inject(fault)
        with pytest.raises(JinaClientError) as caught:
            caller.embed("texts", [secret], settings=settings(retry=RetrySettings(attempts=1)))
        assert secret not in f"{caught.value} {caught.value!r} {caught.value.__dict__} {caught.value.__cause__!r}"
