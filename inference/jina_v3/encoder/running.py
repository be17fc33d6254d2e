"""How batches get through a model: what the encoder asks of every engine, and the portable one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from jina_v3.encoder.model import Model
from jina_v3.encoder.packing import to_device
from jina_v3.encoder.pooling import Sums, segment_sums
from jina_v3.tokens.sequences import TokenBatch


class Pending(Protocol):
    """A batch on its way through the device."""

    def result(self) -> Sums:
        """Wait for the batch, and return its sums; whatever went wrong is raised here, each time.

        **Shapes**: ``(segments, dimensions)`` float32; where a server asks, ``(rows, dimensions)``.
        """
        ...


class Runner(Protocol):
    """A model on one device. Calls may come from several threads.

    ``in_flight``: how many batches should be submitted before the first one's result is asked for; 1 where
    :meth:`submit` only returns when all is done.
    """

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What states are in."""
        ...

    @property
    def hidden(self) -> int:
        """The model's width."""
        ...

    @property
    def in_flight(self) -> int:
        """How many batches keep the device busy."""
        ...

    def submit(self, batch: TokenBatch, dimensions: int) -> Pending:
        """Start a batch; of each segment's sum the first ``dimensions`` values come back, at most ``hidden``."""
        ...

    def states(self, batch: TokenBatch) -> Sums:
        """Return every token's last state. **Shapes**: ``(tokens, hidden)`` float32."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what the log says of how it computes."""
        ...


@dataclass(frozen=True, slots=True)
class Finished:
    """A batch that is done."""

    sums: Sums

    def result(self) -> Sums:
        """Return the sums."""
        return self.sums


class PortableRunner:
    """The forward pass of plain torch: the CPU, and CUDA devices that have no better.

    On the CPU ``submit`` computes before it returns.

    **Raises**: RuntimeError in a fork of the process that made it, where torch would wait for threads that are gone.
    """

    def __init__(self, model: Model, details: Mapping[str, Any] | None = None) -> None:
        self._model = model
        self._details = dict(details or {})
        self.device, self.dtype, self.hidden = model.device, model.dtype, model.hidden
        self.in_flight = 2 if model.device.type == "cuda" else 1
        self._process = os.getpid()

    def submit(self, batch: TokenBatch, dimensions: int) -> Pending:
        """Start a batch, see :class:`Runner`."""
        self._refuse_fork()
        packed = to_device(batch, self.device)
        sums = segment_sums(self._model(packed), packed, min(dimensions, self.hidden))
        return _Crossing(sums) if sums.is_cuda else Finished(sums.numpy())

    def states(self, batch: TokenBatch) -> Sums:
        """Return every token's last state, see :class:`Runner`."""
        self._refuse_fork()
        states: Sums = self._model(to_device(batch, self.device)).float().cpu().numpy()
        return states

    def describe(self) -> dict[str, Any]:
        """Return what the log says, see :class:`Runner`."""
        return {"kernels": "torch", **self._details}

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process and torch.get_num_threads() > 1:
            raise RuntimeError(
                f"this model was loaded in process {self._process}, of which this one is a fork without torch's "
                "threads: load it here, or start processes with 'spawn'; with OMP_NUM_THREADS=1 a fork may use it"
            )


class _Crossing:
    """Sums on their way back from a CUDA device, behind all that was started before them and nothing after."""

    def __init__(self, sums: torch.Tensor) -> None:
        self._host = torch.empty(sums.shape, dtype=sums.dtype, device="cpu", pin_memory=True)
        self._host.copy_(sums, non_blocking=True)
        self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's
        self._arrived.record(torch.cuda.current_stream(sums.device))

    def result(self) -> Sums:
        """Wait for the copy."""
        self._arrived.synchronize()
        sums: Sums = self._host.numpy()
        return sums
