"""The handler functions that a process serves with: the model folder's own, where it has any, else ours."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from jina_v3.config import Config, ConfigError
from jina_v3.serving.context import RequestContext

_OURS = "jina_v3.serving.handler"

_ARGUMENTS = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2}
"""How many arguments each handler takes before the context, which it may leave out."""

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Program:
    """The four handlers, each callable with its arguments and a context.

    With ``batches`` the server may do what ``predict_fn`` does by itself, together for many requests: it is ours.
    ``open_response`` is there where the answers are written by our own ``output_fn``, which knows what it offers;
    ``read_parts`` where bodies are read by our own ``input_fn``, which can cut them.
    """

    model_fn: Handler
    input_fn: Handler
    predict_fn: Handler
    output_fn: Handler
    open_response: Handler | None = None
    read_parts: Handler | None = None
    batches: bool = False

    def is_quick(self, handler: Handler) -> bool:
        """Say whether a handler is ours, and so takes no time over what is small."""
        return handler.__module__ == _OURS


def load_program(config: Config) -> Program:
    """Import ``<base>/model/code/<program>`` if it is there; handlers that it does not have are ours.

    **Raises**: ``ConfigError`` where ``SAGEMAKER_PROGRAM`` names a file that is not there, or a handler takes another
    number of arguments than it is called with.
    """
    ours = importlib.import_module(_OURS)
    path = config.base_folder / "model" / "code" / config.program
    if path.is_file():
        theirs = _import_file(path)
    elif config.program_is_set and config.program != Config().program:
        raise ConfigError(f"SAGEMAKER_PROGRAM is {config.program}, but there is no {path}")
    else:
        theirs = ours
    handlers = {name: _with_context(getattr(theirs, name, getattr(ours, name)), name) for name in _ARGUMENTS}
    return Program(
        **handlers,
        open_response=ours.open_response if handlers["output_fn"] is ours.output_fn else None,
        read_parts=ours.read_parts if handlers["input_fn"] is ours.input_fn else None,
        batches=handlers["predict_fn"] is ours.predict_fn,
    )


def take_result(result: Any, context: RequestContext) -> bytes:
    """Return the body that ``output_fn`` returned, and note its content type if it said one."""
    if isinstance(result, tuple):
        result, content_type = result
        context.set_response_content_type(0, str(content_type))
    return result.encode() if isinstance(result, str) else bytes(result)


def _import_file(path: Path) -> ModuleType:
    """Import a file as a top-level module that finds what lies beside it.

    A package that is installed comes before a copy of it beside the file: ``jina_v3`` is imported already.
    """
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _with_context(handler: Handler, name: str) -> Handler:
    """Return a handler that can be passed a context whether it takes one or not, as AWS's toolkit tells them apart."""
    wanted = _ARGUMENTS[name]
    takes = len(inspect.signature(handler).parameters)
    if takes == wanted + 1:
        return handler
    if takes == wanted:
        return lambda *arguments: handler(*arguments[:wanted])
    raise ConfigError(f"{name} takes {takes} arguments; it is called with {wanted}, and a context if it takes one more")
