"""The exceptions of the inference side.

JinaV3Error
├── RequestError      the caller's input is at fault; has an ErrorCode, and so a status
│   ├── DeviceLostError   (serving/faults.py) no input is at fault: the accelerator has failed for good
│   └── OverloadedError   (serving/faults.py) no input is at fault: too much waits already
├── DeviceMemoryError the device has no room for the model and its longest text, or for a batch though cut in two
├── CheckpointError   a model folder cannot be loaded; says which tensor, file or setting
├── AccuracyError     a model loses too much in the precision that was asked for; says how much is allowed
└── ConfigError       (config.py) a setting in the environment is unknown or cannot be
"""

from __future__ import annotations

from typing import Any

from jina_v3.contract import ErrorCode

_SHOWN_CHARACTERS = 80


class JinaV3Error(Exception):
    """Base of everything this package raises on purpose."""


class CheckpointError(JinaV3Error):
    """A model folder is partial, foreign or unreadable."""


class DeviceMemoryError(JinaV3Error):
    """The device has no room for the longest text, or for a batch, cut in two neither; says what is free and the fix.

    After that of a batch the next one may well be served.
    """


class AccuracyError(JinaV3Error):
    """A model's vectors lie too far from fp32's in the precision that was asked for."""


class RequestError(JinaV3Error, ValueError):
    """Input that cannot be served, with what is allowed instead.

    ``value`` is kept in a shortened form; pass ``None`` for texts, which are never echoed.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        value: object = None,
        allowed: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.value = shorten(value)
        self.allowed = allowed

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by all arguments, so that the error crosses to another process whole."""
        return _restore, (self.code, self.message, self.field, self.value, self.allowed)

    def at(self, field: str) -> RequestError:
        """Return the same error, said of another field, also where the message begins with the field's name."""
        message = self.message
        if self.field and message.startswith(self.field):
            message = f"{field}{message.removeprefix(self.field)}"
        return RequestError(self.code, message, field=field, value=self.value, allowed=self.allowed)


def _restore(code: ErrorCode, message: str, field: str | None, value: object, allowed: Any) -> RequestError:
    return RequestError(code, message, field=field, value=value, allowed=allowed)


def shorten(value: object) -> str | int | float | bool | None:
    """Cut a value down to what may stand in an error.

    Scalars that are short stay themselves; anything else becomes at most 80 characters of its form.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < 1e15:
        return value
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of about {value.bit_length() * 3 // 10} digits"
    text = (value if isinstance(value, str) else repr(value)).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
