"""Batches for the CUDA engine's forward pass, and what it computes of them without any graph."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import strategies as st

from jina_v3.contract import TASKS
from jina_v3.encoder.fused.graphs import CapturedBatch
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.tokens.sequences import DROPPED, NO_TASK, TokenBatch, TokenSequence

VOCABULARY = 590


def make_sequence(rng: np.random.Generator, length: int, row: int, task: int = NO_TASK) -> TokenSequence:
    """One text in one segment."""
    return TokenSequence(rng.integers(5, VOCABULARY, length), task, ((length, row),))


@st.composite
def batches(draw: st.DrawFn, most_tokens: int, most_sequences: int) -> list[TokenSequence]:
    """Sequences of any lengths and tasks, their segments cut anywhere, some dropped."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, most_sequences))
    lengths = draw(st.lists(st.integers(1, most_tokens // count), min_size=count, max_size=count))
    sequences = []
    for row, length in enumerate(lengths):
        task = draw(st.integers(NO_TASK, len(TASKS) - 1))
        cuts = draw(st.sets(st.integers(1, max(1, length - 1)), max_size=2)) if length > 1 else set()
        ends = [0, *sorted(cuts), length]
        segments = tuple((end - start, draw(st.sampled_from([row, DROPPED]))) for start, end in pairwise(ends))
        sequences.append(TokenSequence(rng.integers(5, VOCABULARY, length), task, segments))
    return sequences


def to_block(batch: TokenBatch, capacity: Capacity) -> torch.Tensor:
    """The batch as a block on the host."""
    block = np.full(capacity.values, 7777, np.int32)  # what is not written would show
    fill(block, capacity, batch)
    return torch.from_numpy(block)


def put(captured: CapturedBatch, batch: TokenBatch) -> None:
    """Copy a batch into a graph's memory."""
    captured.block.copy_(to_block(batch, captured.capacity))


def eager_sums(model: FusedModel, batch: TokenBatch, capacity: Capacity, *, adapted: bool) -> torch.Tensor:
    """The sums of a batch in memory of its own that nothing has used before."""
    inputs = Inputs.view(to_block(batch, capacity).to(model.device), capacity, adapted=adapted)
    memory = model.workspace(capacity.tokens)
    for name in memory.__slots__:
        getattr(memory, name).fill_(0.5)
    sums = torch.full((capacity.segments, model.hidden), torch.nan, device=model.device)
    model.sums(inputs, memory, sums)
    return sums
