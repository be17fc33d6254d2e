"""``X-Amzn-SageMaker-Custom-Attributes``: the place of parameters for bodies that have none.

The header is the caller's own, of any content; only what is named as a parameter of ours is read, and what an answer
adds to it is appended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from jina_v3.config import Config
from jina_v3.contract import MODEL_DIMENSIONS
from jina_v3.errors import RequestError
from jina_v3.serving.formats.parameters import Given, Parameters, contradiction, read_parameters, wrong_type

HEADER: Final = "X-Amzn-SageMaker-Custom-Attributes"
_MAX_CHARACTERS: Final = 1024

_PAIR: Final = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(.*?)\s*", re.DOTALL)
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}


def read_attributes(header: str | None, config: Config) -> Parameters:
    """Read the parameters that hold where a body does not say: the header's, and else the environment's.

    **Raises**: ``RequestError`` (422) for a parameter of ours with a value that cannot be.
    """
    values: dict[str, Any] = {}
    for part in re.split("[;,]", header or ""):
        pair = _PAIR.fullmatch(part)
        name = pair[1].lower() if pair else ""
        if pair is None or name not in _READERS:
            continue
        value = _READERS[name](name, pair[2])
        if name in values and values[name] != value:
            raise contradiction(f"{HEADER}: {name}", pair[2], f"another {name}").at(HEADER)
        values[name] = value
    absent = Parameters(
        task=config.default_task,
        dimensions=config.default_dimensions,
        embedding_types=config.default_embedding_type,
    )
    try:
        return read_parameters(Given(values), absent)
    except RequestError as error:
        raise RequestError(
            error.code, f"{HEADER}: {error.message}", field=HEADER, value=error.value, allowed=error.allowed
        ) from None


def append_attribute(header: str | None, attribute: str) -> str | None:
    """Return the header with an attribute more; None where that is longer than SageMaker lets through."""
    kept = header if header and header.isascii() and header.isprintable() else None
    whole = f"{kept};{attribute}" if kept else attribute
    return whole if len(whole) <= _MAX_CHARACTERS else None


def _read_task(_name: str, text: str) -> str | None:
    return None if text.lower() in ("none", "null") else text


def _read_dimensions(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _cannot_be(name, text, f"a whole number from 1 to {MODEL_DIMENSIONS}")
    return int(text)


def _read_flag(name: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise _cannot_be(name, text, "true or false")
    return _FLAGS[text.lower()]


def _read_word(_name: str, text: str) -> str:
    return text


def _cannot_be(name: str, text: str, allowed: str) -> RequestError:
    error = wrong_type(f"{HEADER}: {name}", text, allowed)
    return RequestError(error.code, error.message, field=HEADER, value=f"{name}={text}", allowed=allowed)


_READERS: Final = {
    "task": _read_task,
    "dimensions": _read_dimensions,
    "normalized": _read_flag,
    "truncate": _read_flag,
    "embedding_type": _read_word,
}

NAMES: Final = tuple(_READERS)
"""The parameters that the header can say."""
