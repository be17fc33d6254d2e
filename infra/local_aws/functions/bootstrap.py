"""What runs inside a function's process: it takes events by a pipe, calls the handler, and answers by another.

It is started by its path, with nothing but the standard library to import from at first: ``sys.argv`` names the two
pipes and the folders that the function may import from. It knows nothing of the local AWS.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO


class Context:
    """What Lambda tells a function of its call."""

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id: str = call["request_id"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn: str = call["arn"]
        self.identity = None
        self.client_context = None
        self._deadline_s: float = call["deadline_s"]

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the call may still take."""
        return max(0, int((self._deadline_s - time.time()) * 1000))


def main(arguments: list[str]) -> None:
    """Answer calls until the pipe ends."""
    calls = os.fdopen(int(arguments[0]), "rb")
    answers = os.fdopen(int(arguments[1]), "wb")
    sys.path[:] = [*arguments[2:], *sys.path]
    handler: Callable[[Any, Context], Any] | None = None
    while line := calls.readline():
        call = json.loads(line)
        answer: dict[str, Any]
        try:
            if handler is None:
                handler = _find(os.environ["_HANDLER"])
            answer = {"result": _write(handler(call["event"], Context(call)))}
        except SystemExit:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the answer
            answer = {"error": _describe(error)}
        _send(answers, answer)


class HandlerError(Exception):
    """The handler cannot be called, or its result not be written; ``kind`` is Lambda's name for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _find(name: str) -> Callable[[Any, Context], Any]:
    module_name, _, function_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise HandlerError("Runtime.ImportModuleError", message) from None
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise HandlerError("Runtime.UserCodeSyntaxError", message) from None
    found: Callable[[Any, Context], Any] | None = getattr(module, function_name, None)
    if found is None:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise HandlerError("Runtime.HandlerNotFound", message)
    return found


def _write(result: Any) -> str:
    try:
        return json.dumps(result)
    except (TypeError, ValueError) as error:
        raise HandlerError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def _describe(error: BaseException) -> dict[str, Any]:
    if isinstance(error, HandlerError):
        print(f"[ERROR] {error.kind}: {error}")  # noqa: T201  # a function's output is its log
        return {"errorMessage": str(error), "errorType": error.kind, "requestId": "", "stackTrace": []}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    lines = traceback.format_list(frames)
    kind = type(error).__name__
    print(f"[ERROR] {kind}: {error}\nTraceback (most recent call last):\n{''.join(lines)}")  # noqa: T201
    return {"errorMessage": str(error), "errorType": kind, "requestId": "", "stackTrace": lines}


def _send(answers: BinaryIO, answer: dict[str, Any]) -> None:
    sys.stdout.flush()  # so that the log is whole when the answer is there
    sys.stderr.flush()
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
