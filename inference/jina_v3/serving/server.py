"""The ``serve`` process, as SageMaker starts it: opens its port, loads the model, serves, and ends on SIGTERM.

The port is open while the model loads, so that ``/ping`` can say 503. Nothing heavy is imported before that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, NoReturn

import uvicorn

from jina_v3.config import Config, ConfigError
from jina_v3.serving.engine.process import NotLoadedError
from jina_v3.serving.http.application import Application
from jina_v3.serving.http.invocation import Service
from jina_v3.serving.http.protocol import Protocol, State
from jina_v3.serving.load_report import report_load
from jina_v3.serving.logs import describe_failed_start, set_up_logs
from jina_v3.serving.pool import EnginePool
from jina_v3.serving.program import load_program

_log = logging.getLogger("jina_v3.server")

_BACKLOG = 4096

_KEEP_ALIVE_S = 75
"""Longer than the 60 s that SageMaker waits for an answer, so that we never close a connection that it is using."""

_FAREWELL_S = 1
"""For the answers to requests that have run out of time when the server ends."""


class Server(uvicorn.Server):
    """uvicorn that starts the engines once its port is open, and ends with them."""

    def __init__(self, application: Application) -> None:
        config = application.config
        super().__init__(
            uvicorn.Config(
                application,
                loop="uvloop",
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=math.ceil(config.shutdown_timeout_s) + _FAREWELL_S,
            )
        )
        self.server_state: State = State()
        self.application = application
        self.failed = False
        self._pool = EnginePool(config, application.metrics)
        self._starting: asyncio.Task[None] | None = None
        self._reporting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port and begin to load."""
        await super().startup(sockets)
        self._starting = asyncio.create_task(self._start())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, finish what is in flight, end the engines."""
        loop = asyncio.get_running_loop()
        self.server_state.is_ending = True
        loop.call_later(self.application.config.shutdown_timeout_s, self.application.give_up)
        waiting = [connection for listener in sockets or () for connection in _accept_all(listener)]
        welcoming = [loop.create_task(loop.connect_accepted_socket(self._protocol, one)) for one in waiting]
        await super().shutdown(sockets)
        await asyncio.gather(*welcoming, return_exceptions=True)  # long done; a client may have gone meanwhile
        for task in (self._starting, self._reporting):
            if task is not None:
                task.cancel()
        await self._pool.end()

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state)

    async def _start(self) -> None:
        config = self.application.config
        try:
            threads = ThreadPoolExecutor(2, "codec")
            loading = asyncio.get_running_loop().run_in_executor(threads, load_program, config)
            program, described = await asyncio.gather(loading, self._pool.start(os.environ))
            self.application.service = Service(config, program, self._pool, threads)
            self._reporting = asyncio.create_task(report_load(self.application.metrics))
            _log.info("ready", extra={"fields": described})
        except NotLoadedError as error:
            self._fail(error.fields)
        except Exception as error:  # noqa: BLE001  whatever it is, a server without a model must not stay
            self._fail(describe_failed_start(error))

    def _fail(self, fields: Mapping[str, Any]) -> None:
        _log.critical("the model could not be loaded", extra={"fields": fields})
        self.failed = self.should_exit = True


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve until SIGTERM; the exit status is 0 then, and 1 if the port or the model was not to be had."""
    parser = argparse.ArgumentParser(
        prog="serve",
        description="Serve jina-embeddings-v3 as a SageMaker container does: GET /ping, POST /invocations, "
        "GET /execution-parameters, GET /metrics.",
        epilog="Settings come from the environment; docs/contract.md and jina_v3/config.py list them. "
        "docs/server.md says how it behaves.",
    )
    parser.add_argument("command", nargs="?", choices=["serve"], help="what SageMaker's containers are started with")
    parser.parse_args(arguments)
    # uvicorn raises the signal again when it has finished what was in flight; before that nothing is in flight
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    set_up_logs()
    try:
        config = Config.from_environment()
        listener = _listen(config)
    except (ConfigError, OSError) as error:
        _log.critical("cannot start", extra={"fields": describe_failed_start(error)})
        _end(1)
    _end(_serve(config, listener))


def _serve(config: Config, listener: socket.socket) -> int:
    server = Server(Application(config))
    host, port = listener.getsockname()[:2]
    _log.info("listening", extra={"fields": {"host": host, "port": port, "pid": os.getpid()}})
    with contextlib.suppress(SystemExit):
        server.run([listener])
    _log.info("stopped", extra={"fields": {"failed": server.failed}})
    return 1 if server.failed else 0


def _listen(config: Config) -> socket.socket:
    """Open the port; port 0 lets the system choose one, which the log then names."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(_BACKLOG)  # the log's ``listening`` is then true
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(f"{config.host}:{config.port} cannot be bound: {error.strerror}") from error
    return listener


def _accept_all(listener: socket.socket) -> Iterator[socket.socket]:
    """Take in those that the kernel has shaken hands with already: it would reset them when the port is closed."""
    with contextlib.suppress(OSError):
        listener.listen(0)  # others are left to ask again, but for one, however long this process is kept from going on
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


def _leave(_number: int, _frame: FrameType | None) -> Any:
    raise SystemExit(0)


def _end(status: int) -> NoReturn:
    """End the process without waiting for threads: a model being loaded or a request out of time would hold it up."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)
