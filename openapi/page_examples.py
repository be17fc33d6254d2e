"""Examples of the document as blocks of code, for the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_WIDTH: Final = 100
_STEP: Final = "  "


def headers_line(headers: Mapping[str, str]) -> str:
    """Return headers as they are sent."""
    return ", ".join(f"`{name}: {value}`" for name, value in headers.items())


def blocks(example: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an example holds: a value, or rows, an array or bytes, which JSON has no word for."""
    if "value" in example:
        value = example["value"]
        yield _block("text", value) if isinstance(value, str) else _block("json", lay_out(value))
    if "x-rows" in example:
        yield "as rows of a Parquet file:"
        yield _block("json", lay_out(example["x-rows"]))
    if "x-array" in example:
        yield "as an array:"
        yield _block("json", lay_out(example["x-array"]))
    if "x-base64" in example:
        yield "as bytes, here in base64:"
        yield _block("text", example["x-base64"])


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip(chr(10))}\n```"


def lay_out(value: Any, indent: str = "") -> str:
    """Return a value as JSON: what fits stands on one line, all else is broken where its outermost parts end."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= _WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    deeper = indent + _STEP
    if isinstance(value, dict):
        parts = [f"{deeper}{json.dumps(name)}: {lay_out(item, deeper)}" for name, item in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + lay_out(item, deeper) for item in value) + f"\n{indent}]"
