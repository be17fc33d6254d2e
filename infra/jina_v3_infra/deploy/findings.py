"""What a check finds, and how a check is made safe: what AWS refuses to tell is a finding too, never a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jina_v3_infra.deploy.failures import AWS_ERRORS, denied, explain


class Verdict(StrEnum):
    """How a check ended."""

    RIGHT = "✓"
    WRONG = "✗"
    UNSURE = "!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the preflight: a sentence, and what to do where something is to be done."""

    check: str
    verdict: Verdict
    sentence: str
    fix: str = ""


def right(check: str, sentence: str) -> Finding:
    """Report that all is well."""
    return Finding(check=check, verdict=Verdict.RIGHT, sentence=sentence)


def wrong(check: str, sentence: str, fix: str) -> Finding:
    """Report that a deployment would fail, or do what was not wanted."""
    return Finding(check=check, verdict=Verdict.WRONG, sentence=sentence, fix=fix)


def unsure(check: str, sentence: str, fix: str = "") -> Finding:
    """Report what could not be known, or is worth knowing."""
    return Finding(check=check, verdict=Verdict.UNSURE, sentence=sentence, fix=fix)


def examine(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Make a check; what AWS does not answer becomes a finding."""
    try:
        return list(look())
    except AWS_ERRORS as error:
        fix = "allow it, or go on without this check" if denied(error) else ""
        return [unsure(check, f"could not be checked: {explain(error)}", fix)]


def passes(findings: Sequence[Finding]) -> bool:
    """Say whether nothing stands against deploying."""
    return all(finding.verdict is not Verdict.WRONG for finding in findings)
