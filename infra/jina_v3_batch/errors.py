"""What can stop a run, each as one sentence: Step Functions shows the class's name and the sentence."""

from __future__ import annotations

import difflib


class BatchError(Exception):
    """The root of all."""


class PreflightError(BatchError):
    """The request or its dataset is refused before anything is embedded; the message says why and what to do."""


class SettingsError(BatchError):
    """The function's environment is not what the stack sets."""


class ChangedError(BatchError):
    """A file of the dataset is another than the one that was planned."""


class RunStateError(BatchError):
    """A working file of the run is missing or not what a step before should have written."""


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return a hint at the nearest known name, empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
