"""Pooled connections for many threads, over urllib3.

urllib3's time-outs are for each read; here sockets know when the whole exchange must be over, so that an answer that
trickles ends in time too. Nothing is retried or followed. Proxies are those of the environment.
"""

from __future__ import annotations

import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakSet

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError
from urllib3.util import Timeout, make_headers

from jina_v3_client.transport import HttpRequest, HttpResponse, TransportError
from jina_v3_client.transport._answers import whole_answer
from jina_v3_client.transport._tls import trusting_context

_HOSTS: Final = 32
_LEAST_S: Final = 1e-6  # zero would mean not to wait at all


class Urllib3Transport:
    """Sends over up to ``connections`` kept connections to each host; more are opened where they are needed.

    **Units**: seconds; ``connect_s`` is for one connection, ``idle_s`` how long one may rest and still be used.

    >>> with Urllib3Transport() as transport:
    ...     transport.send(HttpRequest(method="GET", url="http://127.0.0.1:9/", headers={}), timeout_s=1)
    Traceback (most recent call last):
    jina_v3_client.transport.TransportError: no connection to 127.0.0.1:9: Connection refused
    """

    def __init__(self, *, connections: int = 64, connect_s: float = 5.0, idle_s: float = 60.0) -> None:
        self._connections = connections
        self._times_s = {"connect_s": connect_s, "idle_s": idle_s}
        self._managers: dict[str | None, PoolManager] = {}  # by proxy
        self._in_use: WeakSet[_BoundedConnection] = WeakSet()
        self._is_closed = False
        self._lock = Lock()
        self._proxy_of = cache(_proxy_of)

    def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send, and return the whole answer, whatever its status.

        **Raises**: ``TransportError``.
        """
        parts = urlsplit(request.url)
        manager = self._manager(self._proxy_of(parts.scheme, parts.netloc))
        try:
            response = manager.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                retries=False,
                redirect=False,
                timeout=Timeout(total=timeout_s),
            )
        except HTTPError as error:
            raise _explained(error, parts.netloc, timeout_s) from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return whole_answer(response.status, headers, response.data, parts.netloc)

    def close(self) -> None:
        """Close all connections, for good; what is under way over one ends as broken."""
        with self._lock:
            self._is_closed = True
            for manager in self._managers.values():
                manager.clear()
            for connection in self._in_use:
                connection.abort()

    def __enter__(self) -> Urllib3Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _manager(self, proxy: str | None) -> PoolManager:
        with self._lock:  # many threads begin at once, and certificates take 20 ms to read
            manager = self._managers.get(proxy)
            if manager is None:
                manager = self._managers[proxy] = self._new_manager(proxy)
            return manager

    def _new_manager(self, proxy: str | None) -> PoolManager:
        context = trusting_context()
        context.sslsocket_class = _TlsSocket
        options: dict[str, Any] = {
            "num_pools": _HOSTS,
            "maxsize": self._connections,
            "ssl_context": context,
        }
        if proxy is None:
            manager = PoolManager(**options)
        else:
            login = urlsplit(proxy)
            secret = f"{login.username}:{login.password or ''}" if login.username else None
            manager = ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=secret), **options)
        manager.pool_classes_by_scheme = {
            "http": _pool(HTTPConnectionPool, _BoundedConnection, on_open=self._note, **self._times_s),
            "https": _pool(HTTPSConnectionPool, _BoundedTlsConnection, on_open=self._note, **self._times_s),
        }
        return manager

    def _note(self, connection: _BoundedConnection) -> None:
        with self._lock:
            self._in_use.add(connection)
            if self._is_closed:  # another thread was about to connect when it was closed
                connection.abort()


class _Bounded(socket.socket):
    """A socket that sends and receives until a moment, and not a fresh time-out for each call."""

    until: float | None = None

    def sendall(self, *given: Any) -> None:
        self._bound()
        super().sendall(*given)

    def send(self, *given: Any) -> int:
        self._bound()
        return super().send(*given)

    def recv_into(self, *given: Any) -> int:
        self._bound()
        return super().recv_into(*given)

    def _bound(self) -> None:
        if self.until is not None:
            self.settimeout(max(self.until - time.monotonic(), _LEAST_S))


class _TlsSocket(_Bounded, ssl.SSLSocket):
    pass


class _BoundedConnection(HTTPConnection):
    """Tells its socket when the exchange must be over."""

    def __init__(
        self,
        *given: Any,
        connect_s: float,
        idle_s: float,
        on_open: Callable[[_BoundedConnection], None],
        **named: Any,
    ) -> None:
        super().__init__(*given, **named)
        self._on_open = on_open
        self._connect_s = connect_s
        self._idle_s = idle_s
        self._until: float | None = None
        self._used = time.monotonic()

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again: after a long rest something on the way may have forgotten it."""
        return super().is_connected and time.monotonic() - self._used < self._idle_s

    def _new_conn(self) -> socket.socket:
        """Try all addresses of the host within the time for one connection; each gets its share of what is left."""
        until = time.monotonic() + min(self._connect_s, self.timeout or self._connect_s)
        try:
            addresses = socket.getaddrinfo(self.host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failure: OSError = OSError("no address")
        for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
            bounded = _Bounded(family, kind, protocol)
            try:
                bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                bounded.settimeout(max((until - time.monotonic()) / left, _LEAST_S))
                bounded.connect(address)
            except OSError as error:
                bounded.close()
                failure = error
            else:
                bounded.settimeout(max(until - time.monotonic(), _LEAST_S))  # for what comes before the request
                return bounded
        raise NewConnectionError(self, str(failure)) from failure

    def connect(self) -> None:
        super().connect()
        self._tell()
        self._on_open(self)

    def abort(self) -> None:
        """Wake whoever waits for the connection in another thread, which ``close`` would not."""
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # TLS has nothing to say here

    def request(self, *given: Any, **named: Any) -> None:
        self._set_end()
        super().request(*given, **named)

    def getresponse(self) -> Any:
        self._used = time.monotonic()
        self._set_end()  # urllib3 has taken off what connecting and sending took
        return super().getresponse()

    def _set_end(self) -> None:
        self._until = None if self.timeout is None else time.monotonic() + self.timeout
        self._tell()

    def _tell(self) -> None:
        if isinstance(self.sock, _Bounded):
            self.sock.until = self._until


class _BoundedTlsConnection(_BoundedConnection, HTTPSConnection):
    pass


def _pool(kind: type[HTTPConnectionPool], connection: type[_BoundedConnection], **options: Any) -> Any:
    return type(kind.__name__, (kind,), {"ConnectionCls": partial(connection, **options)})


def _proxy_of(scheme: str, host: str) -> str | None:
    return None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)


def _explained(error: HTTPError, host: str, timeout_s: float) -> TransportError:
    """Say what broke, without the words of urllib3: they may name a proxy, with its password."""
    cause = _root(error)
    reason = (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
    certificate = isinstance(cause, ssl.SSLCertVerificationError)
    if isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError) or certificate:
        way = ", by its proxy" if isinstance(error, ProxyError) else ""
        return TransportError("connect", f"no connection to {host}{way}: {reason}")
    if isinstance(error, Urllib3TimeoutError) or isinstance(cause, TimeoutError):
        return TransportError("timeout", f"{host} gave no whole answer within {timeout_s:.3g} s")
    kind = "TLS" if isinstance(error, SSLError) else "connection"
    return TransportError("broken", f"the {kind} to {host} broke: {reason}")


def _root(error: BaseException) -> BaseException:
    while (inner := error.__cause__ or _argument(error)) is not None:
        error = inner
    return error


def _argument(error: BaseException) -> BaseException | None:
    return next((argument for argument in error.args if isinstance(argument, BaseException)), None)
