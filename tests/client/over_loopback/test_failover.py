"""Two regions, of which one dies under load: no text is lost or doubled, and the order is kept."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.calling import (
    FAR,
    HURRIED,
    NEAR,
    QUICK,
    Caller,
    open_async_client,
    open_client,
    right,
    settings,
    some_texts,
    write_profiles,
)
from tests.support.loopback_endpoint import Fault, LoopbackEndpoint, Pace, faults

from jina_v3_client import (
    BreakerSettings,
    Embeddings,
    Failover,
    Hedged,
    JinaClientError,
    LeastOutstanding,
    RequestLimits,
    TextEmbedding,
    Weighted,
)

TEXTS = some_texts(900)
PACE = Pace(slots=8, text_s=0.0003)
Death = Callable[[LoopbackEndpoint], None]
DEATHS: dict[str, Death] = {
    "goes away": lambda endpoint: endpoint.die("eu-west-1"),
    "hangs": lambda endpoint: endpoint.inject(Fault(kind="hang", region="eu-west-1")),
    "cuts all answers": lambda endpoint: endpoint.inject(Fault(kind="cut", region="eu-west-1")),
    "is unavailable": lambda endpoint: endpoint.inject(faults.unavailable(region="eu-west-1")),
    "is deleted": lambda endpoint: endpoint.inject(
        faults.service_error(400, "ValidationError", "Endpoint texts not found.", region="eu-west-1")
    ),
}


class AfterSome:
    """Does something once so many vectors have been seen."""

    def __init__(self, count: int, act: Callable[[], Any]) -> None:
        self._count, self._act = count, act
        self._lock = threading.Lock()

    def __call__(self, one: TextEmbedding) -> None:
        if one.index == self._count:
            self._act()


def assert_whole(taken: list[TextEmbedding], texts: list[str] = TEXTS) -> None:
    """Each text once, in order, with its own vector."""
    assert [one.index for one in taken] == list(range(len(texts)))
    assert np.array_equal(np.stack([one.vector for one in taken if one.vector is not None]), right(texts))


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_region_that_dies_under_load_costs_no_text(endpoint: LoopbackEndpoint, caller: Caller, death: Death) -> None:
    assert_survives(endpoint, caller, Failover(NEAR, FAR), death)


def test_an_address_that_goes_away_under_load_costs_no_text(
    endpoint: LoopbackEndpoint, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = write_profiles(tmp_path, endpoint, monkeypatch)
    assert_survives(endpoint, caller, Failover(near, far), DEATHS["goes away"])


def assert_survives(endpoint: LoopbackEndpoint, caller: Caller, policy: Failover, death: Death) -> None:
    """Let the first target die in the middle of a stream, of which each text must arrive all the same."""
    endpoint.set_pace(PACE)
    quick = replace(HURRIED if death is DEATHS["hangs"] else QUICK, limits=RequestLimits(texts=16))
    taken = caller.stream(policy, TEXTS, AfterSome(200, lambda: death(endpoint)), settings=quick)
    assert_whole(taken)
    before, after = endpoint.answered("eu-west-1"), endpoint.answered("us-east-1")
    assert before
    assert after
    assert set(before) | set(after) == set(TEXTS)


def test_a_region_that_is_back_is_asked_again(
    endpoint: LoopbackEndpoint, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = write_profiles(tmp_path, endpoint, monkeypatch)
    endpoint.set_pace(PACE)

    def turn(one: TextEmbedding) -> None:
        if one.index == 100:
            endpoint.die("eu-west-1")
        if one.index == 400:  # farther on than anything that may have been asked for before it died
            endpoint.revive("eu-west-1")
        if one.index >= 400 and one.index % 100 == 0:
            time.sleep(0.1)  # longer than a target rests that has failed

    breaker = BreakerSettings(rest_s=0.05, longest_rest_s=0.05)
    quick = settings(limits=RequestLimits(texts=16), breaker=breaker)
    taken = caller.stream(Failover(near, far), TEXTS, turn, settings=quick)
    assert_whole(taken)
    regions = [one.region for one in endpoint.asked()]
    assert "eu-west-1" in regions[regions.index("us-east-1") :]  # it answered none between its death and its return


@pytest.mark.parametrize(
    "policy",
    [Weighted([(NEAR, 1), (FAR, 1)]), LeastOutstanding(NEAR, FAR)],
    ids=["weighted", "least outstanding"],
)
def test_load_is_shared_until_one_dies(endpoint: LoopbackEndpoint, caller: Caller, policy: Any) -> None:
    endpoint.set_pace(PACE)
    quick = settings(limits=RequestLimits(texts=8))  # so many that chance does not make the shares uneven
    taken = caller.stream(policy, TEXTS, AfterSome(450, lambda: endpoint.die("eu-west-1")), settings=quick)
    assert_whole(taken)
    near, far = endpoint.answered("eu-west-1"), endpoint.answered("us-east-1")
    assert len(near) >= 100
    assert len(far) >= 450
    assert set(near) | set(far) == set(TEXTS)


def test_all_regions_gone_is_an_error_that_is_not_waited_for_ever(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    endpoint.die()
    quick = settings(breaker=BreakerSettings(rest_s=0.01, longest_rest_s=0.1))
    with pytest.raises(JinaClientError):
        caller.embed(Failover(NEAR, FAR), TEXTS[:40], deadline_s=3, settings=quick)


HEDGED = Hedged(Failover(NEAR, FAR), percentile=0.9, least_s=0.05, share=1.0)
UNHURRIED = settings(breaker=BreakerSettings(failures=1000))  # however often a hedge was faster, the near one is asked
SLOW = Fault(kind="delay", delay_s=50, region="eu-west-1", times=1)


def assert_hedged(found: list[Embeddings], last: Embeddings) -> None:
    """The last one, to which a slow answer would have come, was hedged, and each was counted once."""
    assert np.array_equal(np.concatenate([*found, last]), right(TEXTS[:31]))
    assert last.usage.hedges == 1
    assert {(one.usage.requests, one.usage.tokens) for one in (*found, last)} == {(1, 6)}


def test_a_slow_request_is_hedged_and_counted_once(endpoint: LoopbackEndpoint) -> None:
    with open_client(HEDGED, settings=UNHURRIED) as client:
        found = [client.embed([text]) for text in TEXTS[:30]]
        endpoint.inject(SLOW)
        assert_hedged(found, client.embed([TEXTS[30]]))


def test_a_slow_request_is_hedged_in_an_event_loop(endpoint: LoopbackEndpoint) -> None:
    async def run() -> None:
        async with open_async_client(HEDGED, settings=UNHURRIED) as client:
            found = [await client.embed([text]) for text in TEXTS[:30]]
            endpoint.inject(SLOW)
            assert_hedged(found, await client.embed([TEXTS[30]]))

    asyncio.run(run())
