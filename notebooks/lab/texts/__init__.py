"""The notebooks' texts, which lie beside this file, each with its topic and its language."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Text:
    """A text, what it is about, its language (ISO 639-1), and whatever else its file says of it."""

    topic: str
    language: str
    text: str
    more: dict[str, Any] = field(default_factory=dict)


def read(name: str) -> list[Text]:
    """Return the texts of ``name.jsonl``; each line has ``topic``, ``language``, ``text`` and what it likes."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [_text(json.loads(line)) for line in lines]


def names() -> list[str]:
    """Return the files' names."""
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def _text(record: dict[str, Any]) -> Text:
    topic, language, text = (record.pop(name) for name in ("topic", "language", "text"))
    return Text(topic, language, text, record)
