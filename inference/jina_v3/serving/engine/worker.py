"""Inside an engine process: load the model, warm it up, and answer what comes over the socket, in order.

Where a device works beside the host, a thread waits for each batch and sends its answer, so that the next batch is on
the device meanwhile.

It ends when the server's end of the socket closes, so it never outlives the server, and when its device is lost.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from jina_v3.config import Config
from jina_v3.errors import RequestError
from jina_v3.serving.engine.answers import Answers, ThreadedAnswers, begin
from jina_v3.serving.engine.messages import (
    Encode,
    Failed,
    Invoke,
    Invoked,
    ModelDescription,
    NotLoaded,
    Ready,
    receive_message,
    to_frame,
)
from jina_v3.serving.engine.warm_up import warm_up
from jina_v3.serving.faults import DeviceLostError, report_fault
from jina_v3.serving.handler import output_fn
from jina_v3.serving.logs import describe_failed_start
from jina_v3.serving.program import Program, load_program, take_result


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
    beside = described is not None and model.in_flight > 1
    answers = ThreadedAnswers(connection) if beside else Answers(connection)
    try:
        while not answers.is_lost:
            message = receive_message(connection)
            answers.add(begin(model, message) if isinstance(message, Encode) else _invoke(program, model, message))
    except (EOFError, OSError):
        return  # the server is gone, or the device is lost


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
        tokens_per_s=warm_up(model),
        device=model.device,
        dtype=model.dtype,
        details=model.details,
    )


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
