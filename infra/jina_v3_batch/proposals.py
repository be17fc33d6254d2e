"""What a run's fields should be named, where samples have no text under the name that was asked for."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from jina_v3_batch.fields import RESERVED

_TEXTS: Final = (
    *("text", "body", "content", "abstract", "document", "passage", "paragraph", "chunk", "article", "description"),
    *("message", "comment", "review", "question", "query", "sentence", "summary", "contents", "body_text", "full_text"),
    *("page_content", "title"),
)
"""What fields of texts are often named, the likeliest first."""
_IDS: Final = ("id", "_id", "doc_id", "docid", "document_id", "uuid", "guid", "key", "identifier", "pk")
_SHOWN: Final = 8
_NAME: Final = 40


def show(names: Iterable[str]) -> str:
    """Write names of fields, the first of them."""
    all_names = list(names)
    shown = ", ".join(json.dumps(name[:_NAME], ensure_ascii=False) for name in all_names[:_SHOWN])
    return f"{shown}, …" if len(all_names) > _SHOWN else shown


def likely_text(names: Iterable[str]) -> str | None:
    """Return the name that looks most like that of a text, None where none does."""
    return _likeliest(names, _TEXTS)


def likely_id(names: Iterable[str]) -> str | None:
    """Return the name that looks most like that of an id, None where none does."""
    return _likeliest(names, _IDS)


def propose_text(records: Sequence[Mapping[str, int]]) -> str:
    """Say which field to ask for; ``records`` are the strings of each sampled record, their lengths by name.

    A field that most records have: one with a name that texts often have, or else that of the longest strings.
    """
    lengths: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for record in records:
        lengths.update({name: size for name, size in record.items() if name not in RESERVED})
        count.update(name for name in record if name not in RESERVED)
    common = [name for name, there in count.items() if there > len(records) / 2]
    longest = max(
        (name for name in common if likely_id([name]) is None),
        key=lambda name: lengths[name] / count[name],
        default=None,
    )
    name = likely_text(common) or longest
    if name is None:
        return ""
    return f"; {count[name]} of {len(records)} have a string in {show([name])}: {say('text_field', name)}"


def say(field: str, name: str) -> str:
    """Say how a run is asked to take a name."""
    option = f"--{field.replace('_', '-')}"
    return f'say "{field}": {json.dumps(name, ensure_ascii=False)} ({option} {shlex.quote(name)})'


def _likeliest(names: Iterable[str], known: Sequence[str]) -> str | None:
    ranked = [(known.index(name.strip().lower()), name) for name in names if name.strip().lower() in known]
    return min(ranked)[1] if ranked else None
