"""The container's server as a child process on loopback, and requests to it in plain HTTP."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from demo.ranking import Vectors
from jina_v3.contract import Task
from jina_v3_infra.artifact import list_members

HOST = "127.0.0.1"
_START_LIMIT_S = 480.0  # what SageMaker itself gives a container to answer /ping
_STOP_LIMIT_S = 30.0  # SIGTERM to SIGKILL, as SageMaker has it
_REQUEST_LIMIT_S = 600.0
_POLL_S = 0.1
_LOG_LINES = 20
# these would lead the child away from the folder that it is given
_NOT_PASSED_ON = ("JINA_V3_MODEL", "SAGEMAKER_PROGRAM")


class ServerError(Exception):
    """The server did not start, or refused a request; the message has its words."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The vectors of one request and what they cost.

    **Shapes**: ``vectors``: (texts, dimensions) float32. **Units**: ``tokens`` as the server counts them, seconds.
    """

    what: str
    vectors: Vectors
    tokens: int
    seconds: float


@dataclass(slots=True)
class Server:
    """A running server; remembers every reply, for the sums at the end."""

    port: int
    replies: list[Reply] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    def is_ready(self) -> bool:
        """Ask ``GET /ping``."""
        try:
            return self._exchange("GET", "/ping", None)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def embed(
        self,
        what: str,
        texts: Sequence[str],
        *,
        task: Task,
        dimensions: int | None = None,
        late_chunking: bool = False,
    ) -> Reply:
        """Send texts as jina-sagemaker's client does; ``what`` names the request in the sums.

        **Raises**: ``ServerError`` where the answer is not 200.
        """
        parameters = {"task": task.value, "dimensions": dimensions, "late_chunking": late_chunking}
        body = json.dumps({"data": [{"text": text} for text in texts], "parameters": parameters}).encode()
        started = time.perf_counter()
        status, answer = self._exchange("POST", "/invocations", body)
        seconds = time.perf_counter() - started
        if status != 200:
            raise ServerError(f"{what}: the server answered {status}: {answer.decode(errors='replace')[:500]}")
        rows: list[dict[str, Any]] = json.loads(answer)["data"]
        reply = Reply(
            what=what,
            vectors=np.array([row["embedding"] for row in rows], dtype=np.float32),
            tokens=sum(row["usage"]["total_tokens"] for row in rows),
            seconds=seconds,
        )
        self.replies.append(reply)
        return reply

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_REQUEST_LIMIT_S)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@contextmanager
def serving(model: Path, waiting: Callable[[float], None]) -> Iterator[Server]:
    """Start ``serve`` over ``model`` as a container would be, wait until it is ready, and stop it at the end.

    ``waiting`` is called now and then with the seconds since the start.

    **Raises**: ``ServerError`` with the end of the server's log if it does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="jina-v3-demo-") as folder:
        base = Path(folder)
        lay_out(base / "model", model)
        log = base / "server.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [_serve_command()],
                env=_environment(base),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the server in its own way
            )
        try:
            yield _wait(process, log, waiting)
        finally:
            _stop(process)


def lay_out(target: Path, model: Path) -> None:
    """Make a container's model folder, ``code/`` included, of the files that the project's packaging takes.

    Weights are linked by name, not hard as by ``write_model_folder``: the folder is a passing one, and often on another
    disk than the model, where a hard link would become a copy of a gigabyte.

    **Raises**: ``ArtifactError`` where ``model`` is no model folder.
    """
    for member in list_members(model):
        path = target / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            path.symlink_to(member.source.resolve())
        else:
            shutil.copyfile(member.source, path)


def _environment(base: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return kept | {
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": "0",  # the system chooses; whoever looked for a free one first could lose it again
        "JINA_V3_BIND_HOST": HOST,
    }


def _serve_command() -> str:
    command = Path(sys.executable).parent / "serve"
    if not command.is_file():
        raise ServerError(f"there is no {command}: run `make setup`, or start the demo with `make demo`")
    return str(command)


def _wait(process: subprocess.Popen[bytes], log: Path, waiting: Callable[[float], None]) -> Server:
    """Wait until the server has named its port, and ``/ping`` there says that it is ready."""
    started = time.monotonic()
    while True:
        port = listening_port(log)
        if port is not None and (server := Server(port)).is_ready():
            return server
        seconds = time.monotonic() - started
        if process.poll() is not None:
            raise ServerError(f"the server ended with status {process.returncode}; its log ends:\n{_tail(log)}")
        if seconds > _START_LIMIT_S:
            raise ServerError(f"the server was not ready in {seconds:.0f} s; its log ends:\n{_tail(log)}")
        waiting(seconds)
        time.sleep(_POLL_S)


def listening_port(log: Path) -> int | None:
    """Return the port that the log's ``listening`` line names, None where there is no such line yet."""
    for line in log.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n") and line.startswith(b"{"):  # not one that is being written, nor a warning of Python's
            record = json.loads(line)
            if record["event"] == "listening":
                return int(record["port"])
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server as SageMaker does: SIGTERM, and SIGKILL if it has not ended in half a minute."""
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:  # after a second Ctrl-C too: nothing may stay behind
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])
