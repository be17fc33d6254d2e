"""The wire contract: tasks, dimensions, limits, statuses, and what one piece of work is.

Every part (server, batch, client, infrastructure) reads it from here, so this module imports nothing but the
standard library and must stay that way. ``docs/contract.md`` is its prose.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

MODEL_NAME: Final = "jina-embeddings-v3"
WEIGHTS_LICENCE: Final = "CC-BY-NC-4.0"

MODEL_DIMENSIONS: Final = 1024
"""The model's width, and the default of ``dimensions``."""

MATRYOSHKA_DIMENSIONS: Final = (32, 64, 128, 256, 512, 768, 1024)
"""The dimensions the model was trained to be cut to; any value from 1 to 1024 is allowed."""


class Task(StrEnum):
    """The five adapters, in the order of their ids in the original checkpoint.

    **Source**: arXiv 2409.10173, section 4; ``lora_adaptations`` of the original ``config.json``.
    """

    RETRIEVAL_QUERY = "retrieval.query"
    RETRIEVAL_PASSAGE = "retrieval.passage"
    SEPARATION = "separation"
    CLASSIFICATION = "classification"
    TEXT_MATCHING = "text-matching"


TASKS: Final = tuple(Task)

PROMPTS: Final[dict[Task, str]] = {
    Task.RETRIEVAL_QUERY: "Represent the query for retrieving evidence documents: ",
    Task.RETRIEVAL_PASSAGE: "Represent the document for retrieval: ",
    Task.SEPARATION: "",
    Task.CLASSIFICATION: "",
    Task.TEXT_MATCHING: "",
}
"""Put before a text by the encoder, never by the caller. **Source**: ``task_instructions`` of ``config.json``."""


EMBEDDING_TYPES: Final = ("float", "base64", "binary", "ubinary", "int8")
"""The forms of a vector on the wire."""

PARAMETERS: Final = (
    "task",
    "dimensions",
    "late_chunking",
    "normalized",
    "truncate",
    "embedding_type",
    "encoding_format",
)
"""The names of the parameters; ``encoding_format`` is OpenAI's name of ``embedding_type``."""

ANSWER_FIELDS: Final = ("embedding", "embeddings", "scale", "tokens", "truncated", "error")
"""What an answer may add to a record. Its own fields of these names are left out, never mixed with ours."""

LEAST_TOKENS_PER_TEXT: Final = 16
"""How low the limit of tokens can be set: the longest prompt (12), ``<s>``, ``</s>`` and something of the text."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold.

    **Units**: counts, and bytes for ``max_body_bytes``.
    """

    max_texts: int = 2048
    max_tokens_per_text: int = 8192
    max_body_bytes: int = 25 * 1024 * 1024


BATCH_MAX_BODY_BYTES: Final = 100 * 1024 * 1024
"""``max_body_bytes`` in batch transform, whose ``MaxPayloadInMB`` goes up to 100."""


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """Texts that share their parameters: one request, or one record of a batch.

    With ``late_chunking`` the texts are the chunks of one document, in order; otherwise each is by itself.
    ``task=None`` means the base weights and no prompt. ``dimensions`` is 1 to 1024.
    """

    texts: tuple[str, ...]
    task: Task | None = None
    dimensions: int = MODEL_DIMENSIONS
    late_chunking: bool = False
    normalized: bool = True
    truncate: bool = False


class ErrorCode(Enum):
    """Every error a caller can meet: its wire name and its HTTP status."""

    NOT_JSON = ("not_json", 400)
    NOT_UTF8 = ("not_utf8", 400)
    NOT_GZIP = ("not_gzip", 400)
    NOT_CSV = ("not_csv", 400)
    NOT_PARQUET = ("not_parquet", 400)
    NOT_FOUND = ("not_found", 404)
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405)
    NOT_ACCEPTABLE = ("not_acceptable", 406)
    BODY_TIMEOUT = ("body_timeout", 408)
    BODY_TOO_LARGE = ("body_too_large", 413)
    TOO_MANY_TEXTS = ("too_many_texts", 413)
    UNSUPPORTED_MEDIA_TYPE = ("unsupported_media_type", 415)
    UNKNOWN_SHAPE = ("unknown_shape", 422)
    UNKNOWN_FIELD = ("unknown_field", 422)
    MISSING_FIELD = ("missing_field", 422)
    WRONG_TYPE = ("wrong_type", 422)
    INVALID_VALUE = ("invalid_value", 422)
    UNKNOWN_TASK = ("unknown_task", 422)
    TASK_NOT_LOADED = ("task_not_loaded", 422)
    INVALID_DIMENSIONS = ("invalid_dimensions", 422)
    EMPTY_INPUT = ("empty_input", 422)
    EMPTY_TEXT = ("empty_text", 422)
    INVALID_TEXT = ("invalid_text", 422)
    TEXT_TOO_LONG = ("text_too_long", 422)
    OVERLOADED = ("overloaded", 429)
    NOT_READY = ("not_ready", 503)
    DEADLINE_EXCEEDED = ("deadline_exceeded", 503)
    INTERNAL = ("internal", 500)

    def __init__(self, wire_name: str, status: int) -> None:
        self.wire_name = wire_name
        self.status = status
