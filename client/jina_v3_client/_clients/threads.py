"""Pieces to replies, each in a thread of its own, through the targets or through S3."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from itertools import chain, islice
from typing import Any, Final

from jina_v3_client._aws.sender import Sender
from jina_v3_client._calls.drivers import drive
from jina_v3_client._calls.steps import Answer, Wait, Work
from jina_v3_client._calls.way import find_way
from jina_v3_client._clients.call import Call, Reply, closed, halves_after, read_reply
from jina_v3_client._clients.window import GivenUp, Slot, Slots, spawn, windowed
from jina_v3_client._routes.through_s3 import Step, ThroughS3, advance
from jina_v3_client._texts.pieces import Piece
from jina_v3_client.errors import JinaClientError
from jina_v3_client.routing.health import Routing
from jina_v3_client.routing.targets import Target
from jina_v3_client.settings import Settings
from jina_v3_client.transport import HttpResponse, TransportError


class _Spawning(Executor):
    """Runs hedges."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return spawn(partial(fn, *args, **kwargs))


_SPAWNING: Final = _Spawning()


class Threads:
    """Answers pieces for many callers at once."""

    def __init__(self, sender: Sender, routing: Routing, settings: Settings) -> None:
        self._sender = sender
        self._routing = routing
        self._settings = settings
        self._slots = Slots(settings.concurrency)
        self._calls: set[threading.Event] = set()
        self._is_closed = False

    def replies(
        self, pieces: Iterator[Piece], call: Call, *, hurried: bool = False, through: ThroughS3 | None = None
    ) -> Generator[Reply, None, None]:
        """Yield the replies in order; ``hurried``: a single piece is answered in this thread, once it is known single.

        **Raises**: what sending raises; an error of reading the pieces as it is.
        """
        given_up = threading.Event()
        self._calls.add(given_up)
        answer = partial(self._through_targets if through is None else partial(self._through_s3, through), given_up)
        reply = partial(self._reply, answer, call)
        size = self._settings.window if through is None else through.endpoint.in_flight
        try:
            if self._is_closed:
                raise closed()
            first = list(islice(pieces, 2)) if hurried else []
            if len(first) == 1:
                yield reply(first[0])
            else:
                yield from windowed(chain(first, pieces), lambda piece: spawn(partial(reply, piece)), size=size)
        except GivenUp:
            raise closed() from None
        finally:
            self._calls.discard(given_up)
            self._slots.call_off(given_up)

    def close(self) -> None:
        """Give up what is in flight, and close the connections."""
        self._is_closed = True
        for given_up in list(self._calls):
            self._slots.call_off(given_up)
        self._sender.close()

    def _reply(self, answer: Callable[[Work, Call], Answer], call: Call, piece: Piece) -> Reply:
        try:
            return read_reply(answer(piece.work, call), piece)
        except JinaClientError as error:
            halves = halves_after(error, piece)
        left, right = halves
        return self._reply(answer, call, left) + self._reply(answer, call, right)

    def _through_targets(self, given_up: threading.Event, work: Work, call: Call) -> Answer:
        def send(target: Target, timeout_s: float) -> HttpResponse:
            if given_up.is_set():
                raise GivenUp
            try:
                return self._sender.send(target, work, timeout_s)
            except TransportError:
                if given_up.is_set():  # that is why the connection broke
                    raise GivenUp from None
                raise

        with Slot(self._slots, given_up, call.deadline) as slot:
            way = find_way(work, self._routing, self._settings, deadline=call.deadline)
            return drive(way, send, slot.rest, executor=_SPAWNING)

    def _through_s3(self, through: ThroughS3, given_up: threading.Event, work: Work, call: Call) -> Answer:
        errand = through.errand(work, call.deadline)
        steps = errand.steps()
        try:
            step = advance(steps, None)
            while not isinstance(step, Answer):
                step = advance(steps, _do(step, given_up))
            return step
        finally:
            steps.close()
            errand.clear_away()


def _do(step: Step, given_up: threading.Event) -> object:
    if isinstance(step, Wait):
        if given_up.wait(step.seconds):
            raise GivenUp
        return None
    try:
        return step()
    except JinaClientError as error:
        return error
