"""Answers to the server, in the order in which its calls came."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jina_v3.serving.engine.messages import Encode, Encoded, Failed, Invoked, to_frame
from jina_v3.serving.faults import is_device_lost
from jina_v3.serving.logs import describe_exception

if TYPE_CHECKING:
    from jina_v3.encoder import Encoder
    from jina_v3.encoder.running import Pending

_log = logging.getLogger("jina_v3.engine")


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch that the device has. **Units**: ``at`` as ``time.perf_counter()``."""

    number: int
    pending: Pending
    at: float


def begin(model: Encoder, message: Encode) -> Begun | Failed:
    """Give a batch to the device."""
    now = time.perf_counter()
    try:
        return Begun(message.number, model.submit(message.batch), now)
    except Exception as error:  # noqa: BLE001  the next batch may be fine
        return _failed(message.number, error)


class Answers:
    """Sends each answer as soon as it is there, and waits for that."""

    def __init__(self, connection: socket.socket) -> None:
        self.is_lost = False
        self._connection = connection
        self._idle_since = 0.0

    def add(self, answer: Begun | Failed | Invoked) -> None:
        """Send the next answer.

        **Raises**: ``OSError`` where the server is gone.
        """
        message = self._wait(answer) if isinstance(answer, Begun) else answer
        self._connection.sendall(to_frame(message))
        self.is_lost = isinstance(message, Failed) and message.lost

    def _wait(self, begun: Begun) -> Encoded | Failed:
        try:
            sums = begun.pending.result()
        except Exception as error:  # noqa: BLE001  the next batch may be fine
            return _failed(begun.number, error)
        finally:
            # while the batch before it was on the device this one waited
            since, self._idle_since = max(begun.at, self._idle_since), time.perf_counter()
        return Encoded(begun.number, sums, self._idle_since - since)


class ThreadedAnswers(Answers):
    """Lets a thread wait and send, so that batches can be given to the device meanwhile.

    When the server or the device is gone, reading from the connection ends too.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._answers: queue.SimpleQueue[Begun | Failed | Invoked] = queue.SimpleQueue()
        # a daemon: a device that hangs must not keep the process
        threading.Thread(target=self._send, name="answers", daemon=True).start()

    def add(self, answer: Begun | Failed | Invoked) -> None:
        """Have the next answer sent when it is there."""
        self._answers.put(answer)

    def _send(self) -> None:
        try:
            while not self.is_lost:
                super().add(self._answers.get())
        except OSError:
            pass  # the server is gone
        finally:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RD)


def _failed(number: int, error: Exception) -> Failed:
    lost = is_device_lost(error)
    _log.error("batch failed", extra={"fields": {"lost": lost, **describe_exception(error)}})
    return Failed(number, lost)
