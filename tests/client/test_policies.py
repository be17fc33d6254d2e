"""Policies: who is asked, in what proportion, and how they hold one another."""

import dataclasses
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scripted_world import WORK, World, always, by_target
from tests.support.service_answers import answered
from tests.support.virtual_time import run

from jina_v3.contract import Task
from jina_v3_client.errors import ConfigurationError
from jina_v3_client.routing import (
    ByTask,
    Endpoint,
    Failover,
    Hedged,
    InferenceRouter,
    LeastOutstanding,
    Only,
    Weighted,
    as_policy,
)

A, B, C = Endpoint("a"), Endpoint("b"), Endpoint("c")
OK = answered()


class View:
    """Of targets with so many requests each."""

    def __init__(self, seed=0, **outstanding):
        self.random = random.Random(seed).random
        self._outstanding = outstanding

    def outstanding(self, target):
        return self._outstanding.get(target.name, 0)


def order(policy, view=None, work=WORK):
    return [candidate.target.name for candidate in policy.order(work, view or View())]


def test_a_name_an_arn_and_a_target_are_policies_of_one():
    router = InferenceRouter("everywhere")
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/a"
    assert as_policy("a") == as_policy(A) == Only(A)
    assert as_policy(arn).targets == (Endpoint("a", region="eu-west-1"),)
    assert as_policy(router).targets == (router,)
    assert as_policy(Failover("a")) == Failover(A)


def test_failover_keeps_its_order():
    assert order(Failover("a", Failover("c", "b"))) == ["a", "c", "b"]


def test_weights_are_obeyed_in_proportion_by_all_calls_of_a_client():
    world = World(always(OK), Weighted({"a": 7, "b": 2, "c": 1}), seed=3)
    run(world.calls(4000, concurrency=8))
    counts = Counter(sent.target.name for sent in world.sent)
    for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        deviation = (4000 * share * (1 - share)) ** 0.5
        assert abs(counts[name] - 4000 * share) < 4 * deviation


def test_a_weighted_targets_failure_goes_to_the_others_by_their_weights():
    seconds = Counter(order(Weighted({"a": 5, "b": 3, "c": 1}), View(seed))[1] for seed in range(3000))
    # the second of a draw without replacement: sum over the first of w1/9 * w2/(9 - w1)
    chances = {"a": 5 / 9 * (3 / 6 + 1 / 8), "b": 3 / 9 * (5 / 4 + 1 / 8), "c": 1 / 9 * (5 / 4 + 3 / 6)}
    assert sum(chances.values()) == pytest.approx(1)
    for name, share in chances.items():
        assert seconds[name] == pytest.approx(3000 * share, rel=0.1)


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(1e-6, 1e6), min_size=1), st.floats(0, 1))
def test_a_draw_by_weights_has_everyone_once(weights, number):
    view = View()
    view.random = lambda: number
    assert sorted(order(Weighted(weights), view)) == sorted(weights)


def test_the_least_outstanding_comes_first_and_chance_decides_between_equals():
    policy = LeastOutstanding("a", "b", "c")
    assert order(policy, View(a=3, b=1, c=2)) == ["b", "c", "a"]
    firsts = Counter(order(policy, View(seed))[0] for seed in range(300))
    assert all(firsts[name] > 60 for name in "abc")


def test_least_outstanding_holds_every_targets_load_alike_however_slow_it_is():
    world = World(by_target(a=always(OK, 1.0), b=always(OK, 0.1)), LeastOutstanding(A, B))
    run(world.calls(1000, concurrency=10))
    assert max(sent.flying for sent in world.sent) <= 6
    assert len(world.asked(B)) == pytest.approx(10 * len(world.asked(A)), rel=0.2)


def test_tasks_go_to_those_that_are_theirs():
    policy = ByTask({"retrieval.query": "a", None: "c"}, otherwise=Failover("b", "c"))
    world = World(always(OK), policy)
    tasks = [Task.RETRIEVAL_QUERY, None, Task.RETRIEVAL_PASSAGE, Task.SEPARATION]
    run(world.calls(4, concurrency=1, works=[dataclasses.replace(WORK, task=task) for task in tasks]))
    assert [sent.target.name for sent in world.sent] == ["a", "c", "b", "b"]
    assert {target.name for target in policy.targets} == {"a", "b", "c"}


def test_a_task_that_nobody_takes_is_an_error_that_names_it():
    world = World(always(OK), ByTask({"retrieval.query": "a"}))
    with pytest.raises(ConfigurationError, match="separation"):
        run(world.call(dataclasses.replace(WORK, task=Task.SEPARATION)))
    assert world.sent == []


def test_policies_compose_and_hedging_belongs_to_the_part_it_stands_around():
    fast = Hedged(Failover("a", "b"))
    policy = ByTask({"retrieval.query": fast}, otherwise=Weighted([(LeastOutstanding("b", "c"), 1)]))
    query = policy.order(dataclasses.replace(WORK, task=Task.RETRIEVAL_QUERY), View())
    assert [(one.target.name, one.hedged) for one in query] == [("a", fast), ("b", fast)]
    assert all(one.hedged is None for one in policy.order(WORK, View()))


@pytest.mark.parametrize(
    "policy",
    [
        Only(A),
        Failover(A, B),
        Weighted({A: 2, B: 3}),
        LeastOutstanding(A, Failover(B, C)),
        ByTask({"separation": A, None: B}, otherwise=C),
        Hedged(Failover(A, B), percentile=0.9, least_s=0.2, share=0.3),
    ],
)
def test_a_policy_over_other_targets_is_the_same_policy(policy):
    placed = policy.mapped(lambda target: dataclasses.replace(target, region="eu-west-1"))
    assert [target.label for target in placed.targets] == [f"eu-west-1/{target.name}" for target in policy.targets]
    assert placed.mapped(lambda target: dataclasses.replace(target, region=None)) == policy
    assert hash(placed) != hash(policy)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Failover(), "Failover has no targets"),
        (lambda: Weighted({}), "Weighted has no targets"),
        (lambda: LeastOutstanding(), "LeastOutstanding has no targets"),
        (lambda: Weighted({"a": 0}), "weight of a is 0"),
        (lambda: Weighted({"a": float("nan")}), "weight of a is nan"),
        (lambda: Weighted({"a": True}), "weight of a is True"),
        (lambda: Weighted([(A, "3")]), "weight of a is '3'"),
        (lambda: ByTask({}), "neither tasks nor otherwise"),
        (lambda: ByTask({"retrieval": "a"}), "'retrieval' is no task"),
        (lambda: Hedged("a", percentile=95), "percentile is 95"),
        (lambda: Hedged("a", least_s=0), "least_s is 0"),
        (lambda: Hedged("a", share=2), "share is 2"),
        (lambda: Failover("a", 3), "int is no target"),
        (lambda: Failover("no such name!"), "no such name!"),
    ],
)
def test_a_policy_that_cannot_be_says_what_it_takes(make, words):
    with pytest.raises(ConfigurationError, match=words):
        make()
