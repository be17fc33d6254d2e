"""Jobs on their way through the encoder: what is tokenised together, and what has been made of each so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from jina_v3.contract import PROMPTS, EncodeJob, Task
from jina_v3.errors import RequestError
from jina_v3.tokens.results import Embeddings
from jina_v3.tokens.validation import check_job

BLOCK_TEXTS = 2048
"""Texts tokenised and sorted together: enough to fill batches well, few enough to bound memory."""


@dataclass(slots=True)
class Output:
    """What has been made of one job so far; with an ``error`` the rest is void.

    **Shapes**: ``vectors: (texts, dimensions)`` float32, rows filled as their texts are done.
    """

    job: EncodeJob
    vectors: npt.NDArray[np.float32]
    token_counts: list[int]
    truncated: list[int] = field(default_factory=list)
    error: RequestError | None = None

    def embeddings(self) -> Embeddings:
        """Return the vectors of a job without an error."""
        return Embeddings(self.vectors, tuple(self.token_counts), tuple(self.truncated))

    def result(self) -> Embeddings | RequestError:
        """Return what the job's caller gets."""
        return self.error or self.embeddings()


def open_output(job: EncodeJob, tasks: Sequence[Task], hidden: int) -> Output:
    """Check what can be told of a job before it is tokenised, and make room for its vectors."""
    try:
        check_job(job, tasks)
    except RequestError as error:
        return Output(job, np.empty((0, 0), np.float32), [], error=error)
    width = min(job.dimensions, hidden)
    return Output(job, np.empty((len(job.texts), width), np.float32), [0] * len(job.texts))


@dataclass(frozen=True, slots=True)
class Unit:
    """Texts of one job that are read together: one, or with late chunking all."""

    output: Output
    texts: range

    def strings(self) -> list[str]:
        """Return what is tokenised: with its prompt, but for chunks, whose document has one prompt."""
        job = self.output.job
        head = "" if job.task is None or job.late_chunking else PROMPTS[job.task]
        return [head + job.texts[index] for index in self.texts]


def blocks(outputs: Sequence[Output]) -> Iterator[list[Unit]]:
    """Yield the units of all good jobs, some 2,048 texts at a time. A job that fails is not gone on with."""
    block: list[Unit] = []
    texts = 0
    for output in outputs:
        count = len(output.job.texts)
        step = count if output.job.late_chunking else 1
        for start in range(0, count, max(step, 1)):
            if output.error is not None:
                break
            block.append(Unit(output, range(start, start + step)))
            texts += step
            if texts >= BLOCK_TEXTS:
                yield block
                block, texts = [], 0
    if block:
        yield block
