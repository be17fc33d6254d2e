"""A batch that the device has no memory for: cut in two, tried once more, and then refused with what helps."""

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jina_v3.encoder.running import Finished, Pending
from jina_v3.encoder.splitting import SplittingRunner, halves
from jina_v3.errors import DeviceMemoryError, JinaV3Error
from jina_v3.serving.faults import is_device_lost
from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 11.90 GiB"


class FakeRunner:
    """Sums ids; ``fails`` says which batches, by their number, meet no memory: at once, or when they come back."""

    device, dtype, hidden, in_flight = torch.device("cpu"), torch.float16, 2, 2

    def __init__(self, fails: Callable[[int, TokenBatch], bool] = lambda _number, _batch: False, *, late: bool) -> None:
        self.seen: list[int] = []
        self.in_device = 0
        self._fails, self._late = fails, late

    def submit(self, batch: TokenBatch, dimensions: int) -> Pending:
        self.seen.append(len(batch.ids))
        assert self.in_device < self.in_flight, "a slot is waited for that nobody will empty"
        if self._fails(len(self.seen), batch):
            if not self._late:
                raise torch.OutOfMemoryError(FULL)
            return Late(self, None)
        starts = np.cumsum(batch.segments[:, 0]) - batch.segments[:, 0]
        sums = np.add.reduceat(batch.ids, starts).astype(np.float32)
        return Late(self, np.repeat(sums[:, None], dimensions, 1))

    def states(self, batch: TokenBatch) -> np.ndarray:
        raise torch.OutOfMemoryError(FULL)

    def describe(self) -> dict[str, object]:
        return {"what": "fake"}


class Late:
    def __init__(self, runner: FakeRunner, sums: np.ndarray | None) -> None:
        self._runner, self._sums = runner, sums
        self._runner.in_device += 1

    def result(self) -> np.ndarray:
        self._runner.in_device -= 1
        if self._sums is None:
            raise torch.OutOfMemoryError(FULL)
        return self._sums


class Memory:
    """What is asked of a device's memory."""

    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        self.released += 1

    def free_bytes(self) -> int:
        return 300 * 2**20


def splitting(runner: FakeRunner) -> tuple[SplittingRunner, Memory]:
    memory = Memory()
    return SplittingRunner(runner, memory.release, memory.free_bytes), memory


@st.composite
def batches(draw: st.DrawFn, least: int = 1) -> TokenBatch:
    sequences = []
    row = 0
    for _ in range(draw(st.integers(least, 6))):
        lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
        ids = np.array(draw(st.lists(st.integers(0, 99), min_size=sum(lengths), max_size=sum(lengths))))
        sequences.append(TokenSequence(ids, NO_TASK + row % 4, tuple((one, row) for one in lengths)))
        row += 1
    return lay_out(sequences, row, dimensions=2)


@given(batches(least=2))
def test_halves_make_up_the_whole(batch):
    parts = halves(batch)
    for name in ("ids", "lengths", "tasks", "segments"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(batch, name))
    for part in parts:
        assert len(part.lengths)
        assert part.lengths.sum() == part.segments[:, 0].sum() == len(part.ids)
        assert (part.rows, part.dimensions) == (batch.rows, batch.dimensions)
    difference = abs(len(parts[0].ids) - len(parts[1].ids))
    assert difference <= batch.lengths.max()  # no other cut is nearer the middle by a sequence


@pytest.mark.parametrize("late", [False, True])
@given(batches())
def test_what_fails_once_comes_back_whole(late, batch):
    plain = FakeRunner(late=late).submit(batch, 2).result()
    runner = FakeRunner(lambda number, _: number == 1, late=late)
    splitter, memory = splitting(runner)
    pending = splitter.submit(batch, 2)
    assert np.array_equal(pending.result(), plain)
    if not late:
        assert isinstance(pending, Finished)
    assert memory.released == 1
    assert len(runner.seen) == 1 + min(2, len(batch.lengths))
    assert sum(runner.seen) == 2 * len(batch.ids)


@pytest.mark.parametrize("late", [False, True])
def test_halves_that_fail_too_are_an_error_that_helps(late, caplog):
    batch = lay_out([TokenSequence(np.full(400, 1), NO_TASK, ((400, row),)) for row in range(4)], 4)
    runner = FakeRunner(lambda number, _: number in (1, 3, 5, 6), late=late)
    splitter, memory = splitting(runner)
    with caplog.at_level(logging.WARNING), pytest.raises(JinaV3Error) as caught:
        splitter.submit(batch, 2).result()
    assert isinstance(caught.value, DeviceMemoryError)
    for said in ("1600 tokens", "Tried to allocate 2.00 GiB;", "300 MiB are free", "JINA_V3_MAX_BATCH_TOKENS"):
        assert said in str(caught.value)
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory: the batch is cut in two and tried again",
        "out of memory",
    ]
    assert not is_device_lost(caught.value)
    assert memory.released == 2
    assert np.array_equal(splitter.submit(batch, 2).result(), np.full((4, 2), 400.0))  # the next one


def test_one_text_alone_is_not_said_to_be_a_batch():
    batch = lay_out([TokenSequence(np.full(400, 1), NO_TASK, ((400, 0),))], 1)
    said = r"a text of 400 tokens .*Tried to allocate 2\.00 GiB; .*Stop what else"
    with pytest.raises(DeviceMemoryError, match=said):
        splitting(FakeRunner(lambda _number, _batch: True, late=False))[0].submit(batch, 1)


def test_a_full_device_has_room_for_the_retry(caplog):
    batch = lay_out([TokenSequence(np.full(5, 1), NO_TASK, ((5, row),)) for row in range(2)], 2)
    splitter, _ = splitting(FakeRunner(lambda number, _: number == 2, late=False))
    (
        first,
        second,
    ) = splitter.submit(batch, 1), splitter.submit(batch, 1)  # the halves go beside the first
    assert np.array_equal(first.result(), second.result())


def test_states_say_it_too():
    batch = lay_out([TokenSequence(np.full(5, 1), NO_TASK, ((5, 0),))], 1)
    splitter, memory = splitting(FakeRunner(late=False))
    with pytest.raises(DeviceMemoryError, match="5 tokens"):
        splitter.states(batch)
    assert memory.released == 1
    assert splitter.describe() == {"what": "fake"}


def test_other_errors_pass():
    class Broken(FakeRunner):
        def submit(self, batch: TokenBatch, dimensions: int) -> Pending:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    splitter, memory = splitting(Broken(late=False))
    with pytest.raises(RuntimeError, match="illegal") as caught:
        splitter.submit(lay_out([TokenSequence(np.full(5, 1), NO_TASK, ((5, 0),))], 1), 1)
    assert is_device_lost(caught.value)
    assert memory.released == 0
