"""Texts into chunks, for late chunking; put together again, the chunks are the text.

Each function makes a chunker for ``embed_document``. White space, and what else cannot be seen, stays at the end of the
chunk before it and is not counted, so that every chunk has something to read; a text that has nothing has no chunks. A
chunk longer than ``max_characters`` is cut between words, and where there are none between characters as a reader sees
them, never within one of several code points.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import Final

from jina_v3_client.errors import ConfigurationError
from jina_v3_client.protocols import Chunker

_CLOSERS: Final = r"""["'”’»›)\]}」』】）]*+"""
# Where a sentence ends: behind an ideographic full stop at once, behind others before white space. Behind a point no
# small letter may follow ("e.g. this"), nor may it stand behind a single capital ("J. Smith"). Each run of marks is
# tried once, from its beginning, so that a million points take no longer than a million letters.
_SENTENCE_END: Final = re.compile(
    rf"""[。！？｡]++{_CLOSERS}\s*+
    | (?<![!?…؟۔।॥։።])[!?…؟۔।॥։።]++{_CLOSERS}\s++
    | (?<!\.)(?<!\b[^\W\d_a-zà-ÿ])\.++{_CLOSERS}\s++(?![a-zà-ÿа-яα-ω])
    | \n[^\S\n]*+\n\s*+""",
    re.VERBOSE,
)
_PARAGRAPH_END: Final = re.compile(r"(?:\n[^\S\n]*+\n|\u2029)\s*+")
_WHITE: Final = re.compile(r"\s*")

_UNSEEN: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Mc", "Me"})
"""Categories of characters that show nothing by themselves."""


def sentences(max_characters: int = 2000) -> Chunker:
    """Make a chunker whose chunks are sentences, in scripts with and without spaces.

    **Raises**: ``ConfigurationError``.

    >>> sentences()("It rains, e.g. today. J. Smith stays in! 雨だ。寝る。")
    ['It rains, e.g. today. ', 'J. Smith stays in! ', '雨だ。', '寝る。']
    """
    return _chunker(_SENTENCE_END, max_characters)


def paragraphs(max_characters: int = 8000) -> Chunker:
    r"""Make a chunker whose chunks are paragraphs, which blank lines separate.

    **Raises**: ``ConfigurationError``.

    >>> paragraphs()("One.\nStill one.\n\nTwo.")
    ['One.\nStill one.\n\n', 'Two.']
    """
    return _chunker(_PARAGRAPH_END, max_characters)


def fixed(max_characters: int = 1000) -> Chunker:
    """Make a chunker whose chunks are as long as they may be.

    **Raises**: ``ConfigurationError``.

    >>> fixed(12)("The sun rises over the harbour.")
    ['The sun ', 'rises over ', 'the harbour.']
    """
    return _chunker(None, max_characters)


def _chunker(ends: re.Pattern[str] | None, max_characters: int) -> Chunker:
    if isinstance(max_characters, bool) or not isinstance(max_characters, int) or max_characters < 1:
        raise ConfigurationError(f"max_characters is {max_characters!r}; it must be a whole number of at least 1")

    def chunk(text: str) -> list[str]:
        bounds = [0, *(found.end() for found in ends.finditer(text)), len(text)] if ends else [0, len(text)]
        units = [text[start:end] for start, end in pairwise(bounds) if end > start]
        return _joined(part for unit in units for part in _cut(unit, max_characters))

    return chunk


def _cut(unit: str, most: int) -> Iterator[str]:
    """Cut what is longer than it may be."""
    start = 0
    while start < len(unit):
        begin = _after_white(unit, start)
        limit = begin + most
        end = (
            len(unit) if limit >= len(unit) else _after_word(unit, begin, limit) or _after_character(unit, begin, limit)
        )
        end = _after_white(unit, end)
        yield unit[start:end]
        start = end


def _after_white(text: str, at: int) -> int:
    found = _WHITE.match(text, at)
    return found.end() if found else at


def _after_word(text: str, begin: int, limit: int) -> int | None:
    """Return where the last word ends that ends by ``limit``, or ``None`` where the first one is longer."""
    if text[limit].isspace():
        return limit
    return next((at for at in range(limit, begin, -1) if text[at - 1].isspace()), None)


def _after_character(text: str, begin: int, limit: int) -> int:
    """Return where the last character ends that ends by ``limit``; where the first one is longer, its end."""
    places = chain(range(limit, begin, -1), range(limit + 1, len(text)))
    return next((at for at in places if not _is_within_character(text, at, begin)), len(text))


def _is_within_character(text: str, at: int, begin: int) -> bool:
    """Tell whether the code points before and at a place are one character to a reader, where one begins at ``begin``.

    **Source**: Unicode Standard Annex 29, the rules for marks, joiners, emoji, Hangul and flags.
    """
    before, after = text[at - 1], text[at]
    if after.isascii() and before.isascii():
        return False
    if before == "\u200d" or unicodedata.category(after) in ("Mn", "Mc", "Me", "Cf"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\u1160" <= after <= "\u11ff":  # colours of skin; vowels, finals
        return True
    if _is_flag_letter(before) and _is_flag_letter(after):
        run = next((back for back in range(at, begin, -1) if not _is_flag_letter(text[back - 1])), begin)
        return (at - run) % 2 == 1
    return False


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _joined(parts: Iterable[str]) -> list[str]:
    """Return the parts, those with nothing to be seen put to the one before, or to the first."""
    chunks: list[str] = []
    unseen = ""
    for part in parts:
        if any(unicodedata.category(character) not in _UNSEEN for character in part):
            chunks.append(unseen + part)
            unseen = ""
        elif chunks:
            chunks[-1] += part
        else:
            unseen += part
    return chunks
