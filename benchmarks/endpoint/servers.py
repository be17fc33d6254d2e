"""Servers as processes: started, waited for, held still while another is measured, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from benchmarks.endpoint.http_client import Connection, get_message
from benchmarks.endpoint.programs import Program

_TICKS_S = os.sysconf("SC_CLK_TCK")


class ServerFailedError(RuntimeError):
    """A server ended, or was not ready in time; the message has the last lines of its log."""


class RunningServer:
    """A server in a session of its own, so that all of its processes can be held and ended together."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.is_held = False
        self._log = log
        names_port = any("{port}" in part for part in program.command)
        self._port = _free_port() if names_port else None
        command = [part.replace("{port}", str(self._port)) for part in program.command]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                env=program.environment,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def port(self) -> int:
        """Return the port, which our server's log names.

        **Raises**: ``ServerFailedError`` before it has.
        """
        if self._port is None:
            for line in self._log.read_text(errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict) and entry.get("event") == "listening":
                        self._port = int(entry["port"])
        if self._port is None:
            raise self._failed("no port in its log")
        return self._port

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for 200 from the path that says so.

        **Raises**: ``ServerFailedError``.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise self._failed(f"ended with status {self._process.returncode}")
            with contextlib.suppress(ServerFailedError):
                if self.is_ready():
                    return
            time.sleep(0.1)
        raise self._failed(f"not ready after {timeout_s:.0f} s")

    def is_ready(self) -> bool:
        """Say whether it answers 200 now."""
        status, _ = asyncio.run(_get(self.port, self.program.ready_path))
        return status == 200

    def idle_share(self, seconds: float) -> float:
        """Return the share of one core that all its processes take while nothing is asked of them."""
        before, begun = self._cpu_s(), time.monotonic()
        time.sleep(seconds)
        return (self._cpu_s() - before) / (time.monotonic() - begun)

    def hold(self) -> None:
        """Stop its processes until :meth:`release`."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        self.is_held = True

    def release(self) -> None:
        """Let a held server go on, and wait until it answers."""
        if self.is_held:
            os.killpg(self._process.pid, signal.SIGCONT)
            self.is_held = False
            self.wait_until_ready(30)

    def stop(self) -> None:
        """End it and all its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGCONT)
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _cpu_s(self) -> float:
        """Return the processor time of the session's processes, from ``/proc``."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                # after the name, which may hold anything: state, parent, group, session …
                fields = path.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self._process.pid:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS_S

    def _failed(self, what: str) -> ServerFailedError:
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return ServerFailedError(f"{self.program.name}: {what}; its log ends with: {' / '.join(lines[-3:])[-400:]}")


async def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = Connection(port)
    try:
        return await connection.exchange(get_message(path), timeout_s=5.0)
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
