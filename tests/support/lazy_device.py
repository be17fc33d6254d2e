"""A device on the CPU that does what it is given as late, or in as odd an order, as CUDA may.

Whoever forgets to wait for something gets a wrong result from it, every time, instead of now and then from a GPU.
"""

import random
import threading
from collections.abc import Callable

import torch


class LazyDevice:
    """In place of ``CudaQueue``.

    - ``late``: nothing is done before somebody waits, and then only what that needs.
    - ``odd``: before and after every call streams that have something to do get a random step ahead, by ``seed``.
    - ``eager``: everything at once, so that what fails fails where it is issued.
    """

    def __init__(self, order: str = "late", seed: int = 0) -> None:
        self.order = order
        self.lock = threading.RLock()
        self.drained = 0
        self._random = random.Random(seed)
        self._streams: list[LazyStream] = []

    def stream(self) -> "LazyStream":
        self._streams.append(LazyStream(self))
        return self._streams[-1]

    def staging(self, values: int, dtype: torch.dtype) -> torch.Tensor:
        return self.memory(values, dtype)

    def memory(self, values: int, dtype: torch.dtype) -> torch.Tensor:
        """Memory that holds what makes any result wrong."""
        return torch.full((values,), 2**30 if dtype == torch.int32 else torch.nan, dtype=dtype)

    def drain(self) -> None:
        with self.lock:
            self.drained += 1
            for stream in self._streams:
                stream.run(len(stream.work))

    def step(self) -> None:
        """Let streams get ahead, where the order is odd."""
        if self.order != "odd":
            return
        for _ in range(self._random.randrange(6)):
            stream = self._random.choice(self._streams)
            if stream.can_go_on():
                stream.run(stream.done + 1)


class LazyStream:
    def __init__(self, device: LazyDevice) -> None:
        self.device = device
        self.work: list[Callable[[], None] | LazyMark] = []
        self.done = 0

    def issue(self, work: Callable[[], None]) -> None:
        with self.device.lock:
            self.device.step()
            self.work.append(work)
            if self.device.order == "eager":
                self.run(len(self.work))
            self.device.step()

    def mark(self, *, patient: bool = False) -> "LazyMark":
        with self.device.lock:
            self.device.step()
            return LazyMark(self, len(self.work))

    def wait_for(self, mark: "LazyMark") -> None:
        with self.device.lock:
            self.work.append(mark)

    def can_go_on(self) -> bool:
        if self.done == len(self.work):
            return False
        following = self.work[self.done]
        return not isinstance(following, LazyMark) or following.stream.done >= following.place

    def run(self, place: int) -> None:
        while self.done < place:
            following = self.work[self.done]
            if isinstance(following, LazyMark):
                following.stream.run(following.place)
                self.done += 1
            else:
                self.work[self.done] = lambda: None  # which lets go of what it was
                self.done += 1  # also if it raises: a device does nothing twice
                following()


class LazyMark:
    def __init__(self, stream: LazyStream, place: int) -> None:
        self.stream, self.place = stream, place

    def wait(self) -> None:
        with self.stream.device.lock:
            self.stream.device.step()
            self.stream.run(self.place)
