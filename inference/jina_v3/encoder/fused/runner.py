"""Batches through the CUDA engine: copies on streams of their own, and a second batch issued while one is computed.

A batch has a slot: staging memory of the host and memory of the device for its inputs and its sums, so that nothing of
it is in the way of the batch before it. What all batches share (the workspace, the graphs' memory) is only touched
by the stream that computes, which does one after the other. A slot is used again when its batch's sums have left it.

A batch with a graph is too small to gain by streams: they would cost it two copies and two waits more than its own
copies take. The stream that computes does all of it, from staging memory to staging memory.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch

from jina_v3.encoder.fused.device_queue import DeviceQueue, Mark
from jina_v3.encoder.fused.graphs import CapturedBatch
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.workspace import Workspace
from jina_v3.encoder.pooling import Sums
from jina_v3.encoder.running import Pending
from jina_v3.tokens.sequences import NO_TASK, TokenBatch

_PATIENT_TOKENS = 2048
"""From so many tokens on, whoever waits sleeps instead of spinning: waking up takes some 50 µs."""


class Graphs(Protocol):
    """Where a small batch finds its graph."""

    def find(self, needed: Capacity) -> CapturedBatch | None:
        """Return a capacity that holds the need, if there is one."""
        ...


class FusedRunner:
    """A :class:`~jina_v3.encoder.running.Runner` over a model and its one workspace."""

    def __init__(
        self,
        model: FusedModel,
        memory: Workspace,
        queue: DeviceQueue,
        graphs: Graphs | None = None,
        *,
        overlap: bool = True,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Without ``overlap`` one stream does everything for one batch at a time. ``details`` are for the log."""
        self.device, self.dtype, self.hidden = model.device, model.dtype, model.hidden
        self.in_flight = 2 if overlap else 1
        self._model, self._memory, self._graphs = model, memory, graphs
        self._details = dict(details or {})
        self._tokens = len(memory.attention_in)
        self._queue = queue
        self._computing = queue.stream()
        self._copying_in, self._copying_out = (
            (queue.stream(), queue.stream()) if overlap else (self._computing, self._computing)
        )
        self._submitting = threading.Lock()
        self._slots = [_Slot(queue, self._tokens, self.hidden) for _ in range(self.in_flight)]
        self._turn = 0
        # memory that a stream still uses must not be given to somebody else
        weakref.finalize(self, _drain, queue).atexit = False

    def submit(self, batch: TokenBatch, dimensions: int) -> Pending:
        """Start a batch. Where all slots are taken it waits for the first of them.

        **Raises**: ValueError for a batch that is larger than the workspace.
        """
        needed = self._check(batch)
        dimensions = min(dimensions, self.hidden)
        with self._submitting:
            slot = self._slots[self._turn % len(self._slots)]
            slot.empty()
            self._turn += 1
            with self._undisturbed():
                captured = self._graphs.find(needed) if self._graphs is not None else None
                if captured is not None:
                    pending = self._replay(slot, batch, captured, dimensions)
                else:
                    pending = self._run(slot, batch, needed, dimensions)
            slot.occupant = pending
            return pending

    def states(self, batch: TokenBatch) -> Sums:
        """Return every token's last state, see :class:`~jina_v3.encoder.running.Runner`."""
        needed = self._check(batch)
        found: list[torch.Tensor] = []
        with self._submitting:
            slot = self._slots[self._turn % len(self._slots)]
            slot.empty()
            with self._undisturbed():
                inputs = self._send(slot, batch, needed)
                self._computing.issue(lambda: found.append(self._model.states(inputs, self._memory).float().cpu()))
                self._computing.mark().wait()
        states: Sums = found[0].numpy()
        return states

    def describe(self) -> dict[str, Any]:
        """Return what the log says of it."""
        return {"overlap": self.in_flight > 1, **self._details}

    def _check(self, batch: TokenBatch) -> Capacity:
        needed = Capacity.of(batch)
        if not self._slots[0].capacity.holds(needed):
            raise ValueError(
                f"a batch of {needed.tokens} tokens and {needed.segments} segments was submitted; "
                f"there is room for {self._tokens} of each: lay out smaller ones"
            )
        return needed

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Let whatever was issued end before an error is passed on: its memory is used again afterwards."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):  # a device that is lost says so again; the first error counts
                self._queue.drain()
            raise

    def _replay(self, slot: _Slot, batch: TokenBatch, captured: CapturedBatch, dimensions: int) -> _InSlot:
        """Have a batch done by a graph. Whole rows come back: fewer columns would be one more pass on the device."""
        segments, room = len(batch.segments), captured.capacity
        block, sums = slot.host_block[: room.values], slot.host_rows(segments, self.hidden)
        fill(block.numpy(), room, batch)

        def work() -> None:
            _copy(captured.block, block)
            captured.replay()
            _copy(sums, captured.sums[:segments])

        self._computing.issue(work)
        return _InSlot(slot, self._computing.mark(patient=len(batch.ids) >= _PATIENT_TOKENS), sums, dimensions)

    def _run(self, slot: _Slot, batch: TokenBatch, needed: Capacity, dimensions: int) -> _InSlot:
        segments = needed.segments
        sums = slot.sums[: segments * dimensions].view(segments, dimensions)
        inputs = self._send(slot, batch, needed)
        self._computing.issue(lambda: self._model.sums(inputs, self._memory, sums))
        self._copying_out.wait_for(self._computing.mark())
        staged = slot.host_rows(segments, dimensions)
        self._copying_out.issue(lambda: _copy(staged, sums))
        return _InSlot(slot, self._copying_out.mark(patient=needed.tokens >= _PATIENT_TOKENS), staged, dimensions)

    def _send(self, slot: _Slot, batch: TokenBatch, room: Capacity) -> Inputs:
        """Lay a batch out in the slot's staging memory and have it copied; the computing stream will wait for that."""
        host, block = slot.host_block[: room.values], slot.block[: room.values]
        fill(host.numpy(), room, batch)
        self._copying_in.issue(lambda: _copy(block, host))
        self._computing.wait_for(self._copying_in.mark())
        return Inputs.view(block, room, adapted=bool((batch.tasks != NO_TASK).any()))


