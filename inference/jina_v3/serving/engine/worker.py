"""Inside an engine process: load the model, warm it up, and answer what comes over the socket, one after another.

It ends when the server's end of the socket closes, so it never outlives the server, and when its device is lost.
"""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from jina_v3.config import Config
from jina_v3.errors import RequestError
from jina_v3.serving.engine.messages import (
    Encode,
    Encoded,
    Failed,
    Invoke,
    Invoked,
    ModelDescription,
    NotLoaded,
    Ready,
    receive_message,
    to_frame,
)
from jina_v3.serving.faults import DeviceLostError, is_device_lost, report_fault
from jina_v3.serving.handler import output_fn
from jina_v3.serving.logs import describe_exception, describe_failed_start
from jina_v3.serving.program import Program, load_program, take_result
from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out

if TYPE_CHECKING:
    from jina_v3.encoder import Encoder

_log = logging.getLogger("jina_v3.engine")

_WARM_UP_TOKENS = {"cuda": (16, 64, 512, 4096), "cpu": (16, 256)}
"""Sizes of the batches before ``/ping`` is 200; on CUDA the full budget comes last, so that it is known to fit."""


def work(connection: socket.socket) -> None:
    """Load the model and serve the socket until it closes or the device is lost."""
    started = time.perf_counter()
    try:
        program = load_program(config := Config.from_environment())
        model = program.model_fn(str(config.base_folder / "model"), None)
        described = _describe(model, program)
    except BaseException as error:  # noqa: BLE001  whatever it is, the server must hear of it
        connection.sendall(to_frame(NotLoaded(describe_failed_start(error))))
        return
    connection.sendall(to_frame(Ready(described, time.perf_counter() - started)))
    try:
        while True:
            message = receive_message(connection)
            answer = _encode(model, message) if isinstance(message, Encode) else _invoke(program, model, message)
            connection.sendall(to_frame(answer))
            if isinstance(answer, Failed) and answer.lost:
                return
    except (EOFError, OSError):
        return  # the server is gone


def _describe(model: Any, program: Program) -> ModelDescription | None:
    """Warm up and describe a model that the server can batch for: an encoder of ours, with our ``predict_fn``."""
    from jina_v3.encoder import Encoder

    if not (isinstance(model, Encoder) and program.batches):
        return None
    return ModelDescription(
        tasks=model.tasks,
        hidden=model.hidden,
        max_batch_tokens=model.max_batch_tokens,
        sequencer=model.sequencer_config,
        tokens_per_s=_warm_up(model),
        device=model.device,
        dtype=model.dtype,
    )


def _warm_up(model: Encoder) -> float:
    """Run batches of growing size, and return how many tokens a second the last of them made, at its best."""
    kind = model.device.partition(":")[0]
    sizes = [size for size in _WARM_UP_TOKENS[kind] if size < model.max_batch_tokens]
    if kind == "cuda":
        sizes.append(model.max_batch_tokens)
    rate = 1.0
    for size in sizes or [model.max_batch_tokens]:
        batch = lay_out(_sequences(model, size), rows=1)
        model.pool(batch)  # the first time also sets things up
        rate = size / min(_time(model, batch) for _ in range(2))
    return rate


def _time(model: Encoder, batch: TokenBatch) -> float:
    started = time.perf_counter()
    model.pool(batch)
    return time.perf_counter() - started


def _sequences(model: Encoder, tokens: int) -> list[TokenSequence]:
    """Return sequences of at most 128 tokens, with an adapter where there is one, that make up ``tokens``."""
    vocabulary = model.sequencer_config.vocabulary
    longest = min(128, model.max_tokens, tokens)
    lengths = [longest] * (tokens // longest) + [tokens % longest]
    return [
        TokenSequence(np.full(length, vocabulary.eos_id), 0 if model.tasks else NO_TASK, ((length, 0),))
        for length in lengths
        if length
    ]


def _encode(model: Encoder, message: Encode) -> Encoded | Failed:
    started = time.perf_counter()
    try:
        sums = model.pool(message.batch)
    except Exception as error:  # noqa: BLE001  the next batch may be fine
        return _failed(message.number, error)
    return Encoded(message.number, sums, time.perf_counter() - started)


def _invoke(program: Program, model: Any, message: Invoke) -> Invoked | Failed:
    """Pass a request through the handlers, of which one at least is the user's."""
    context = message.context
    try:
        data = program.input_fn(message.body, message.content_type, context)
        prediction = data if isinstance(data, RequestError) else program.predict_fn(data, model, context)
        if isinstance(prediction, DeviceLostError):
            return Failed(message.number, lost=True)
        write = output_fn if isinstance(prediction, RequestError) else program.output_fn  # errors have one form
        result = write(prediction, message.accept, context)
    except Exception as error:  # noqa: BLE001  a handler of the user's may raise anything
        fault = report_fault(error, context.request_id)
        return Failed(message.number, isinstance(fault, DeviceLostError))
    return Invoked(message.number, take_result(result, context), context)


def _failed(number: int, error: Exception) -> Failed:
    lost = is_device_lost(error)
    _log.error("batch failed", extra={"fields": {"lost": lost, **describe_exception(error)}})
    return Failed(number, lost)
