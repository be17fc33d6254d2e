"""Objects read in order, several ranges ahead: memory is that of a few ranges, however large or many objects are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final

from jina_v3_client.batch.store import Store, Stored

_RANGE_BYTES: Final = 4 * 2**20
_AHEAD: Final = 8


class Fetcher:
    """Reads objects one after the other; ``chunks`` is called once for each, in their order, and read to its end."""

    def __init__(
        self, store: Store, objects: Sequence[Stored], *, range_bytes: int = _RANGE_BYTES, ahead: int = _AHEAD
    ) -> None:
        self._store, self._range_bytes = store, range_bytes
        self._ranges = (one for stored in objects for one in self._split(stored))
        self._threads = ThreadPoolExecutor(ahead, "batch-fetch")
        self._coming: deque[Future[bytes]] = deque()
        self._ahead = ahead

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def chunks(self, stored: Stored) -> Iterator[bytes]:
        """Yield the bytes of the next object."""
        for _ in self._split(stored):
            self._ask()
            yield self._coming.popleft().result()

    def _ask(self) -> None:
        for one in islice(self._ranges, self._ahead - len(self._coming)):
            self._coming.append(self._threads.submit(self._store.read, *one))

    def _split(self, stored: Stored) -> Iterator[tuple[Stored, int, int]]:
        for first in range(0, stored.bytes, self._range_bytes):
            yield stored, first, min(first + self._range_bytes, stored.bytes)
