"""A deployment as TOML, which read again gives the same deployment; knows nothing of what the fields mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from jina_v3_infra.config import Deployment


def write_toml(deployment: Deployment) -> str:
    """Write every setting that has a value; one that has none is left out, as in a file."""
    return "\n".join(_table(_plain(deployment), ())).strip() + "\n"


def _plain(value: Any) -> Any:
    """Return dataclasses as dictionaries, without what is ``None``."""
    if is_dataclass(value):
        pairs = ((one.name, _plain(getattr(value, one.name))) for one in fields(value))
        return {name: plain for name, plain in pairs if plain is not None}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _table(content: Mapping[str, Any], place: Sequence[str]) -> Iterator[str]:
    """Yield a table's own values first, then its tables: TOML has no way back from a table."""
    inner = {key: value for key, value in content.items() if _is_table(value) or _is_tables(value)}
    for key, value in content.items():
        if key not in inner:
            yield f"{_key(key)} = {toml_value(value)}"
    for key, value in inner.items():
        path = (*place, key)
        name = ".".join(_key(step) for step in path)
        for one, header in [(value, f"[{name}]")] if _is_table(value) else [(one, f"[[{name}]]") for one in value]:
            yield ""
            yield header
            yield from _table(one, path)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def toml_value(value: Any) -> str:
    """Write one value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
