"""A container: the image's program as a process on loopback, started, watched, replaced and ended as SageMaker does.

There is one for all instances of a variant. It knows nothing of endpoints, models in S3 or requests.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import urllib3

from local_aws.sagemaker.journal import Journal

STOP_LIMIT_S: Final = 30.0
"""From SIGTERM to SIGKILL, as SageMaker has it."""

_HOST: Final = "127.0.0.1"
_PING_LIMIT_S: Final = 2.0
_STARTING_POLL_S: Final = 0.05
_WATCH_S: Final = 0.1
_PING_EVERY_S: Final = 1.0
_FAILED_PINGS: Final = 3
_BETWEEN_STARTS_S: Final = 1.0
_CONNECTIONS: Final = 256
_PORTS: Final = range(20_000, 32_000)
_PORTS_EACH: Final = 200
_PORT_TRIES: Final = 100
_TURNS: Final = itertools.count()
# what of this process's environment is no secret, and a program needs to run well on this machine
_PASSED_ON: Final = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
)


class NotHealthyError(Exception):
    """A container's ``/ping`` was not 200 in time, or its process ended before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is started: the image's folder, the folder that takes the place of ``/opt/ml``, and the environment.

    ``overrides`` wins over ``environment``, which is what was deployed.
    """

    image: Path
    base: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    startup_limit_s: float = 480.0


class Container:
    """One container and the process that it is at the moment."""

    def __init__(self, program: Program, journal: Journal, name: str) -> None:
        self.name = name
        self.log_stream = ""
        self._program = program
        self._journal = journal
        self._process: subprocess.Popen[bytes] | None = None
        self._killed: subprocess.Popen[bytes] | None = None
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._ending = threading.Event()
        self._starting = threading.Lock()
        self._watcher: threading.Thread | None = None

    @property
    def pool(self) -> urllib3.HTTPConnectionPool | None:
        """Connections to the process, ``None`` while there is no healthy one."""
        return self._pool

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, wait until it is healthy, and watch it from then on.

        **Raises**: ``NotHealthyError``; the process is gone then, and its log shipped.
        """
        try:
            self._launch()
        except BaseException:
            self._kill()
            self._journal.ship(whole=True)
            raise
        self._watcher = threading.Thread(target=self._watch, name=f"watch {self.name}", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL half a minute later; none is started from here on."""
        with self._starting:
            self._ending.set()
        if self._watcher is not None:
            self._watcher.join()  # first, or it could start another process behind our back
        if self._pool is not None:
            self._pool.close()  # the idle ones, which a program may wait for; what is in flight has its own
        self._pool = None
        process = self._process
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT_S)
        self._kill()
        self._journal.ship(whole=True)

    def lose(self) -> None:
        """Lose the instance: the process ends at once, and the watcher replaces it."""
        self._pool = None
        self._kill()

    def _launch(self) -> None:
        port = _free_port()
        self.log_stream = f"{self.name}/i-{uuid.uuid4().hex[:17]}"
        self._journal.begin(self.log_stream)
        with self._journal.open() as log, self._starting:
            if self._ending.is_set():  # nobody would end what starts now
                raise NotHealthyError(f"{self.name}: ended before it started")
            self._process = subprocess.Popen(  # noqa: S603  # running what was deployed is what this is for
                [sys.executable, str(self._program.image / "image" / "serve")],
                env=self._environment(port),
                cwd=self._program.base,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, so that its children end with it
            )
        pool = urllib3.HTTPConnectionPool(_HOST, port, maxsize=_CONNECTIONS, retries=False)
        self._wait(self._process, pool)
        self._pool = pool

    def _environment(self, port: int) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._program.environment,
            **self._program.overrides,
            "PYTHONPATH": str(self._program.image),
            "SAGEMAKER_BASE_DIR": str(self._program.base),
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }

    def _wait(self, process: subprocess.Popen[bytes], pool: urllib3.HTTPConnectionPool) -> None:
        limit_s = self._program.startup_limit_s
        deadline = time.monotonic() + limit_s
        while not is_healthy(pool):
            self._journal.ship()
            if process.poll() is not None:
                raise NotHealthyError(f"{self.name}: the process ended with status {process.returncode}")
            if time.monotonic() > deadline:
                raise NotHealthyError(f"{self.name}: no answer 200 to /ping in {limit_s:.0f} s")
            if self._ending.wait(_STARTING_POLL_S):
                raise NotHealthyError(f"{self.name}: ended while it started")

    def _watch(self) -> None:
        failed, pinged_at = 0, time.monotonic()
        while not self._ending.wait(_WATCH_S):
            self._journal.ship()
            if self._process is None or self._process.poll() is not None or failed >= _FAILED_PINGS:
                self._replace()
                failed, pinged_at = 0, time.monotonic()
            elif time.monotonic() - pinged_at >= _PING_EVERY_S:
                pool = self._pool
                failed = 0 if pool is not None and is_healthy(pool) else failed + 1
                pinged_at = time.monotonic()

    def _replace(self) -> None:
        """Start another process, as SageMaker replaces an instance, as often as it takes."""
        self._pool = None
        self._kill()
        while not self._ending.is_set():
            try:
                self._launch()
            except NotHealthyError:
                self._kill()
                self._ending.wait(_BETWEEN_STARTS_S)
            else:
                return

    def _kill(self) -> None:
        process = self._process
        if process is None or process is self._killed:  # whose number may be another's by now
            return
        with contextlib.suppress(ProcessLookupError):  # the group, because its leader may have left children
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._killed = process


def is_healthy(pool: urllib3.HTTPConnectionPool) -> bool:
    """Say whether the process at the other end answers its ping."""
    try:
        return pool.request("GET", "/ping", timeout=_PING_LIMIT_S).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _free_port() -> int:
    """Return a port that nobody takes until the program binds it.

    It is below those that the system gives to outgoing connections. They are given in turn, and each process begins
    elsewhere: two containers that start at the same time have two ports.
    """
    for _ in range(_PORT_TRIES):
        port = _PORTS[(os.getpid() * _PORTS_EACH + next(_TURNS)) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((_HOST, port))
            return port
    raise NotHealthyError(f"no port of {_PORTS.start} to {_PORTS.stop - 1} is free")
