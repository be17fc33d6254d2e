"""Work that waits its turn: as much at a time as there is room for, in the order in which it came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class BoundedQueue:
    """Runs what is put in on threads, at most ``limit()`` at a time; the limit may change."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = 0

    def put(self, work: Callable[[], None]) -> None:
        """Have work done, once it is its turn."""
        with self._lock:
            self._waiting.append(work)
            if self._running >= self._limit():
                return
            self._running += 1
        threading.Thread(target=self._run, name="queued work", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._running > max(1, self._limit()):
                    self._running -= 1
                    return
                work = self._waiting.popleft()
            work()
