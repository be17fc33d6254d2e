"""What a check has found: one sentence, and the fix where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended, as it is shown."""

    RIGHT = "✓"
    WRONG = "✗"
    UNSURE = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's end."""

    check: str
    verdict: Verdict
    sentence: str
    fix: str = ""


def right(check: str, sentence: str) -> Finding:
    """Say that all is well."""
    return Finding(check=check, verdict=Verdict.RIGHT, sentence=sentence)


def wrong(check: str, sentence: str, fix: str) -> Finding:
    """Say what is wrong, and how to mend it."""
    return Finding(check=check, verdict=Verdict.WRONG, sentence=sentence, fix=fix)


def unsure(check: str, sentence: str, fix: str = "") -> Finding:
    """Say what could not be found out, or may be meant so."""
    return Finding(check=check, verdict=Verdict.UNSURE, sentence=sentence, fix=fix)
