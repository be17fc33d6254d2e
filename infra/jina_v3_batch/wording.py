"""Words for numbers of things."""

from __future__ import annotations

from collections.abc import Sized


def count(things: Sized | int, noun: str) -> str:
    """Write how many there are: ``1 file``, ``2,000 files``."""
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
