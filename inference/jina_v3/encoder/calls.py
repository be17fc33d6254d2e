"""One call of ``Encoder.encode`` as jobs, and the jobs' results as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jina_v3.contract import EncodeJob, ErrorCode
from jina_v3.encoder.results import Embeddings
from jina_v3.encoder.validation import parse_task
from jina_v3.errors import RequestError


def to_jobs(
    texts: str | Sequence[str] | Sequence[Sequence[str]],
    task: str | Sequence[str | None] | None,
    dimensions: int,
    late_chunking: bool,
    normalized: bool,
    truncate: bool,
) -> list[EncodeJob]:
    """Cut a call into jobs: one for each document, or for each run of texts with one task."""
    if isinstance(texts, str):
        texts = [texts]
    documents: list[tuple[str, ...]]
    if late_chunking:
        documents = _documents(texts)
    elif task is None or isinstance(task, str):
        documents = [tuple(texts)]  # type: ignore[arg-type]
    else:
        documents = [(text,) for text in texts]  # type: ignore[misc]
    tasks = [task] * len(documents) if task is None or isinstance(task, str) else list(task)
    if len(tasks) != len(documents):
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"task lists {len(tasks)} names for {len(documents)} {'documents' if late_chunking else 'texts'}; "
            "give one for each, or one for all.",
            field="task",
        )
    return [
        EncodeJob(document, parse_task(name), dimensions, late_chunking, normalized, truncate)
        for document, name in zip(documents, tasks, strict=True)
    ]


def _documents(texts: Sequence[str] | Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the chunks of each document: texts are one document's, lists of texts are several."""
    if len(texts) == 0 or isinstance(texts[0], str):
        return [tuple(texts)]  # type: ignore[arg-type]
    for index, document in enumerate(texts):
        if isinstance(document, str) or not isinstance(document, Sequence):
            raise RequestError(
                ErrorCode.WRONG_TYPE,
                f"texts[{index}] is {type(document).__name__}; with late_chunking texts is a list of strings (one "
                "document's chunks) or a list of such lists (several documents), not a mix.",
                field=f"texts[{index}]",
            )
    return [tuple(document) for document in texts]


def moved(error: RequestError, offset: int) -> RequestError:
    """Return a job's error with the index of its text counted over the whole call."""
    if not offset or error.field is None or not error.field.startswith("texts["):
        return error
    place = f"texts[{int(error.field[6:-1]) + offset}]"
    return RequestError(
        error.code,
        error.message.replace(error.field, place, 1),
        field=place,
        value=error.value,
        allowed=error.allowed,
    )


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
