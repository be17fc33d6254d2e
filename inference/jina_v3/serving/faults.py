"""Faults of ours: what a caller and the log are told of an exception, and which of them the process cannot outlive."""

from __future__ import annotations

import logging
from typing import Final

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


def report_fault(error: Exception, request_id: str | None) -> RequestError:
    """Log an exception that a request met, never its message, and return what its caller is told."""
    fields = {"request_id": request_id, **describe_exception(error)}
    _log.error("handler failed", extra={"fields": fields})
    if isinstance(error, DeviceLostError) or is_device_lost(error):
        return DeviceLostError()
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
