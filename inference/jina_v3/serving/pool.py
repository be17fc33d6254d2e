"""All engine processes of this server, and the way of a request through them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from jina_v3.config import Config
from jina_v3.contract import EncodeJob
from jina_v3.errors import RequestError
from jina_v3.serving.batching.batcher import Batcher
from jina_v3.serving.batching.submission import Submission
from jina_v3.serving.context import RequestContext
from jina_v3.serving.engine.messages import ModelDescription
from jina_v3.serving.engine.process import (
    CallFailedError,
    EngineLostError,
    EngineProcess,
    engine_environments,
)
from jina_v3.serving.exchange import Prediction
from jina_v3.serving.faults import DeviceLostError, internal_error
from jina_v3.serving.metrics import Metrics


class EnginePool:
    """Starts one engine process for each device, and gives them work.

    A model that is an encoder of ours is batched for across requests. Where it is another, or ``predict_fn`` the
    user's, requests pass through the handlers in the engines' processes, one at a time in each.
    """

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._engines: list[EngineProcess] = []
        self._batcher: Batcher | None = None
        self._idle: asyncio.Queue[EngineProcess] = asyncio.Queue()
        metrics.watch(
            "engines", "Engine processes that are alive", lambda: sum(not one.is_lost for one in self._engines)
        )

    @property
    def is_damaged(self) -> bool:
        """Say whether an engine is gone, or the batcher broken: this instance should be replaced."""
        broken = self._batcher is not None and self._batcher.is_broken
        return broken or any(engine.is_lost for engine in self._engines)

    @property
    def batches(self) -> bool:
        """Say whether requests of ours are batched for."""
        return self._batcher is not None

    async def start(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Start all engines, wait until each is warm, and return what the log says of them.

        **Raises**: ``NotLoadedError``, ``EngineLostError``.
        """
        config = self._config
        environments = engine_environments(environment, config.engines, config.device)
        self._engines = [
            EngineProcess(number, config.engine_timeout_s, self._lost) for number in range(len(environments))
        ]
        models = await asyncio.gather(
            *(engine.start(one) for engine, one in zip(self._engines, environments, strict=True))
        )
        if (model := models[0]) is not None:
            self._batcher = Batcher(
                self._engines,
                model,
                self._metrics,
                max_queue_s=config.max_queue_s,
                threads=max(2, min(8, (os.cpu_count() or 2) - 1)),
            )
        for engine in self._engines:
            self._idle.put_nowait(engine)
        return {"engines": len(self._engines), "batches": self.batches, **(_describe(model) if model else {})}

    async def end(self) -> None:
        """End all engines."""
        if self._batcher is not None:
            self._batcher.close()
        await asyncio.gather(*(engine.end() for engine in self._engines))

    def refuse_if_full(self, body_bytes: int) -> None:
        """Refuse a request before its body is read, where so much waits that it could not be taken in.

        **Raises**: ``OverloadedError``, ``DeviceLostError``.
        """
        if self._batcher is not None:
            self._batcher.refuse_if_full(body_bytes // 4)
        elif all(engine.is_lost for engine in self._engines):
            raise DeviceLostError

    async def submit(self, jobs: Sequence[EncodeJob], *, all_or_nothing: bool) -> Submission:
        """Let jobs wait for their batches; ``batches`` must be true.

        **Raises**: ``OverloadedError``, ``DeviceLostError``.
        """
        assert self._batcher is not None
        return await self._batcher.submit(jobs, all_or_nothing=all_or_nothing)

    def count(self, prediction: Prediction) -> None:
        """Count the texts and tokens that were encoded, by task."""
        counts: dict[str | None, list[int]] = {}
        for job, result in zip(prediction.request.jobs, prediction.results, strict=True):
            if not isinstance(result, RequestError):
                count = counts.setdefault(job.task, [0, 0])
                count[0] += len(job.texts)
                count[1] += sum(result.token_counts)
        for task, (texts, tokens) in counts.items():
            self._metrics.encoded(task, texts, tokens)

    def cancel(self, submission: Submission) -> None:
        """Drop what nobody waits for any more."""
        if self._batcher is not None:
            self._batcher.cancel(submission)

    async def invoke(self, body: bytes, content_type: str | None, accept: str | None, context: RequestContext) -> bytes:
        """Pass a request through the handlers in an engine that is idle; the context gets what they have set.

        **Raises**: ``RequestError`` (500), ``DeviceLostError``.
        """
        engine = await self._next_idle()
        running = asyncio.ensure_future(engine.invoke(body, content_type, accept, context))
        running.add_done_callback(lambda _: self._idle.put_nowait(engine))  # also if nobody waits for it any more
        try:
            invoked = await asyncio.shield(running)
        except EngineLostError:
            raise DeviceLostError from None
        except CallFailedError:
            raise internal_error() from None
        for name in (one.name for one in dataclasses.fields(RequestContext)):
            setattr(context, name, getattr(invoked.context, name))
        return invoked.body

    async def _next_idle(self) -> EngineProcess:
        """Wait for an engine that is idle and alive.

        **Raises**: ``DeviceLostError`` where none is left.
        """
        while (engine := await self._idle.get()).is_lost:
            if all(one.is_lost for one in self._engines):
                self._idle.put_nowait(engine)  # for whoever else waits
                raise DeviceLostError
        return engine

    def _lost(self, _engine: EngineProcess) -> None:
        if self._batcher is not None:
            self._batcher.engine_lost()


def _describe(model: ModelDescription) -> dict[str, Any]:
    return {
        "device": model.device,
        "dtype": model.dtype,
        "max_batch_tokens": model.max_batch_tokens,
        "tokens_per_s": round(model.tokens_per_s),
        **model.details,
    }
