"""A content handler for LangChain's own ``SagemakerEndpointEmbeddings``, which is in langchain-community.

``JinaV3Embeddings`` of ``langchain`` does more: retries, many requests at a time, a task for queries and one for
documents. Extra: ``langchain``, and langchain-community besides.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Protocol

from jina_v3.contract import MODEL_DIMENSIONS, MODEL_NAME, Task
from jina_v3_client.errors import ConfigurationError, ResponseError
from jina_v3_client.integrations._extras import brought_by
from jina_v3_client.parameters import Parameters, TaskName

with brought_by("langchain"):
    import langchain_core  # noqa: F401  # community without core is no install of the extra
    from langchain_community.embeddings.sagemaker_endpoint import EmbeddingsContentHandler

_KNOWN = ("task", "dimensions", "late_chunking", "normalized", "truncate")


class _Stream(Protocol):
    def read(self) -> bytes:
        """Return the body."""


class ContentHandler(EmbeddingsContentHandler):
    """Writes requests with a task and reads their answers, which travel as base64.

    LangChain gives a handler documents and queries alike: for retrieval, make one for each and two
    ``SagemakerEndpointEmbeddings``. Its ``model_kwargs`` may say ``task``, ``dimensions``, ``late_chunking``,
    ``normalized`` and ``truncate`` too, and win.

    **Raises**: ``InvalidInputError``, ``ConfigurationError``, ``ResponseError``.

    >>> handler = ContentHandler(task="retrieval.passage", dimensions=256)
    >>> handler.transform_input(["sunrise"], {"truncate": True})[:70]
    b'{"model": "jina-embeddings-v3", "input": ["sunrise"], "task": "retriev'
    """

    content_type = "application/json"
    accepts = "application/json"

    def __init__(
        self, *, task: Task | TaskName | None = None, dimensions: int = MODEL_DIMENSIONS, truncate: bool = False
    ) -> None:
        self._said = {"task": task, "dimensions": dimensions, "truncate": truncate}
        Parameters(task=task, dimensions=dimensions, truncate=truncate)

    def transform_input(self, prompt: list[str], model_kwargs: dict[str, Any]) -> bytes:
        """Write a request of texts.

        >>> ContentHandler().transform_input(["sunrise"], {"task": "text-matching"})[-46:]
        b'"truncate": false, "embedding_type": "base64"}'
        """
        unknown = next((name for name in model_kwargs if name not in _KNOWN), None)
        if unknown is not None:
            raise ConfigurationError(f"model_kwargs has {unknown!r}; allowed are {', '.join(_KNOWN)}")
        parameters = Parameters(**self._said | model_kwargs)
        body = {"model": MODEL_NAME, "input": prompt, **{name: getattr(parameters, name) for name in _KNOWN}}
        return json.dumps(body | {"embedding_type": "base64"}).encode()

    def transform_output(self, output: _Stream) -> list[list[float]]:
        """Read the vectors of an answer.

        >>> from io import BytesIO
        >>> ContentHandler().transform_output(BytesIO(b'{"data": [{"embedding": "AACAPwAAAEA="}]}'))
        [[1.0, 2.0]]
        """
        import numpy as np

        try:
            items = json.loads(output.read())["data"]
            return [np.frombuffer(base64.b64decode(item["embedding"]), "<f4").tolist() for item in items]
        except (ValueError, KeyError, TypeError) as error:
            raise ResponseError(f"the answer has not the form of an endpoint of {MODEL_NAME}: {error!r}") from error
