"""Small batches as CUDA graphs: some two hundred launches, which cost the host more than the device, become one.

A graph has a fixed capacity. A batch is written into its block and filled up harmlessly (``inputs.fill``); since the
kernels read where sequences end from device memory, a replay computes that batch exactly. All graphs share one
workspace and one pool, so they are replayed one after another, on one stream: the engine's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from jina_v3.contract import TASKS
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.layer import SHORT
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.workspace import Workspace
from jina_v3.tokens.sequences import NO_TASK, TokenBatch

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Records the work that a function issues, and returns what replays it; ``lambda run: run`` records nothing."""

_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Above, the device's work takes longer than the launches, and padding costs more than it saves."""
_SEQUENCES = (1, 8, 64)
_LENGTHS = (SHORT, 512)
"""The longest sequence chooses short attention, and sizes the other's grid: most of its blocks would find nothing to
do without classes."""
_LEAST_LENGTH = 2
"""``<s>`` and ``</s>``."""
_SEGMENTS = 4
"""Per sequence: one of text, two with a dropped overlap, more for few chunks of a document."""


@dataclass(frozen=True, slots=True)
class CapturedBatch:
    """A forward pass over fixed memory: fill the block, replay, read the sums before the next replay.

    **Shapes**: ``block: (capacity.values,)`` int32; ``sums: (segments, hidden)`` fp32, both on the device.
    """

    capacity: Capacity
    block: torch.Tensor
    sums: torch.Tensor
    replay: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Captured:
    """One capture and what it cost. **Units**: seconds; bytes of the device's memory."""

    batch: CapturedBatch
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A capacity that has no graph, and why."""

    capacity: Capacity
    why: str


class GraphSet:
    """The captured capacities, cheapest first."""

    def __init__(self, captured: Iterable[Captured], left_out: Sequence[LeftOut] = ()) -> None:
        self._captured = sorted(captured, key=lambda one: _cost(one.batch.capacity))
        self._left_out = tuple(left_out)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._captured)

    def find(self, needed: Capacity) -> CapturedBatch | None:
        """Return the cheapest that holds the need: fewest tokens, then sequences, then the shortest longest one."""
        return next((one.batch for one in self._captured if one.batch.capacity.holds(needed)), None)

    def table(self) -> dict[str, object]:
        """Return what the log says of start-up: totals, a row a capture, and what was left out and why."""
        return {
            "graphs": len(self._captured),
            "ms": round(1000 * sum(one.seconds for one in self._captured), 1),
            "bytes": sum(one.bytes for one in self._captured),
            "captured": [
                {**asdict(one.batch.capacity), "ms": round(1000 * one.seconds, 1), "bytes": one.bytes}
                for one in self._captured
            ],
            "left_out": [{**asdict(one.capacity), "why": one.why} for one in self._left_out],
        }


def ladder(max_tokens: int, budget: int) -> list[Capacity]:
    """Return the capacities worth a graph, most useful first: single queries, small batches, then the rest.

    **Units**: a text has at most ``max_tokens`` tokens, a batch ``budget``.
    """
    capacities: list[Capacity] = []
    below = 0
    for tokens in (one for one in _TOKENS if one <= budget):
        for sequences in sorted({min(one, tokens // _LEAST_LENGTH) for one in _SEQUENCES}):
            classes = (tokens,) if sequences == 1 else (*_LENGTHS, tokens)
            capacities += (
                Capacity(tokens, sequences, _SEGMENTS * sequences, length)
                for length in sorted({min(one, tokens, max_tokens) for one in classes})
                if sequences * length > below  # or a smaller rung holds all of it
            )
        below = tokens
    return sorted(capacities, key=lambda one: (_rank(one), *_cost(one)))


def _rank(capacity: Capacity) -> int:
    if capacity.sequences == 1 and capacity.tokens <= 512:  # a query, a paragraph
        return 0
    return 1 if capacity.sequences <= _SEQUENCES[1] and capacity.tokens <= 1024 else 2


def _cost(capacity: Capacity) -> tuple[int, int, int, int]:
    return capacity.tokens, capacity.sequences, capacity.max_length, capacity.segments


def capture_graphs(
    model: FusedModel,
    memory: Workspace,
    capacities: Sequence[Capacity],
    capture: Capture,
    *,
    limit_s: float,
    limit_bytes: int,
    free_bytes: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
) -> GraphSet:
    """Capture the capacities in order, until the seconds or bytes are spent.

    One that fails is left out, and with it all that hold more than it; the load goes on. Each graph is replayed once
    and its sums are compared, bit for bit, with those of the same work without a graph.

    Call it on the thread that will replay, after the kernels have been compiled: a compilation would use the time up.

    **Units**: seconds and bytes; the one that is under way when a limit is reached is finished and kept, so both may
    be exceeded by one capture. ``free_bytes`` says what the device has free.
    """
    start, most_free = clock(), free_bytes()
    captured: list[Captured] = []
    left_out: list[LeftOut] = []
    failed: list[Capacity] = []
    for capacity in capacities:
        began, free = clock(), free_bytes()
        most_free = max(most_free, free)  # a capture begins with giving back what the allocator keeps
        needed_bytes = max(0, most_free - free) + _own_bytes(capacity, model.hidden)
        smaller = next((one for one in failed if capacity.holds(one)), None)
        if smaller is not None:
            left_out.append(LeftOut(capacity, f"{smaller} failed, which is smaller"))
        elif began - start >= limit_s:
            left_out.append(LeftOut(capacity, f"the {limit_s:g} s for graphs are spent"))
        elif needed_bytes > limit_bytes:
            left_out.append(LeftOut(capacity, f"it needs {needed_bytes} of {limit_bytes} bytes for graphs"))
        else:
            try:
                batch = _capture(model, memory, capacity, capture)
            except Exception as error:  # noqa: BLE001  without its graph a batch is still served
                failed.append(capacity)
                left_out.append(LeftOut(capacity, _reason(error)))
            else:
                captured.append(Captured(batch, clock() - began, max(0, free - free_bytes())))
    return GraphSet(captured, left_out)


def _own_bytes(capacity: Capacity, hidden: int) -> int:
    return 4 * (capacity.values + capacity.segments * hidden)


def _capture(model: FusedModel, memory: Workspace, capacity: Capacity, capture: Capture) -> CapturedBatch:
    host = np.empty(capacity.values, np.int32)
    fill(host, capacity, _full_batch(capacity))
    block = torch.from_numpy(host).to(model.device, copy=True)
    sums = torch.zeros(capacity.segments, model.hidden, dtype=torch.float32, device=model.device)
    inputs = Inputs.view(block, capacity, adapted=model.sizes.columns > 0)

    def run() -> None:
        model.sums(inputs, memory, sums)

    replay = capture(run)
    run()
    wanted = sums.clone()
    sums.fill_(torch.nan)
    replay()
    if not torch.equal(sums.view(torch.int32), wanted.view(torch.int32)):  # bits, so that NaN is NaN
        raise RuntimeError("the graph's sums are not those of the same work without a graph")
    return CapturedBatch(capacity, block, sums, replay)


def _full_batch(capacity: Capacity) -> TokenBatch:
    """Return as many tokens as there is room for, in sequences of all tasks."""
    sequences = capacity.sequences
    tokens = min(capacity.tokens, sequences * capacity.max_length)
    lengths = np.full(sequences, tokens // sequences)
    lengths[: tokens % sequences] += 1
    return TokenBatch(
        ids=np.arange(tokens) % 4,  # the special tokens, which every vocabulary has
        lengths=lengths,
        tasks=np.arange(sequences) % (len(TASKS) + 1) + NO_TASK,
        segments=np.stack([lengths, np.arange(sequences)], 1),
        rows=sequences,
    )


def _reason(error: BaseException) -> str:
    """Return what went wrong first: leaving a capture that failed raises once more."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}".splitlines()[0]


