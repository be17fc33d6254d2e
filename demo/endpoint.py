"""The deployed endpoint as an application calls it: through boto3, in jina-sagemaker's shape."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from demo.ranking import Vectors
from jina_v3.contract import Task


class CallError(Exception):
    """The endpoint refused a call; the message has its words."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The vectors of one call and what they cost.

    **Shapes**: ``vectors``: (texts, dimensions) float32. **Units**: ``tokens`` as the server counts them, seconds.
    """

    what: str
    vectors: Vectors
    tokens: int
    seconds: float


@dataclass(slots=True)
class Endpoint:
    """A deployed endpoint; remembers every reply, for the sums at the end.

    ``runtime`` is a boto3 client of ``sagemaker-runtime``.
    """

    name: str
    runtime: Any
    replies: list[Reply] = field(default_factory=list)

    def embed(
        self,
        what: str,
        texts: Sequence[str],
        *,
        task: Task,
        dimensions: int | None = None,
        late_chunking: bool = False,
    ) -> Reply:
        """Embed texts; ``what`` names the call in the sums.

        **Raises**: ``CallError``.
        """
        parameters = {"task": task.value, "dimensions": dimensions, "late_chunking": late_chunking}
        body = json.dumps({"data": [{"text": text} for text in texts], "parameters": parameters}).encode()
        started = time.perf_counter()
        try:
            answer = self.runtime.invoke_endpoint(EndpointName=self.name, ContentType="application/json", Body=body)
            rows: list[dict[str, Any]] = json.loads(answer["Body"].read())["data"]
        except (ClientError, BotoCoreError) as error:
            raise CallError(f"{what}: {error}") from error
        seconds = time.perf_counter() - started
        reply = Reply(
            what=what,
            vectors=np.array([row["embedding"] for row in rows], dtype=np.float32),
            tokens=sum(row["usage"]["total_tokens"] for row in rows),
            seconds=seconds,
        )
        self.replies.append(reply)
        return reply
