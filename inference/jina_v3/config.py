"""What the environment may set, read once where a process begins and passed on as a value.

Every variable is in the table at the end. A ``JINA_V3_`` variable that is not in it, or a value that cannot be, is an
error: a misspelt setting must never be ignored. The two that are the ``jina-v3`` command's are left to it.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from jina_v3.contract import (
    BATCH_MAX_BODY_BYTES,
    EMBEDDING_TYPES,
    LEAST_TOKENS_PER_TEXT,
    MODEL_DIMENSIONS,
    TASKS,
    Limits,
    Task,
)
from jina_v3.errors import JinaV3Error
from jina_v3.record_fields import RecordFields, read_columns, read_name

PREFIX = "JINA_V3_"
_OF_THE_COMMAND: Final = ("JINA_V3_ENDPOINT", "JINA_V3_DEPLOYMENT")  # a shell that calls may start a server too


class ConfigError(JinaV3Error):
    """A setting in the environment is unknown or cannot be."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a serving process.

    ``device`` and ``dtype`` are ``None`` where the encoder shall choose, ``engines`` where there shall be one for each
    GPU. ``kernels``, ``attention`` and ``graphs`` say what a GPU computes with, see the encoder's ``EngineOptions``.
    ``default_task``, ``default_dimensions`` and ``default_embedding_type`` are for requests that have no place to
    say so, and for records that do not; ``fields`` says where a record's text and id are. ``model_folder`` is where
    the checkpoint lies when it is not the container's own model folder. ``batch`` says that a batch transform job
    sends the requests.

    **Units**: seconds for ``…_s``, bytes for ``…_bytes``, tokens for ``max_batch_tokens``.
    """

    base_folder: Path = Path("/opt/ml")
    program: str = "inference.py"
    program_is_set: bool = False
    port: int = 8080
    host: str = "0.0.0.0"  # noqa: S104  the container's one port must be reachable from the host
    model_folder: Path | None = None
    device: str | None = None
    dtype: str | None = None
    kernels: str = "auto"
    attention: str = "auto"
    graphs: bool = True
    engines: int | None = None
    max_batch_tokens: int | None = None
    default_task: Task | None = None
    default_dimensions: int = MODEL_DIMENSIONS
    default_embedding_type: str = "float"
    fields: RecordFields = field(default_factory=RecordFields)
    limits: Limits = field(default_factory=Limits)
    body_timeout_s: float = 30.0
    request_timeout_s: float = 60.0
    max_queue_s: float = 25.0
    engine_timeout_s: float = 300.0
    shutdown_timeout_s: float = 25.0
    batch: bool = False
    batch_strategy: str = "MULTI_RECORD"
    max_payload_mb: int = 6
    max_concurrent_transforms: int = 8

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
        defaults: Mapping[str, Any] = _BATCH_DEFAULTS if settings.get("batch") else {}
        given = {name: settings.pop(name) for name in _LIMITS if name in settings}
        names = RecordFields(**{key: settings.pop(name) for name, key in _FIELDS.items() if name in settings})
        if (fault := names.fault()) is not None:
            raise ConfigError(f"the environment's JINA_V3_TEXT_FIELD, _ID_FIELD and _CSV_COLUMNS do not agree: {fault}")
        limits = Limits(**{name: value for name, value in {**defaults, **given}.items() if name in _LIMITS})
        settings = {name: value for name, value in defaults.items() if name not in _LIMITS} | settings
        return cls(**settings, limits=limits, fields=names, program_is_set="program" in settings)


DTYPES: Final = ("float32", "bfloat16", "float16", "float16-fast", "float8", "float8-mlp")
"""The precisions by name; where each can run is the encoder's to say."""

_SHORT_DTYPES: Final = {
    "fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp16-fast": "float16-fast", "fp8": "float8",
    "fp8-mlp": "float8-mlp",
}  # fmt: skip

_LIMITS: Final = tuple(limit.name for limit in fields(Limits))

