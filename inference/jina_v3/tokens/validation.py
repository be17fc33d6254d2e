"""What an encode call may hold, checked before anything is tokenised."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from numbers import Integral

from jina_v3.contract import MODEL_DIMENSIONS, TASKS, EncodeJob, ErrorCode, Task
from jina_v3.errors import RequestError, shorten


def parse_task(value: object) -> Task | None:
    """Return the task of a name, or ``None`` for ``None``: base weights, no prompt.

    **Raises**: RequestError (unknown_task) with the nearest known name.
    """
    if value is None:
        return None
    try:
        return Task(str(value))
    except ValueError:
        near = difflib.get_close_matches(str(shorten(value)), [task.value for task in TASKS], n=1)
        raise RequestError(
            ErrorCode.UNKNOWN_TASK,
            f"unknown task {shorten(value)!r}"
            + (f"; did you mean {near[0]!r}?" if near else ".")
            + f" Allowed: {', '.join(TASKS)}, or none for the base weights.",
            field="task",
            value=value,
            allowed=[*TASKS, None],
        ) from None


def check_task_loaded(task: Task | None, loaded: Sequence[Task]) -> None:
    """Refuse a task whose adapter the model folder did not hold.

    **Raises**: RequestError (task_not_loaded) with those it did hold.
    """
    if task is not None and task not in loaded:
        present = ", ".join(loaded) or "none: only the base weights"
        raise RequestError(
            ErrorCode.TASK_NOT_LOADED,
            f"the adapter for {task.value!r} is not in this model folder; present are {present}.",
            field="task",
            value=task.value,
            allowed=[*loaded, None],
        )


def check_dimensions(value: object) -> int:
    """Return ``value`` if it is a whole number from 1 to 1024.

    **Raises**: RequestError (invalid_dimensions).
    """
    # Integral, so that numpy's whole numbers are whole numbers
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= int(value) <= MODEL_DIMENSIONS:
        raise RequestError(
            ErrorCode.INVALID_DIMENSIONS,
            f"dimensions is {shorten(value)!r}; it must be a whole number from 1 to {MODEL_DIMENSIONS}.",
            field="dimensions",
            value=value,
            allowed={"minimum": 1, "maximum": MODEL_DIMENSIONS},
        )
    return int(value)


def check_texts(texts: Sequence[str]) -> None:
    """Refuse an empty list, and texts that are not strings, are blank, or cannot be written as UTF-8.

    **Raises**: RequestError (empty_input, wrong_type, empty_text, invalid_text) naming the first such text's index.
    """
    if not texts:
        raise RequestError(
            ErrorCode.EMPTY_INPUT,
            "there are no texts; give at least one.",
            field="texts",
            value="a list of 0",
            allowed="at least one text",
        )
    for index, text in enumerate(texts):
        place = f"texts[{index}]"
        if not isinstance(text, str):
            raise RequestError(
                ErrorCode.WRONG_TYPE,
                f"{place} is {type(text).__name__}; it must be a string"
                + (" (lists of chunks need late_chunking)." if isinstance(text, list | tuple) else "."),
                field=place,
                value=type(text).__name__,
                allowed="a string",
            )
        if not text or text.isspace():
            raise RequestError(
                ErrorCode.EMPTY_TEXT,
                f"{place} is empty or only white space; leave it out.",
                field=place,
                value="",
                allowed="a string with something other than white space",
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RequestError(
                ErrorCode.INVALID_TEXT,
                f"{place} has a lone surrogate at character {error.start}, which is not text in any encoding; "
                "decode it with errors='replace' before sending.",
                field=place,
                value=f"U+{ord(text[error.start]):04X} at character {error.start}",
                allowed="a string that can be written as UTF-8",
            ) from None


def check_job(job: EncodeJob, loaded: Sequence[Task]) -> None:
    """Check everything of a job that can be told without tokenising.

    **Raises**: RequestError.
    """
    check_task_loaded(parse_task(job.task), loaded)
    check_dimensions(job.dimensions)
    check_texts(job.texts)
