"""What went wrong, for a person: the command's own errors, and boto3's in plain words."""

from __future__ import annotations

import re
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from jina_v3_client._aws.errors import aws_errors
from jina_v3_client.errors import JinaClientError

AWS_ERRORS: Final = (BotoCoreError, ClientError)
"""Everything that a call by boto3 can raise."""

_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_IN_WORDS: Final = (
    (re.compile(r"client\.batch\.submit\(resume='([^']+)'\)"), r"jina-v3 batch submit --resume \1"),
    (re.compile(r"client\.batch\.run\('([^']+)'\)\.stop\(\)"), r"jina-v3 batch stop \1"),
    (re.compile(r"client\.batch\.run\('([^']+)'\)\.wait\(\)"), r"jina-v3 batch status \1 --follow"),
    (re.compile(r"\b(route|errors)='([a-z-]+)'"), r"--\1 \2"),
    (re.compile(r"\b(profile|region)=…"), r"--\1"),
    (re.compile(r"\btruncate=true\b"), "--truncate"),
    (re.compile(r"\bwith late_chunking\b"), "with --late-chunking"),
    (re.compile(r"; see jina_v3_client\.chunking"), ""),
)
_ABSENT: Final = re.compile(r"does not exist|could not find|not found", re.IGNORECASE)


class CommandError(Exception):
    """The command cannot go on; the message is for a person, with the fix in it. ``usage``: the words cannot be."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage


def absent(error: BaseException) -> bool:
    """Say whether an error means that what was asked for is not there; SageMaker says so in a validation error."""
    code = _code(error)
    if code in ("ValidationError", "ValidationException"):
        return _ABSENT.search(str(error)) is not None
    return code.endswith(("NotFound", "NotFoundException", "DoesNotExist"))


def denied(error: BaseException) -> bool:
    """Say whether the caller lacks a permission."""
    return _code(error) in _DENIED


def _code(error: BaseException) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def explain(error: BaseException) -> tuple[str, str]:
    """Say what an error of boto3's means, and what to do about it."""
    try:
        with aws_errors():
            raise error
    except JinaClientError as told:
        return in_words(told.message), in_words(told.advice) or "run the same command again with --verbose to see more"


def one_line(error: BaseException) -> str:
    """Return an error's message in one line, with the command's words for what the library advises."""
    return in_words(" ".join(str(error).split()).rstrip("."))


def in_words(advice: str) -> str:
    """Put the command's words in the place of the library's.

    >>> in_words("give region=…, or call embed with route='asynchronous'")
    'give --region, or call embed with --route asynchronous'
    """
    for pattern, words in _IN_WORDS:
        advice = pattern.sub(words, advice)
    return advice
