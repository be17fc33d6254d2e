"""What the environment may set, read once where a process begins and passed on as a value.

Every variable is in the table at the end. A ``JINA_V3_`` variable that is not in it, or a value that cannot be, is an
error: a misspelt setting must never be ignored.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jina_v3.contract import LEAST_TOKENS_PER_TEXT, TASKS, Limits, Task
from jina_v3.errors import JinaV3Error

PREFIX = "JINA_V3_"


class ConfigError(JinaV3Error):
    """A setting in the environment is unknown or cannot be."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a serving process.

    ``device`` and ``dtype`` are ``None`` where the encoder shall choose. ``default_task`` is for JSON-lines records
    that name none. ``model_folder`` is where the checkpoint lies when it is not the container's own model folder.

    **Units**: seconds for ``…_s``, bytes for ``limits.max_body_bytes``.
    """

    base_folder: Path = Path("/opt/ml")
    program: str = "inference.py"
    program_is_set: bool = False
    port: int = 8080
    host: str = "0.0.0.0"  # noqa: S104  the container's one port must be reachable from the host
    model_folder: Path | None = None
    device: str | None = None
    dtype: str | None = None
    default_task: Task | None = None
    limits: Limits = field(default_factory=Limits)
    body_timeout_s: float = 30.0
    shutdown_timeout_s: float = 25.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Config:
        """Read the settings.

        **Raises**: ``ConfigError`` naming the variable, its value and what is allowed.
        """
        environment = os.environ if environment is None else environment
        _refuse_unknown(environment)
        settings = {
            name: _read(variable, environment[variable], reader)
            for variable, (name, reader) in _VARIABLES.items()
            if environment.get(variable, "").strip()
        }
        limits = Limits()
        settings["limits"] = Limits(
            max_texts=settings.pop("max_texts", limits.max_texts),
            max_tokens_per_text=settings.pop("max_tokens_per_text", limits.max_tokens_per_text),
            max_body_bytes=settings.pop("max_body_bytes", limits.max_body_bytes),
        )
        settings["program_is_set"] = "program" in settings
        return cls(**settings)


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = [name.removeprefix(PREFIX) for name in _VARIABLES if name.startswith(PREFIX)]
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in _VARIABLES:
            near = difflib.get_close_matches(variable.removeprefix(PREFIX), known, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else f"after {PREFIX} may come {', '.join(known)}"
            raise ConfigError(f"the environment variable {variable} is not known; {hint}")


def _read(variable: str, text: str, reader: Callable[[str], Any]) -> Any:
    try:
        return reader(text.strip())
    except ValueError as error:
        raise ConfigError(f"{variable}={text[:80]!r} cannot be: it must be {error}") from None


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        allowed = f"a whole number from {low} to {high}"
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise ValueError(allowed)
        number = int(text)
        if not low <= number <= high:
            raise ValueError(allowed)
        return number

    return read


def _seconds(text: str) -> float:
    allowed = "a number of seconds above 0 and at most 3600"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(allowed) from None
    if not (math.isfinite(number) and 0 < number <= 3600):
        raise ValueError(allowed)
    return number


def _device(text: str) -> str | None:
    if text == "auto":
        return None
    kind, _, index = text.partition(":")
    if text not in ("cpu", "cuda") and not (kind == "cuda" and index.isascii() and index.isdigit()):
        raise ValueError("auto, cpu, cuda or cuda:N")
    return text


def _dtype(text: str) -> str | None:
    names = {"auto": None, "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
    names.update({name: name for name in ("float32", "bfloat16", "float16")})
    if text not in names:
        raise ValueError("auto, float32, bfloat16 or float16")
    return names[text]


def _task(text: str) -> Task | None:
    if text == "none":
        return None
    if text not in TASKS:
        raise ValueError(f"none, {', '.join(TASKS)}")
    return Task(text)


def _text(text: str) -> str:
    return text


def _program(text: str) -> str:
    name = text.removesuffix(".py")
    if not name.isidentifier():
        raise ValueError("the name of a Python file in the model's code folder, such as inference.py")
    return f"{name}.py"


_VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "SAGEMAKER_BASE_DIR": ("base_folder", Path),
    "SAGEMAKER_PROGRAM": ("program", _program),
    "SAGEMAKER_BIND_TO_PORT": ("port", _whole_number(0, 65535)),
    "JINA_V3_BIND_HOST": ("host", _text),
    "JINA_V3_MODEL": ("model_folder", Path),
    "JINA_V3_DEVICE": ("device", _device),
    "JINA_V3_DTYPE": ("dtype", _dtype),
    "JINA_V3_DEFAULT_TASK": ("default_task", _task),
    "JINA_V3_MAX_TEXTS": ("max_texts", _whole_number(1, 10_000_000)),
    "JINA_V3_MAX_TOKENS": ("max_tokens_per_text", _whole_number(LEAST_TOKENS_PER_TEXT, Limits().max_tokens_per_text)),
    "JINA_V3_MAX_BODY_BYTES": ("max_body_bytes", _whole_number(1, 1 << 40)),
    "JINA_V3_BODY_TIMEOUT_S": ("body_timeout_s", _seconds),
    "JINA_V3_SHUTDOWN_TIMEOUT_S": ("shutdown_timeout_s", _seconds),
}
