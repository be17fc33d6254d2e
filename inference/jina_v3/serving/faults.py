"""Faults of ours: what a caller and the log are told of an exception, and which of them the process cannot outlive."""

from __future__ import annotations

import logging
import math
from typing import Any, Final

from jina_v3.contract import ErrorCode
from jina_v3.errors import RequestError
from jina_v3.serving.logs import describe_exception

_log = logging.getLogger(__name__)

_SURVIVABLE: Final = ("out of memory", "ALLOC_FAILED", "invalid argument", "invalid configuration argument")
"""CUDA errors of one call, after which the device is as good as before."""


class DeviceLostError(RequestError):
    """The accelerator's context is broken: every later request would fail too, until the process is replaced."""

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.NOT_READY,
            "the accelerator has failed and this server waits to be replaced; send the request again",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as what it is: the server looks for it in what comes from an engine's process."""
        return DeviceLostError, ()


class OverloadedError(RequestError):
    """Too much waits already. **Units**: ``retry_after_s`` is when it will be little enough, as far as can be told."""

    def __init__(self, message: str, value: float, allowed: str, retry_after_s: int) -> None:
        super().__init__(
            ErrorCode.OVERLOADED,
            f"{message}; send the request again in {retry_after_s} s",
            field="queue",
            value=value,
            allowed=allowed,
        )
        self.retry_after_s = retry_after_s

    @classmethod
    def for_wait(cls, wait_s: float, max_queue_s: float) -> OverloadedError:
        """Return the error where the requests before this one take too long at the measured rate."""
        return cls(
            f"the requests before this one take {wait_s:.0f} s, and {max_queue_s:g} s are allowed",
            round(wait_s),
            f"{max_queue_s:g} s",
            max(1, math.ceil(wait_s - max_queue_s)),
        )

    @classmethod
    def for_memory(cls, most_bytes: int) -> OverloadedError:
        """Return the error where the bodies in memory are all that it has room for."""
        return cls("the bodies being read take all the room there is for them", most_bytes, f"{most_bytes} bytes", 1)


def report_fault(error: Exception, request_id: str | None) -> RequestError:
    """Log an exception that a request met, never its message, and return what its caller is told."""
    fields = {"request_id": request_id, **describe_exception(error)}
    _log.error("handler failed", extra={"fields": fields})
    if isinstance(error, DeviceLostError) or is_device_lost(error):
        return DeviceLostError()
    return internal_error()


def internal_error() -> RequestError:
    """Return what a caller is told of a fault of ours."""
    return RequestError(ErrorCode.INTERNAL, "the request could not be served; the fault is the server's")


def is_device_lost(error: BaseException) -> bool:
    """Say whether an exception, or one that led to it, means that the CUDA context is of no more use.

    By names and words, for serving must not import torch: ``torch.AcceleratorError``, before it ``RuntimeError``, with
    a message that begins with "CUDA error".

    **Source**: "sticky" errors in CUDA's runtime API, ``cudaError_t``; torch's ``c10/cuda/CUDAException.cpp``.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        message = str(cause)
        named = type(cause).__name__ == "AcceleratorError" or isinstance(cause, RuntimeError)
        if named and message.startswith("CUDA error") and not any(words in message for words in _SURVIVABLE):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