def cuda_capture(device: torch.device) -> Capture:
    """Capture with CUDA, on a stream of its own and into a pool that all graphs share.

    - The work is run once beforehand on the same stream: that loads kernels, which a capture may not do, and makes
      cuBLAS's workspace of this stream, which the graphs then share, in ordinary memory.
    - Other threads may allocate and copy meanwhile: only this thread's mistakes end the capture (``thread_local``).
    - Only kinds in ``attention.CAPTURABLE`` may be in the work.
    - Graphs, failed ones too, live as long as any of them: where torch frees the workspace of a graph's stream with
      the graph (2.13 does), the others would still point into it (pytorch/pytorch#193402).
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's
    pool = torch.cuda.graph_pool_handle()
    graphs: list[torch.cuda.CUDAGraph] = []

    def capture(run: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        graphs.append(graph)
        current = torch.cuda.current_stream(device)
        # the outer context puts the current stream back even where leaving a failed capture raises halfway
        with torch.cuda.device(device), torch.cuda.stream(current):
            stream.wait_stream(current)
            try:
                with torch.cuda.stream(stream):
                    run()
                with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                    run()
            finally:  # whatever comes next uses the same workspace
                current.wait_stream(stream)
        index = len(graphs) - 1
        return lambda: graphs[index].replay()

    return capture
