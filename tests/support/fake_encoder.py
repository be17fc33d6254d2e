"""An encoder without a model: a vector that only depends on its text and parameters."""

import hashlib
from collections.abc import Sequence

import numpy as np

from jina_v3.contract import TASKS, EncodeJob, ErrorCode
from jina_v3.errors import RequestError
from jina_v3.tokens.results import Embeddings


class FakeEncoder:
    tasks = TASKS
    max_tokens = 50

    def __init__(self) -> None:
        self.jobs: list[EncodeJob] = []

    def encode_jobs(self, jobs: Sequence[EncodeJob]) -> list[Embeddings | RequestError]:
        self.jobs = list(jobs)
        return [self._encode(job) for job in jobs]

    def _encode(self, job: EncodeJob) -> Embeddings | RequestError:
        counts, cut = [], []
        for index, text in enumerate(job.texts):
            field = f"texts[{index}]"
            if not text.strip():
                return RequestError(
                    ErrorCode.EMPTY_TEXT, f"{field} is empty", field=field, value="", allowed="a text with words"
                )
            tokens = len(text.split()) + 2
            if tokens > self.max_tokens and not job.truncate:
                return RequestError(
                    ErrorCode.TEXT_TOO_LONG,
                    f"{field} has {tokens} tokens",
                    field=field,
                    value=tokens,
                    allowed={"maximum": self.max_tokens},
                )
            if tokens > self.max_tokens:
                cut.append(index)
            counts.append(min(tokens, self.max_tokens))
        vectors = np.stack([self.vector(text, job) for text in job.texts])
        return Embeddings(vectors, tuple(counts), tuple(cut))

    @staticmethod
    def vector(text: str, job: EncodeJob) -> np.ndarray:
        key = f"{text}|{job.task}|{job.late_chunking}|{job.normalized}".encode()
        seed = int.from_bytes(hashlib.sha256(key).digest()[:8])
        vector = np.random.default_rng(seed).standard_normal(1024).astype(np.float32)[: job.dimensions]
        return (vector / np.linalg.norm(vector)).astype(np.float32)
