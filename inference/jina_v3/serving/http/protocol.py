"""uvicorn's HTTP protocol, with what it lacks: no client holds a connection up, and none is cut off mid-request."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

_log = logging.getLogger("jina_v3.server")

_HEAD_S: Final = 10.0
"""How long the head of a connection's first request may take, from its opening."""

_LINGER_S: Final = 0.25
"""How long an idle connection stays when the server ends: a request may be on its way."""

_UNREAD_S: Final = 60.0
"""How long a client may leave what it was sent untaken, once more waits than a connection buffers."""


class State(ServerState):
    """What uvicorn's connections share, and whether the server is ending."""

    is_ending = False


class Protocol(HttpToolsProtocol):
    """One connection."""

    server_state: State
    _head_timer: asyncio.TimerHandle | None = None
    _unread_timer: asyncio.TimerHandle | None = None
    _is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Give the client some time for its first head; uvicorn would wait for it for ever."""
        super().connection_made(transport)
        self._await_head()
        if self.server_state.is_ending:  # it was accepted just before the port was closed
            self.shutdown()

    def data_received(self, data: bytes) -> None:
        """Give a head that does not come at once the same time on a connection that was idle."""
        super().data_received(data)
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()

    def on_headers_complete(self) -> None:
        """Begin the request; the last one of its connection if the server is ending."""
        self._stop_head_timer()
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers; uvicorn would keep what a client has reset until its own timer ends."""
        self._unset_keepalive_if_required()
        self._stop_head_timer()
        self._stop_unread_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Count the time in which the client takes nothing; a connection being closed would wait for it for ever."""
        super().pause_writing()
        self._stop_unread_timer()
        self._unread_timer = self.loop.call_later(_UNREAD_S, self._is_unread)

    def resume_writing(self) -> None:
        """Go on: the client takes what it is sent."""
        self._stop_unread_timer()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Do as uvicorn does; the next head has uvicorn's own time to begin."""
        self._stop_head_timer()
        super().on_response_complete()

    def shutdown(self) -> None:
        """End gracefully: an idle connection after a moment, a busy one after its answer."""
        self._is_ending = True
        if self.cycle is None or self.cycle.response_complete:
            # in two steps: a loop that was held up calls what is due before it reads what has come meanwhile
            self.loop.call_later(_LINGER_S / 2, self.loop.call_later, _LINGER_S / 2, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also one whose client never took its last answer."""
        if not self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, once: the rest of it may still come in."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _close_if_idle(self) -> None:
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(_HEAD_S, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _is_unread(self) -> None:
        self._unread_timer = None
        if self.cycle is not None and self.cycle.more_body:  # it is still sending, and will read when it has done so
            self._unread_timer = self.loop.call_later(_UNREAD_S, self._is_unread)
            return
        _log.info("a response was not taken", extra={"fields": {"seconds": _UNREAD_S}})
        self.transport.abort()

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            _log.info("a request's head did not come", extra={"fields": {"seconds": _HEAD_S}})
            self.transport.close()
