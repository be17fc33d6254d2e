"""Which way texts go, by size, by what the client has, and by the deadline."""

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jina_v3_client._routes.choosing import Amount, check_route, choose_route
from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.settings import RouteSettings

SETTINGS = RouteSettings(
    real_time_tokens=1000,
    asynchronous_tokens=10_000,
    tokens_per_s=100,
    asynchronous_start_s=30,
    batch_start_s=200,
)
ALL = frozenset({"real-time", "asynchronous", "batch"})


def chosen(tokens, available=ALL, deadline_s=None):
    return choose_route(Amount(texts=7, tokens=tokens), available=available, deadline_s=deadline_s, settings=SETTINGS)


@pytest.mark.parametrize(
    ("tokens", "without", "route"),
    [
        (1000, "", "real-time"),
        (1001, "", "asynchronous"),
        (10_000, "", "asynchronous"),
        (10_001, "", "batch"),
        (10_001, "batch", "asynchronous"),
        (1001, "asynchronous", "batch"),
        (1001, "asynchronous batch", "real-time"),
        (1, "real-time", "asynchronous"),
        (1, "real-time asynchronous", "batch"),
    ],
)
def test_size_decides_among_what_there_is(tokens, without, route):
    assert chosen(tokens, ALL - set(without.split())).route == route


def test_a_deadline_that_the_queue_would_miss_is_met_at_once():
    decision = chosen(5000, deadline_s=60)
    assert decision.route == "real-time"
    assert decision.seconds == 50.0
    assert "asynchronous would take about 80 s of the 60 s there are" in decision.reason


def test_a_deadline_that_all_miss_goes_the_quickest_way():
    assert chosen(50_000, deadline_s=1).route == "real-time"
    assert chosen(50_000, ALL - {"real-time"}, deadline_s=1).route == "asynchronous"


def test_the_reason_says_how_much_there_is_and_what_was_not_read():
    reason = choose_route(
        Amount(texts=4000, tokens=2000, whole=False), available=ALL, deadline_s=None, settings=SETTINGS
    ).reason
    assert reason.startswith("more than 4,000 texts of about 2,000 tokens: ")


SUBSETS = [frozenset(some) for some in chain(*(combinations(sorted(ALL), n) for n in (1, 2, 3)))]


@given(st.integers(0, 10**6), st.sampled_from(SUBSETS), st.none() | st.floats(0.001, 10**5))
def test_the_route_is_one_the_client_has_and_no_other_holds_a_deadline_it_misses(tokens, available, deadline_s):
    decision = chosen(tokens, available, deadline_s)
    assert decision.route in available
    assert decision.reason
    starts = {"real-time": 0, "asynchronous": 30, "batch": 200}
    if deadline_s is not None and decision.seconds > deadline_s + 0.1:
        assert all(starts[other] + tokens / 100 > deadline_s for other in available)


def test_a_word_that_is_no_route_is_refused_with_those_that_are():
    with pytest.raises(InvalidInputError, match="real-time, asynchronous, batch or auto"):
        check_route("realtime", ALL)


@pytest.mark.parametrize("route", sorted(ALL))
def test_a_route_the_client_lacks_says_what_is_missing(route):
    check_route(route, ALL)
    check_route("auto", ALL - {route})
    with pytest.raises(ConfigurationError, match=r"this client has none; .*(pass|use|call)"):
        check_route(route, ALL - {route})
