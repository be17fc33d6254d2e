"""The four functions that SageMaker's containers call, ours and AWS's own.

``input_fn`` → ``predict_fn`` → ``output_fn``. None of them raises for what a caller sent: AWS's toolkit would put the
traceback into the response. An error is a value that passes through to ``output_fn``, which writes its body and sets
its status on the context.

**Source**: sagemaker-inference 1.10.1, ``transformer.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jina_v3.config import Config
from jina_v3.errors import CheckpointError, RequestError
from jina_v3.serving import codecs
from jina_v3.serving.codecs import Body
from jina_v3.serving.error_body import reason_phrase, write_error
from jina_v3.serving.exchange import Prediction, Request, generate_id
from jina_v3.serving.faults import report_fault
from jina_v3.serving.formats.attributes import HEADER as ATTRIBUTES
from jina_v3.serving.formats.media_types import JSON
from jina_v3.serving.formats.records import RecordsRequest
from jina_v3.serving.formats.texts_request import TextsRequest
from jina_v3.serving.formats.writers import ResponseWriter

if TYPE_CHECKING:
    from jina_v3.encoder import Encoder


@functools.cache
def _config() -> Config:
    """Read the environment, once a process: ``input_fn`` is given no model to find the settings in."""
    return Config.from_environment()


def model_fn(model_dir: str, context: Any = None) -> Encoder:  # noqa: ARG001  AWS's signature
    """Load the encoder from the model folder.

    ``JINA_V3_MODEL`` comes before ``model_dir``. Where a model folder holds only ``code/``, AWS's toolkit may pass that
    folder, so the one above it is looked at too.

    **Raises**: ``ConfigError``, ``CheckpointError``.
    """
    from jina_v3.encoder import Encoder  # torch: only a process that holds a model takes the time and the memory
    from jina_v3.encoder.options import EngineOptions

    config = _config()
    return Encoder.from_folder(
        find_model_folder(model_dir, config),
        device=config.device,
        dtype=config.dtype,
        max_batch_tokens=config.max_batch_tokens,
        max_tokens=config.limits.max_tokens_per_text,
        options=EngineOptions(config.kernels, config.attention, config.graphs),
    )


def find_model_folder(model_dir: str | Path, config: Config) -> Path:
    """Return the folder that holds the checkpoint.

    **Raises**: ``CheckpointError`` that lists the folders looked at.
    """
    if config.model_folder is not None:
        return config.model_folder
    given = Path(model_dir)
    candidates = [given, given.parent] if given.name == "code" else [given]
    for folder in candidates:
        if (folder / "config.json").is_file():
            return folder
    looked_at = " nor ".join(str(folder) for folder in candidates)
    raise CheckpointError(
        f"no config.json in {looked_at}; put the checkpoint there, or set JINA_V3_MODEL to the folder it is in"
    )


def input_fn(
    request_body: Body,
    content_type: str | None,
    context: Any = None,
) -> Request | RequestError:
    """Read a request's body; an error is returned, not raised."""
    try:
        return codecs.read_request(
            request_body,
            content_type,
            _config(),
            attributes=_attributes(context),
            first_line=getattr(context, "first_line", 1),
        )
    except RequestError as error:
        return error
    except Exception as error:  # noqa: BLE001  the last line before AWS's toolkit, which answers with the traceback
        return report_fault(error, _given_id(context))


def open_response(
    input_data: Request | RequestError, accept: str | None, context: Any = None
) -> ResponseWriter | RequestError | None:
    """Open the response to a request, before the model runs, so that a refusal costs nothing.

    None for what is no request of ours: a handler of the user's may have made it. For our server, which writes long
    answers part by part; not one of SageMaker's.
    """
    if isinstance(input_data, RequestError):
        return input_data
    if not isinstance(input_data, TextsRequest | RecordsRequest):
        return None
    try:
        return codecs.open_response(input_data, accept, _attributes(context))
    except RequestError as error:
        return error
    except Exception as error:  # noqa: BLE001  as in input_fn
        return report_fault(error, _given_id(context))


def read_parts(
    request_body: Body, content_type: str | None, context: Any = None, rows_per_part: int = 512
) -> Iterator[Request] | RequestError | None:
    """Read a body of Parquet or CSV part by part; None for other bodies. For our server, not one of SageMaker's.

    What is wrong with the whole is returned; a part that turns out damaged raises ``RequestError`` on its way.
    """
    try:
        attributes = _attributes(context)
        return codecs.read_parts(
            request_body, content_type, _config(), attributes=attributes, rows_per_part=rows_per_part
        )
    except RequestError as error:
        return error
    except Exception as error:  # noqa: BLE001  as in input_fn
        return report_fault(error, _given_id(context))


def predict_fn(
    input_data: Request | RequestError,
    model: Encoder,
    context: Any = None,
) -> Prediction | RequestError:
    """Encode a request's texts; an error passes through.

    A device that is lost gives a ``DeviceLostError``, which our server looks for.
    """
    if isinstance(input_data, RequestError):
        return input_data
    try:
        return Prediction(input_data, tuple(model.encode_jobs(input_data.jobs)))
    except Exception as error:  # noqa: BLE001  as in input_fn
        return report_fault(error, _given_id(context))


def output_fn(prediction: Prediction | RequestError, accept: str | None, context: Any = None) -> tuple[bytes, str]:
    """Write the response, of an error too, and set its status; return the body and its content type."""
    if isinstance(prediction, RequestError):
        return _write_error(prediction, context)
    try:
        writer = codecs.open_response(prediction.request, accept, _attributes(context))
        body = writer.part(prediction.request.answer(prediction.results)) + writer.end()
    except RequestError as error:
        return _write_error(error, context)
    except Exception as error:  # noqa: BLE001  as in input_fn
        return _write_error(report_fault(error, _given_id(context)), context)
    _set_status(context, 200)  # said also of success: a context can outlive the request before
    for name, value in writer.headers.items():
        if (set_header := getattr(context, "set_response_header", None)) is not None:
            set_header(0, name, value)
    return body, writer.media_type


def _write_error(error: RequestError, context: Any) -> tuple[bytes, str]:
    _set_status(context, error.code.status)
    return write_error(error, _given_id(context) or generate_id()), JSON


def _set_status(context: Any, status: int) -> None:
    """Set the status of the response.

    AWS's toolkit passes the context that it was initialised with to every request. In its model servers that is one
    object, renewed for each request, so the status reaches the request at hand.
    """
    if (set_status := getattr(context, "set_response_status", None)) is not None:
        set_status(code=status, phrase=reason_phrase(status))


def _attributes(context: Any) -> str | None:
    """Return the request's Custom-Attributes, where the context knows of headers."""
    try:
        given = context.get_request_header(0, ATTRIBUTES)
    except (AttributeError, IndexError, KeyError, TypeError):
        return None
    return given if isinstance(given, str) else None


def _given_id(context: Any) -> str | None:
    """Return the request's id where the server has given it one."""
    try:
        given = context.get_request_id(0)
    except (AttributeError, IndexError, KeyError, TypeError):
        return None
    return given if isinstance(given, str) and given else None
