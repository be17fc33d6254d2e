"""Work that waits its turn: as much at a time as there is room for, in the order in which it came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One piece of work, and what is done instead once its time in the queue is over."""

    work: Callable[[], None]
    arrived_s: float
    deadline_s: float = float("inf")
    expire: Callable[[], None] = lambda: None


class BoundedQueue:
    """Runs what is put in on threads, at most ``limit()`` at a time; the limit may change, and may be none.

    **Units**: ``now_s`` counts seconds, from wherever.
    """

    def __init__(self, limit: Callable[[], int], now_s: Callable[[], float]) -> None:
        self._limit = limit
        self._now_s = now_s
        self._lock = threading.Lock()
        self._waiting: deque[Waiting] = deque()
        self._running: list[float] = []  # when what runs arrived

    def __len__(self) -> int:
        """Count what waits and what runs."""
        with self._lock:
            return len(self._waiting) + len(self._running)

    @property
    def oldest_s(self) -> float:
        """Return how long the oldest piece of work has been here."""
        with self._lock:
            arrived = [*(one.arrived_s for one in self._waiting), *self._running]
            return self._now_s() - min(arrived) if arrived else 0.0

    def put(self, one: Waiting) -> None:
        """Have work done, once it is its turn."""
        with self._lock:
            self._waiting.append(one)
        self.look()

    def look(self) -> None:
        """Start what there is room for, and end what has waited too long: the limit has changed, or time has passed."""
        for one in self._take_expired():
            one.expire()
        with self._lock:
            room = self._limit() - len(self._running)
            starting = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            self._running += [one.arrived_s for one in starting]
        for one in starting:
            threading.Thread(target=self._run, args=(one,), name="queued work", daemon=True).start()

    def _take_expired(self) -> list[Waiting]:
        now_s = self._now_s()
        with self._lock:
            expired = [one for one in self._waiting if one.deadline_s <= now_s]
            self._waiting = deque(one for one in self._waiting if one.deadline_s > now_s)
        return expired

    def _run(self, one: Waiting) -> None:
        try:
            one.work()
        finally:
            with self._lock:
                self._running.remove(one.arrived_s)
            self.look()
