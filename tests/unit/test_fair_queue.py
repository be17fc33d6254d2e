"""Who is next: equal shares, oldest first, nobody starves, nothing lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jina_v3.serving.batching.fair_queue import FairQueue, entry_of
from jina_v3.tokens.sequences import NO_TASK, TokenSequence


def sequences(*lengths: int) -> list[tuple[int, TokenSequence]]:
    return [
        (index, TokenSequence(np.full(length, index), NO_TASK, ((length, index),)))
        for index, length in enumerate(lengths)
    ]


def owners(taken) -> list[str]:
    return [entry.owner for entry, _, _ in taken]


def queue_of(quantum: int, **requests: list[int]) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue(quantum)
    for owner, lengths in requests.items():
        queue.add(entry_of(owner, sequences(*lengths)))
    return queue


requests = st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=12), max_size=12)


@given(requests, st.integers(1, 400), st.integers(1, 600))
def test_everything_comes_out_once_within_the_budget_and_in_its_requests_order(lengths, quantum, budget):
    queue = queue_of(quantum, **{str(number): each for number, each in enumerate(lengths)})
    out: dict[str, list[int]] = {str(number): [] for number in range(len(lengths))}
    assert queue.tokens == sum(map(sum, lengths))
    while len(queue):
        taken = queue.take(budget)
        assert taken
        assert sum(len(one.ids) for _, _, one in taken) <= budget or len(taken) == 1
        for entry, index, _ in taken:
            out[entry.owner].append(index)
    assert queue.tokens == 0
    assert queue.take(budget) == []
    assert list(out.values()) == [list(range(len(each))) for each in lengths]


def test_small_requests_leave_oldest_first():
    queue = queue_of(64, a=[16], b=[16], c=[16], d=[16])
    assert owners(queue.take(32)) == ["a", "b"]
    queue.add(entry_of("e", sequences(16)))
    assert owners(queue.take(100)) == ["c", "d", "e"]


def test_a_large_request_gives_way_to_those_that_come_after_it():
    queue = queue_of(256, large=[100] * 1000)
    assert len(queue.take(2048)) == 20  # alone it has all of a batch
    for number in range(40):
        queue.add(entry_of(f"query {number}", sequences(16)))
    taken = owners(queue.take(2048))
    assert {f"query {number}" for number in range(40)} < set(taken)
    assert taken.count("large") == (2048 - 40 * 16) // 100  # and still what is left of one


def test_large_requests_share():
    queue = queue_of(100, a=[50] * 100, b=[50] * 100, c=[50] * 100)
    for _ in range(5):
        taken = owners(queue.take(600))
        assert [taken.count(owner) for owner in "abc"] == [4, 4, 4]


def test_a_stream_of_small_requests_does_not_starve_a_large_one():
    queue = queue_of(256, large=[512] * 10)
    batches = 0
    while "large" in {entry.owner for entry in queue._entries.values()}:
        for number in range(200):
            queue.add(entry_of(f"{batches}-{number}", sequences(16)))  # more than a batch each time
        queue.take(2048)
        batches += 1
        assert batches < 60


def test_what_does_not_fit_begins_the_next_batch():
    queue = queue_of(1000, a=[600], b=[600], c=[300])
    assert owners(queue.take(1000)) == ["a", "c"]
    queue.add(entry_of("d", sequences(600)))
    assert owners(queue.take(1000)) == ["b"]
    assert owners(queue.take(1000)) == ["d"]


def test_what_is_longer_than_a_batch_goes_alone():
    queue = queue_of(100, a=[10], b=[5000], c=[10])
    assert owners(queue.take(1000)) == ["a", "c"]
    assert owners(queue.take(1000)) == ["b"]


def test_a_request_that_is_discarded_leaves_nothing_behind():
    queue = queue_of(10, a=[10, 10, 10], b=[10])
    entry, _, _ = queue.take(10)[0]
    assert (entry.owner, queue.tokens) == ("a", 30)
    queue.discard(entry)
    queue.discard(entry)
    assert (queue.tokens, len(queue)) == (10, 1)
    assert owners(queue.take(100)) == ["b"]
    assert queue_of(10, a=[1], b=[2]).clear() == ["a", "b"]


def test_what_a_request_waits_for():
    queue = queue_of(100, large=[100] * 50, small=[16])
    assert queue.tokens_before(16) == 16 + 16 + 100  # of the large one its turn, and what goes beside its own
    assert queue.tokens_before(100_000) == queue.tokens == 5016
