"""The real ``serve`` process on a free loopback port."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

SERVE = Path(sys.executable).with_name("serve")


def serve_after(statement: str) -> list[str]:
    """Return the command of a server in whose process a statement is run first: to shorten what takes it a minute."""
    return [sys.executable, "-c", f"{statement}; from jina_v3.serving.server import main; main()", "serve"]


class ServeProcess:
    """Start ``serve``, or another command that becomes it, over a base folder; ``logs`` are its log lines so far."""

    def __init__(
        self, base: Path, environment: Mapping[str, str] | None = None, command: Sequence[str | Path] = (SERVE, "serve")
    ) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("JINA_V3_", "SAGEMAKER_"))
        }
        settings = {
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_BIND_TO_PORT": "0",
            "JINA_V3_BIND_HOST": "127.0.0.1",
            "JINA_V3_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }
        self.logs: list[dict[str, Any]] = []
        self.stderr = b""
        self._process = subprocess.Popen(
            command, env=inherited | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._readers = [threading.Thread(target=self._read_logs), threading.Thread(target=self._read_stderr)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "ServeProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.wait_for_log('listening')['port']}"

    def client(self, **settings: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, **settings)

    def wait_for_log(self, event: str, timeout_s: float = 120, **fields: object) -> dict[str, Any]:
        """Wait for a line of that event, and with those fields."""
        wanted = {"event": event, **fields}.items()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self.logs:
                if all(line.get(name) == value for name, value in wanted):
                    return line
            if self._process.poll() is not None and not any(reader.is_alive() for reader in self._readers):
                break
            time.sleep(0.02)
        raise AssertionError(f"no {dict(wanted)} in {self.logs}, stderr {self.stderr!r}")

    def logged(self, event: str, **fields: object) -> list[dict[str, Any]]:
        wanted = {"event": event, **fields}.items()
        return [line for line in self.logs if all(line.get(name) == value for name, value in wanted)]

    def wait_until_ready(self) -> "ServeProcess":
        self.wait_for_log("ready")
        return self

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = 60) -> int:
        status = self._process.wait(timeout_s)
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        return status

    def _read_logs(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.logs.append(json.loads(line))

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        self.stderr = self._process.stderr.read()
