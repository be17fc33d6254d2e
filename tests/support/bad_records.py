"""A dataset with every kind of bad record in it, and what must become of each of its lines.

What is expected comes from docs/contract.md, by hand: nothing here asks the code that is tested.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

WORDS: Final = (
    *("sunrise", "harbour", "quiet", "market", "river", "Boote", "kehren", "heim", "abends", "le", "port", "calme"),
    *("la", "mer", "est", "belle", "el", "barco", "vuelve", "al", "puerto", "海", "に", "日", "が", "昇る", "солнце"),
)
HUGE_BYTES: Final = 7 * 2**20
"""More than the six megabytes that a request may have."""

OVER_LONG_WORDS: Final = 9_000
"""More tokens than the model reads; a few dozen KB, which any request may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a shard: its bytes without the line's end, and what must come of it.

    ``id`` is ``None`` where the line does not tell one. ``error`` is the code that the record must get, or ``None``.
    """

    raw: bytes
    id: str | None = None
    error: str | None = None

    @property
    def blank(self) -> bool:
        """Say whether it is no record at all."""
        return not self.raw.strip()


def _record(id: str, **fields: object) -> bytes:
    return json.dumps({"id": id, **fields}, ensure_ascii=False).encode()


BAD: Final[dict[str, Callable[[str, str], Line]]] = {
    "not JSON": lambda id, text: Line(raw=_record(id, text=text)[:-2], error="not_json"),
    "no text": lambda id, text: Line(raw=_record(id, body=text), id=id, error="missing_field"),
    "null": lambda id, text: Line(raw=_record(id, text=None), id=id, error="wrong_type"),
    "over-long": lambda id, text: Line(
        raw=_record(id, text=" ".join([text.split()[0]] * OVER_LONG_WORDS)), id=id, error="text_too_long"
    ),
    "wrong task": lambda id, text: Line(
        raw=_record(id, text=text, task="retrieval.passages"), id=id, error="unknown_task"
    ),
    "huge": lambda id, text: Line(
        raw=_record(id, text=text, attachment="x" * HUGE_BYTES), id=id, error="record_too_large"
    ),
    "odd encoding": lambda id, text: Line(raw=_record(id, text=text)[:-2] + b' caf\xe9"}', id=id, error="not_utf8"),
    "blank": lambda id, text: Line(raw=b"   " if len(text) % 2 else b""),
    "lone surrogate": lambda id, text: Line(
        raw=f'{{"id": "{id}", "text": "half of one: \\ud83d"}}'.encode(), id=id, error="invalid_text"
    ),
    "nested": lambda id, text: Line(raw=_record(id, text={"en": text}), id=id, error="wrong_type"),
}
"""What makes each kind of bad line."""


def make_shards(*, shards: int = 20, lines: int = 500, bad_of_each: int = 10, seed: int = 5) -> dict[str, list[Line]]:
    """Return the lines of each shard by its name; bad ones are spread over all of them by chance."""
    chance = random.Random(seed)
    places = chance.sample(range(shards * lines), bad_of_each * len(BAD))
    kinds = dict(zip(places, list(BAD) * bad_of_each, strict=True))
    return {
        f"part-{shard:04d}.jsonl": [_line(shard * lines + line, kinds, chance) for line in range(lines)]
        for shard in range(shards)
    }


def _line(number: int, kinds: dict[int, str], chance: random.Random) -> Line:
    id = f"doc-{number:06d}"
    text = " ".join(chance.choices(WORDS, k=chance.randint(2, 12)))
    if number in kinds:
        return BAD[kinds[number]](id, text)
    return Line(raw=_record(id, text=text, language=number % 12), id=id)


def shard_body(lines: list[Line]) -> bytes:
    """Return a shard's bytes."""
    return b"".join(line.raw + b"\n" for line in lines)


def records(shards: dict[str, list[Line]]) -> Iterator[tuple[str, int, Line]]:
    """Yield shard, line number from 1, and line of every record."""
    for name, lines in shards.items():
        for number, line in enumerate(lines, start=1):
            if not line.blank:
                yield name, number, line
