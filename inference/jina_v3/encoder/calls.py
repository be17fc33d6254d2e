"""One call of ``Encoder.encode`` as jobs, and the jobs' results as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from jina_v3.contract import EncodeJob, ErrorCode
from jina_v3.errors import RequestError, shorten
from jina_v3.tokens.results import Embeddings
from jina_v3.tokens.validation import check_dimensions, parse_task


def to_jobs(
    texts: str | Sequence[str] | Sequence[Sequence[str]],
    task: str | Sequence[str | None] | None,
    dimensions: int,
    *,
    late_chunking: bool,
    normalized: bool,
    truncate: bool,
) -> list[EncodeJob]:
    """Cut a call into jobs: one for each document, and else for each run of texts with the same task.

    **Raises**: RequestError when an argument has the wrong type, or tasks and texts differ in number.
    """
    _check_call(texts, {"late_chunking": late_chunking, "normalized": normalized, "truncate": truncate})
    dimensions = check_dimensions(dimensions)
    listed: list[Any] = [texts] if isinstance(texts, str) else list(texts)
    documents = _documents(listed) if late_chunking else listed
    names = [task] * len(documents) if task is None or isinstance(task, str) else _listed(task)
    if len(names) != len(documents):
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"task lists {len(names)} names for {len(documents)} {'documents' if late_chunking else 'texts'}; "
            "give one for each, or one for all.",
            field="task",
            value=len(names),
            allowed=len(documents),
        )
    if not late_chunking:
        grouped = groupby(zip(names, documents, strict=True), key=lambda pair: pair[0])
        runs = [(name, tuple(text for _, text in pairs)) for name, pairs in grouped]
        names, documents = [name for name, _ in runs] or [None], [run for _, run in runs] or [()]
    return [
        EncodeJob(document, parse_task(name), dimensions, bool(late_chunking), bool(normalized), bool(truncate))
        for name, document in zip(names, documents, strict=True)
    ]


def _listed(task: Sequence[str | None]) -> list[str | None]:
    if isinstance(task, bytes | dict | set | frozenset) or not hasattr(task, "__iter__"):
        raise RequestError(
            ErrorCode.WRONG_TYPE,
            f"task is {type(task).__name__}; it must be a task's name, None, or a list of them.",
            field="task",
            value=type(task).__name__,
            allowed="a task's name, None, or a list of them",
        )
    return list(task)


def _check_call(texts: object, switches: Mapping[str, object]) -> None:
    # not by Sequence: numpy's arrays and pandas' columns, which are fine, are none; a table or a set would go wrong
    listable = hasattr(texts, "__len__") and hasattr(texts, "__iter__") and getattr(texts, "ndim", 1) == 1
    if isinstance(texts, bytes | dict | set | frozenset) or not listable:
        raise RequestError(
            ErrorCode.WRONG_TYPE,
            f"texts is {type(texts).__name__}; it must be a string or a list of strings.",
            field="texts",
            value=type(texts).__name__,
            allowed="a string or a list of strings",
        )
    for name, value in switches.items():
        if not isinstance(value, bool | np.bool_):
            raise RequestError(
                ErrorCode.WRONG_TYPE,
                f"{name} is {shorten(value)!r}; it must be True or False.",
                field=name,
                value=str(shorten(value)),
                allowed=[True, False],
            )


def _documents(texts: list[Any]) -> list[tuple[str, ...]]:
    """Return the chunks of each document: texts are one document's, lists of texts are several."""
    if not texts or isinstance(texts[0], str):
        return [tuple(texts)]
    for index, document in enumerate(texts):
        if isinstance(document, str | bytes | dict) or not hasattr(document, "__iter__"):
            raise RequestError(
                ErrorCode.WRONG_TYPE,
                f"texts[{index}] is {type(document).__name__}; with late_chunking texts is a list of strings (one "
                "document's chunks) or a list of such lists (several documents), not a mix.",
                field=f"texts[{index}]",
                value=type(document).__name__,
                allowed="a list of strings",
            )
    return [tuple(document) for document in texts]


def moved(error: RequestError, offset: int) -> RequestError:
    """Return a job's error with the index of its text counted over the whole call."""
    if not offset or error.field is None or not error.field.startswith("texts["):
        return error
    return error.at(f"texts[{int(error.field[6:-1]) + offset}]")


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Return several results as one, their rows following one another."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    return Embeddings(
        np.concatenate([np.asarray(part) for part in parts]),
        tuple(count for part in parts for count in part.token_counts),
        tuple(start + index for start, part in zip(starts, parts, strict=False) for index in part.truncated),
    )
