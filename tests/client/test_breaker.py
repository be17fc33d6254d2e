"""The breaker by itself, against a plain account of what it may let in."""

from hypothesis import given
from hypothesis import strategies as st

from jina_v3_client.routing.breaker import PROBE_POLL_S, Breaker
from jina_v3_client.settings import BreakerSettings


def opened(settings: BreakerSettings, now: float = 0.0) -> Breaker:
    breaker = Breaker(settings)
    for _ in range(settings.failures):
        breaker.fail(breaker.enter(now), now)
    return breaker


def test_it_opens_after_failures_in_a_row_and_not_before():
    breaker = Breaker(BreakerSettings(failures=3))
    for _ in range(5):
        breaker.fail(breaker.enter(0.0), 0.0)
        breaker.fail(breaker.enter(0.0), 0.0)
        breaker.succeed(breaker.enter(0.0))
    assert breaker.state == "closed"
    for _ in range(3):
        assert breaker.state == "closed"
        breaker.fail(breaker.enter(0.0), 0.0)
    assert breaker.state == "open"


def test_rests_double_up_to_the_longest_and_begin_anew_after_a_success():
    settings = BreakerSettings(failures=2, rest_s=2.0, longest_rest_s=10.0)
    breaker, now, rests = opened(settings), 0.0, []
    for _ in range(4):
        rests.append(breaker.free_at(now) - now)
        now = breaker.free_at(now)
        breaker.fail(breaker.enter(now), now)
    assert rests == [2.0, 4.0, 8.0, 10.0]
    now = breaker.free_at(now)
    breaker.succeed(breaker.enter(now))
    assert opened_again(breaker, now) == now + 2.0


def opened_again(breaker: Breaker, now: float) -> float:
    breaker.fail(breaker.enter(now), now)
    breaker.fail(breaker.enter(now), now)
    return breaker.free_at(now)


def test_what_began_before_it_opened_says_nothing_after():
    breaker = Breaker(BreakerSettings(failures=1, rest_s=2.0))
    early, late, third = breaker.enter(0.0), breaker.enter(0.0), breaker.enter(0.0)
    breaker.fail(early, 0.0)
    breaker.fail(late, 1.0)
    assert breaker.free_at(1.0) == 2.0, "a second failure of the same time makes the rest no longer"
    breaker.succeed(third)
    assert breaker.state == "open"
    probe = breaker.enter(2.0)
    breaker.fail(late, 2.0)
    breaker.release(third)
    assert breaker.state == "half-open"
    breaker.succeed(probe)
    assert breaker.state == "closed"


def test_others_look_again_while_a_probe_is_out_and_one_that_is_given_up_is_followed_by_another():
    breaker = opened(BreakerSettings(failures=1, rest_s=2.0))
    probe = breaker.enter(2.0)
    assert (breaker.enter(2.0), breaker.free_at(2.0)) == (None, 2.0 + PROBE_POLL_S)
    breaker.release(probe)
    assert breaker.free_at(2.0) <= 2.0
    assert breaker.enter(2.0) is not None


@given(
    st.lists(st.tuples(st.sampled_from(["enter", "succeed", "fail", "release"]), st.floats(0, 5), st.integers(0, 5)))
)
def test_whatever_happens_no_more_than_one_is_let_in_between_an_opening_and_the_next_success(steps):
    settings = BreakerSettings(failures=2, rest_s=1.0, longest_rest_s=4.0)
    breaker, now, inside, probe = Breaker(settings), 0.0, [], None
    for verb, seconds, which in steps:
        now += seconds
        was = breaker.state
        if verb == "enter":
            era = breaker.enter(now)
            if was != "closed" and era is not None:
                assert probe is None, "two probes"
                assert was == "open"
                probe = era
            if era is not None:
                inside.append(era)
        elif inside:
            era = inside.pop(which % len(inside))
            getattr(breaker, verb)(*((era, now) if verb == "fail" else (era,)))
            if era == probe:
                probe = None
        assert (breaker.state == "half-open") == (probe is not None)
    assert breaker.free_at(now) <= now + settings.longest_rest_s
