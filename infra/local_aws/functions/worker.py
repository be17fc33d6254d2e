"""One process of a function: it is started once, and called again and again, one call at a time."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local_aws.functions.deployment import Deployment

_BOOTSTRAP: Final = Path(__file__).with_name("bootstrap.py")
_CHUNK: Final = 65_536
_END_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call came to: the payload, whether it is an error, and what the function wrote."""

    payload: bytes
    failed: bool
    written: str
    took_s: float


class Worker:
    """A process of a function, until ``end``."""

    def __init__(self, deployment: Deployment, environment: Mapping[str, str], stream: str) -> None:
        self.stream = stream
        self.calls = 0
        self.started = time.monotonic()
        call_end, self._calls = os.pipe()
        self._answers, answer_end = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603  # this Python, and the bootstrap beside this file
            [
                sys.executable,
                *("-I", "-S", "-u"),  # no variables of Python's, no packages but those that are linked
                str(_BOOTSTRAP),
                str(call_end),
                str(answer_end),
                str(deployment.folder),
                str(deployment.sdk),
            ],
            env=dict(environment),
            cwd=deployment.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(call_end, answer_end),
            start_new_session=True,
        )
        os.close(call_end)
        os.close(answer_end)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        os.set_blocking(self._answers, False)

    @property
    def usable(self) -> bool:
        """Whether it can be called again."""
        return self._process.poll() is None

    def call(self, deployment: Deployment, request_id: str, event: Any) -> Outcome:
        """Call the handler; a process that takes too long, or ends, is of no use any more."""
        self.calls += 1
        began = time.monotonic()
        call = {
            "request_id": request_id,
            "arn": deployment.arn,
            "deadline_s": time.time() + deployment.timeout_s,
            "event": event,
        }
        written, answer = bytearray(), bytearray()
        try:
            with os.fdopen(os.dup(self._calls), "wb") as pipe:
                pipe.write(json.dumps(call).encode() + b"\n")
            answered = self._listen(written, answer, began + deployment.timeout_s)
        except BrokenPipeError:
            answered = True  # it has ended, and said why in its log
        took_s = time.monotonic() - began
        if answer.endswith(b"\n"):
            payload, failed = _read(bytes(answer), request_id)
        else:
            failed = True
            self.end()
            payload = _lost(request_id, None if answered else deployment.timeout_s, self._process.returncode)
        self._drain(written)
        return Outcome(payload=payload, failed=failed, written=written.decode(errors="replace"), took_s=took_s)

    def _listen(self, written: bytearray, answer: bytearray, deadline: float) -> bool:
        """Gather output and answer until the answer is whole, or the process has ended; tell whether it was in time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ, written)
            selector.register(self._answers, selectors.EVENT_READ, answer)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    chunk = os.read(key.fd, _CHUNK)
                    key.data.extend(chunk)
                    if not chunk:
                        selector.unregister(key.fd)
                        if key.fd == self._answers:
                            return True
                if answer.endswith(b"\n"):
                    return True
        return False

    def _drain(self, written: bytearray) -> None:
        """Take what the function wrote and nobody has read."""
        try:
            while chunk := os.read(self._output, _CHUNK):
                written.extend(chunk)
        except BlockingIOError:
            pass
        if not self.usable:
            self.close()

    def end(self) -> None:
        """End the process; it has no say in it, as in Lambda."""
        self._process.kill()
        self._process.wait(_END_S)

    def close(self) -> None:
        """Give the pipes back, after the end."""
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._process.stdout.close()
            os.close(self._calls)
            os.close(self._answers)


def _read(answer: bytes, request_id: str) -> tuple[bytes, bool]:
    read = json.loads(answer)
    if "error" in read:
        return json.dumps({**read["error"], "requestId": request_id}).encode(), True
    return read["result"].encode(), False


def _lost(request_id: str, limit_s: float | None, status: int | None) -> bytes:
    if limit_s is not None:
        kind, said = "Sandbox.Timedout", f"Task timed out after {limit_s:.2f} seconds"
    else:
        how = f"exit status {status}" if status is not None and status >= 0 else f"signal {-(status or 0)}"
        kind, said = "Runtime.ExitError", f"Runtime exited with error: {how}"
    return json.dumps({"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {said}"}).encode()
