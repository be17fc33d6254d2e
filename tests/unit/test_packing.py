"""Packing and windows: every token once, nothing over the budget, nothing lost."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from jina_v3.encoder.packing import to_batch
from jina_v3.tokens.late_chunking import WindowConfig, join_chunks, windows
from jina_v3.tokens.sequences import DROPPED, NO_TASK, TokenSequence, pack

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=60)


def sequences_of(sizes: list[int]) -> list[TokenSequence]:
    first = np.cumsum([0, *sizes])
    return [
        TokenSequence(np.arange(first[row], first[row] + size), row % 6 - 1, ((size, row),))
        for row, size in enumerate(sizes)
    ]


@given(lengths, st.integers(1, 1000))
def test_batches_hold_every_sequence_once_within_the_budget(sizes: list[int], budget: int) -> None:
    batches = list(pack(sequences_of(sizes), budget))
    rows = [sequence.segments[0][1] for batch in batches for sequence in batch]
    assert sorted(rows) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) == 1 or sum(len(sequence.ids) for sequence in batch) <= budget
    # a batch is closed only when the next sequence does not fit
    for batch, following in pairwise(batches):
        assert sum(len(sequence.ids) for sequence in batch) + len(following[0].ids) > budget


@given(lengths)
def test_a_packed_batch_says_where_everything_lies(sizes: list[int]) -> None:
    batch = to_batch(sequences_of(sizes), torch.device("cpu"))
    offsets = batch.cu_seqlens.tolist()
    assert offsets == [0, *np.cumsum(sizes).tolist()]
    assert batch.cu_seqlens.dtype == torch.int32
    assert batch.max_length == max(sizes)
    assert batch.ids.tolist() == list(range(sum(sizes)))
    for row, size in enumerate(sizes):
        span = slice(offsets[row], offsets[row + 1])
        assert batch.positions[span].tolist() == list(range(size))
        assert set(batch.tasks[span].tolist()) == {row % 6 - 1}
    covered = [(start + i * length, length) for start, count, length in batch.runs for i in range(count)]
    assert covered == list(zip(offsets, sizes, strict=False))
    assert batch.task_set == {row % 6 - 1 for row in range(len(sizes))}


@given(
    st.lists(st.integers(1, 120), min_size=1, max_size=12),
    st.integers(2, 90).flatmap(lambda window: st.tuples(st.just(window), st.integers(0, window - 1))),
    st.integers(0, 12),
)
def test_windows_pool_every_token_once_into_its_chunk(sizes: list[int], cut: tuple[int, int], head: int) -> None:
    window, overlap = cut
    first = np.cumsum([0, *sizes]) + 1000
    chunks = [np.arange(first[i], first[i] + size) for i, size in enumerate(sizes)]
    ids, spans = join_chunks(np.arange(head), chunks, np.array([2]))
    pooled: dict[int, list[int]] = {row: [] for row in range(7, 7 + len(sizes))}
    made = windows(ids, spans, 7, NO_TASK, WindowConfig(window=window, overlap=overlap))
    for number, sequence in enumerate(made):
        assert len(sequence.ids) <= window
        assert sum(length for length, _ in sequence.segments) == len(sequence.ids)
        at = 0
        for length, row in sequence.segments:
            assert length > 0
            if row == DROPPED:
                assert at == 0
                assert number > 0
                assert length == overlap
            else:
                pooled[row] += sequence.ids[at : at + length].tolist()
            at += length
    assert len(made) == 1 or all(len(sequence.ids) == window for sequence in made[:-1])
    joined = [token for row in sorted(pooled) for token in pooled[row]]
    assert joined == ids.tolist()
    assert [len(pooled[row]) for row in sorted(pooled)] == spans
