"""The handful of things that the engine asks of a device beside computing: streams, marks in them, and memory.

Behind one interface, so that tests can put a device in its place that runs everything as late as CUDA ever may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch


class Mark(Protocol):
    """A place in a stream's work."""

    def wait(self) -> None:
        """Wait, without the interpreter lock, until the stream is past it; raises what the device failed with."""
        ...


class Stream(Protocol):
    """Work that a device does in order, beside that of other streams."""

    def issue(self, work: Callable[[], None]) -> None:
        """Have ``work`` done. On CUDA it is called at once, and what it launches is done some time later."""
        ...

    def mark(self, *, patient: bool = False) -> Mark:
        """Mark the place behind all work issued so far; ``patient``: who waits for it may sleep, and wake up late."""
        ...

    def wait_for(self, mark: Mark) -> None:
        """Begin what is issued from now on only when another stream is past ``mark``."""
        ...


class DeviceQueue(Protocol):
    """One device."""

    def stream(self) -> Stream:
        """Make a stream."""
        ...

    def staging(self, values: int, dtype: torch.dtype) -> torch.Tensor:
        """Allocate host memory that the device copies from and to by itself. **Shapes**: ``(values,)``."""
        ...

    def memory(self, values: int, dtype: torch.dtype) -> torch.Tensor:
        """Allocate memory of the device. **Shapes**: ``(values,)``."""
        ...

    def drain(self) -> None:
        """Wait until the device has done all that was issued."""
        ...


class CudaQueue:
    """A CUDA device, see :class:`DeviceQueue`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def stream(self) -> Stream:
        """Make a stream."""
        return _CudaStream(self._device)

    def staging(self, values: int, dtype: torch.dtype) -> torch.Tensor:
        """Allocate pinned memory."""
        return torch.empty(values, dtype=dtype, device="cpu", pin_memory=True)

    def memory(self, values: int, dtype: torch.dtype) -> torch.Tensor:
        """Allocate memory of the device."""
        return torch.empty(values, dtype=dtype, device=self._device)

    def drain(self) -> None:
        """Wait for the device."""
        torch.cuda.synchronize(self._device)


class _CudaStream:
    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's
        # what the current stream has begun, such as laying out weights, must be done when this one starts
        self._stream.wait_stream(torch.cuda.current_stream(device))

    def issue(self, work: Callable[[], None]) -> None:
        with torch.cuda.stream(self._stream):  # which makes its device the current one too
            work()

    def mark(self, *, patient: bool = False) -> _CudaMark:
        event = torch.cuda.Event(blocking=patient)  # type: ignore[no-untyped-call]  # torch's
        event.record(self._stream)
        return _CudaMark(event)

    def wait_for(self, mark: Mark) -> None:
        assert isinstance(mark, _CudaMark)
        self._stream.wait_event(mark.event)


class _CudaMark:
    def __init__(self, event: torch.cuda.Event) -> None:
        self.event = event

    def wait(self) -> None:
        self.event.synchronize()
