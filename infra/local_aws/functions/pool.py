"""The processes of one function: as many as are called at once, up to a bound, and kept for the next calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local_aws.functions.worker import Worker


class ThrottledError(Exception):
    """The function is called more often at once than it may be."""


class Pool:
    """The processes of one state of a function, until ``end``.

    ``most`` is how many there are at once here: more calls wait. ``reserved`` is how many there may be, waiting too.
    """

    def __init__(self, start: Callable[[], Worker], most: int, reserved: int | None) -> None:
        self._start = start
        self._most = most
        self._reserved = reserved
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._starting = 0
        self._asked = 0
        self._ended = False

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Have a process for one call.

        **Raises**: ``ThrottledError``.
        """
        with self._changed:
            if self._reserved is not None and self._asked >= self._reserved:
                raise ThrottledError
            self._asked += 1
        try:
            worker = self._take()
            try:
                yield worker
            finally:
                self._give_back(worker)
        finally:
            with self._changed:
                self._asked -= 1

    def _take(self) -> Worker:
        with self._changed:
            while not self._idle and len(self._busy) + self._starting >= self._most:
                self._changed.wait()
            if self._idle:
                worker = self._idle.pop()
                self._busy.add(worker)
                return worker
            self._starting += 1
        try:
            worker = self._start()
        except BaseException:
            with self._changed:
                self._starting -= 1
                self._changed.notify()
            raise
        with self._changed:  # at once, or another call would find room meanwhile
            self._starting -= 1
            self._busy.add(worker)
            if self._ended:
                worker.end()
        return worker

    def _give_back(self, worker: Worker) -> None:
        with self._changed:
            self._busy.discard(worker)
            if worker.usable and not self._ended:
                self._idle.append(worker)
            else:
                worker.end()
                worker.close()
            self._changed.notify()

    def end(self, *, at_once: bool) -> None:
        """End the processes: those that are called too, or after their calls."""
        with self._changed:
            self._ended = True
            for worker in self._idle:
                worker.end()
                worker.close()
            self._idle.clear()
            if at_once:
                for worker in self._busy:
                    worker.end()
            self._changed.notify_all()
