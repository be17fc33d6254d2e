"""An encoder without a model, for the document's examples: two vectors in turn, and a token for each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from jina_v3.contract import PROMPTS, TASKS, EncodeJob, ErrorCode, Limits, Task
from jina_v3.errors import RequestError
from jina_v3.tokens.results import Embeddings
from jina_v3.tokens.validation import check_job

_VECTORS: Final = np.array([[0.6, 0.8], [0.8, 0.6]], np.float32)
_SPECIALS: Final = 2  # <s> and </s>


class ToyEncoder:
    """What ``predict_fn`` needs of an encoder; ``tasks`` are those it has adapters for."""

    def __init__(self, tasks: Sequence[Task] = TASKS) -> None:
        self._tasks = tasks

    def encode_jobs(self, jobs: Sequence[EncodeJob]) -> list[Embeddings | RequestError]:
        """Return a result or an error for each job."""
        return [self._encode(job) for job in jobs]

    def _encode(self, job: EncodeJob) -> Embeddings | RequestError:
        try:
            check_job(job, self._tasks)
        except RequestError as error:
            return error
        prompt = len(PROMPTS[job.task].split()) if job.task else 0
        counts = [len(text.split()) + prompt + _SPECIALS for text in job.texts]
        most = Limits().max_tokens_per_text
        cut = [index for index, count in enumerate(counts) if count > most and not job.late_chunking]
        if cut and not job.truncate:
            field = f"texts[{cut[0]}]"
            return RequestError(
                ErrorCode.TEXT_TOO_LONG,
                f"{field} has {counts[cut[0]]} tokens with <s>, </s> and its prompt; at most {most} are allowed",
                field=field,
                value=counts[cut[0]],
                allowed={"maximum": most},
            )
        vectors = np.resize(_VECTORS, (len(counts), 2))[:, : job.dimensions]
        return Embeddings(np.ascontiguousarray(vectors), tuple(min(count, most) for count in counts), tuple(cut))