class _Slot:
    """One batch's memory, on the host and on the device."""

    def __init__(self, queue: DeviceQueue, tokens: int, hidden: int) -> None:
        # a sequence has a token at the least and so has a segment; sequences may be as long as there is room
        self.capacity = Capacity(tokens, tokens, tokens, tokens)
        self.host_block = queue.staging(self.capacity.values, torch.int32)
        self.block = queue.memory(self.capacity.values, torch.int32)
        self.sums = queue.memory(tokens * hidden, torch.float32)
        self.host_sums = queue.staging(tokens * hidden, torch.float32)
        self.occupant: _InSlot | None = None

    def host_rows(self, rows: int, columns: int) -> torch.Tensor:
        """Return staging memory for sums. **Shapes**: ``(rows, columns)``."""
        return self.host_sums[: rows * columns].view(rows, columns)

    def empty(self) -> None:
        """Wait until the batch that is in it has come back; its result is then kept beside."""
        if (occupant := self.occupant) is not None:
            occupant.come_back()


class _InSlot:
    """A batch whose sums come back into a slot's staging memory."""

    def __init__(self, slot: _Slot, arrived: Mark, staged: torch.Tensor, dimensions: int) -> None:
        """Make the first ``dimensions`` columns of ``staged`` the result, once ``arrived`` is past."""
        self._slot: _Slot | None = slot
        self._arrived, self._staged, self._dimensions = arrived, staged, dimensions
        self._lock = threading.Lock()
        self._sums: Sums | None = None
        self._error: Exception | None = None

    def come_back(self) -> None:
        """Wait for the copy, and take the sums out of the slot. Whoever comes first does it: owner or next in turn."""
        with self._lock:
            slot = self._slot
            if slot is None:
                return
            try:
                self._arrived.wait()
                self._sums = self._staged.numpy()[:, : self._dimensions].copy()
            except Exception as error:  # noqa: BLE001  it is the owner's, who may not be the one that waits
                self._error = error
            self._slot = slot.occupant = None  # from now on the result is its owner's alone

    def result(self) -> Sums:
        """Wait for the sums."""
        self.come_back()
        if self._error is not None:
            raise self._error
        assert self._sums is not None
        return self._sums


def _copy(to: torch.Tensor, source: torch.Tensor) -> None:
    to.copy_(source, non_blocking=True)


def _drain(queue: DeviceQueue) -> None:
    with contextlib.suppress(Exception):
        queue.drain()