_FIELDS: Final = {"text_field": "text", "id_field": "id", "csv_columns": "columns"}

_BATCH_DEFAULTS: Final[Mapping[str, Any]] = {
    "max_body_bytes": BATCH_MAX_BODY_BYTES,
    "request_timeout_s": 3600.0,
    "max_queue_s": 3600.0,  # a request that is refused costs the job a whole file
}
"""What is otherwise when a transform job sends the requests; each can still be set."""


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = [name.removeprefix(PREFIX) for name in _VARIABLES if name.startswith(PREFIX)]
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in _VARIABLES and variable not in _OF_THE_COMMAND:
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
    if text == "auto":
        return None
    name = _SHORT_DTYPES.get(text, text)
    if name not in DTYPES:
        raise ValueError(f"auto, {', '.join(DTYPES[:-1])} or {DTYPES[-1]}")
    return name


def _task(text: str) -> Task | None:
    if text == "none":
        return None
    if text not in TASKS:
        raise ValueError(f"none, {', '.join(TASKS)}")
    return Task(text)


def _engines(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return _whole_number(1, 64)(text)
    except ValueError as error:
        raise ValueError(f"auto or {error}") from None


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return read


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):  # SageMaker writes true
        raise ValueError("true or false")
    return text.lower() == "true"


def _batch_strategy(text: str) -> str:
    known = {"MULTIRECORD": "MULTI_RECORD", "SINGLERECORD": "SINGLE_RECORD"}  # CreateTransformJob writes MultiRecord
    name = text.upper().replace("_", "")
    if name not in known:
        raise ValueError("MULTI_RECORD or SINGLE_RECORD")
    return known[name]


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
    "JINA_V3_KERNELS": ("kernels", _one_of("auto", "triton", "torch")),
    "JINA_V3_ATTENTION": ("attention", _one_of("auto", "flash", "cudnn", "flash3", "sdpa")),
    "JINA_V3_GRAPHS": ("graphs", _flag),
    "JINA_V3_ENGINES": ("engines", _engines),
    "JINA_V3_MAX_BATCH_TOKENS": ("max_batch_tokens", _whole_number(1, 1 << 20)),
    "JINA_V3_DEFAULT_TASK": ("default_task", _task),
    "JINA_V3_DEFAULT_DIMENSIONS": ("default_dimensions", _whole_number(1, MODEL_DIMENSIONS)),
    "JINA_V3_DEFAULT_EMBEDDING_TYPE": ("default_embedding_type", _one_of(*EMBEDDING_TYPES)),
    "JINA_V3_TEXT_FIELD": ("text_field", read_name),
    "JINA_V3_ID_FIELD": ("id_field", read_name),
    "JINA_V3_CSV_COLUMNS": ("csv_columns", read_columns),
    "JINA_V3_MAX_TEXTS": ("max_texts", _whole_number(1, 10_000_000)),
    "JINA_V3_MAX_TOKENS": ("max_tokens_per_text", _whole_number(LEAST_TOKENS_PER_TEXT, Limits().max_tokens_per_text)),
    "JINA_V3_MAX_BODY_BYTES": ("max_body_bytes", _whole_number(1, 1 << 40)),
    "JINA_V3_BODY_TIMEOUT_S": ("body_timeout_s", _seconds),
    "JINA_V3_REQUEST_TIMEOUT_S": ("request_timeout_s", _seconds),
    "JINA_V3_MAX_QUEUE_S": ("max_queue_s", _seconds),
    "JINA_V3_ENGINE_TIMEOUT_S": ("engine_timeout_s", _seconds),
    "JINA_V3_SHUTDOWN_TIMEOUT_S": ("shutdown_timeout_s", _seconds),
    "SAGEMAKER_BATCH": ("batch", _flag),
    "SAGEMAKER_BATCH_STRATEGY": ("batch_strategy", _batch_strategy),
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": ("max_payload_mb", _whole_number(0, 100)),
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": ("max_concurrent_transforms", _whole_number(0, 10_000)),
}
