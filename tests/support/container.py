"""What the real server's code answers to a request of the client's, around an encoder without a model."""

from collections.abc import Sequence

import numpy as np
from tests.support.fake_encoder import FakeEncoder

from jina_v3.config import Config
from jina_v3.contract import EncodeJob, Task
from jina_v3.errors import RequestError
from jina_v3.serving import codecs
from jina_v3.serving.error_body import write_error
from jina_v3.serving.exchange import Prediction
from jina_v3.tokens.results import Embeddings
from jina_v3.tokens.validation import check_task_loaded
from jina_v3_client._calls.steps import Work
from jina_v3_client.transport import HttpResponse


def read(work: Work):
    """Read a request as the server does, or raise what it refuses it with."""
    return codecs.read_request(work.body, work.content_type, Config())


def answer(work: Work, encoder=None) -> HttpResponse:
    """Answer a request, or say the error in its body."""
    try:
        request = read(work)
        results = (encoder or FakeEncoder()).encode_jobs(request.jobs)
        body, _ = codecs.write_response(Prediction(request, tuple(results)), work.accept)
    except RequestError as error:
        return HttpResponse(status=error.code.status, headers={}, body=write_error(error, "the-id"))
    return HttpResponse(status=200, headers={"x-amzn-requestid": "the-id"}, body=body)


class LongestEncoder:
    """Makes every answer as long as it can be: numbers of many digits, and every text cut where it may be."""

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def encode_jobs(self, jobs: Sequence[EncodeJob]):
        return [self._encode(job) for job in jobs]

    def _encode(self, job: EncodeJob):
        count = len(job.texts)
        sizes = np.random.default_rng(count).uniform(1e-28, 9e-28, (count, 1)).astype(np.float32)
        vectors = np.repeat(self._sign * sizes, job.dimensions, axis=1)
        tokens = 10**7 if job.late_chunking else 8192
        return Embeddings(vectors, (tokens,) * count, tuple(range(count)) if job.truncate else ())


class RefusingEncoder:
    """Refuses every text in one of the real encoder's longest messages."""

    def encode_jobs(self, jobs: Sequence[EncodeJob]):
        return [self._refuse(job) for job in jobs]

    def _refuse(self, job: EncodeJob):
        try:
            check_task_loaded(Task.RETRIEVAL_PASSAGE, [task for task in Task if task != Task.RETRIEVAL_PASSAGE])
        except RequestError as error:
            return error
