"""What the loopback endpoint's container answers: three shapes of the wire contract, and its errors.

The shapes are the Jina API's, jina-sagemaker's and JSON lines. Texts are counted as words, not as the model would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from benchmarks.loopback import vectors

FORMS: Final = ("float", "base64", "binary", "ubinary", "int8")
TASKS: Final = (None, "retrieval.query", "retrieval.passage", "separation", "classification", "text-matching")
LINES: Final = ("application/jsonlines", "application/x-ndjson", "application/jsonl", "application/x-jsonlines")
MAX_TEXTS: Final = 2048
MAX_TOKENS: Final = 8192


class ContainerError(Exception):
    """The container refuses: a status and the contract's error body."""

    def __init__(self, status: int, code: str, field: str, value: object = None, allowed: object = "…") -> None:
        super().__init__(code)
        self.status = status
        self.error = {"code": code, "message": f"{field}: {code}", "field": field, "value": value, "allowed": allowed}

    def body(self) -> bytes:
        """Write the error as the contract has it."""
        return orjson.dumps({"error": self.error | {"request_id": "loopback"}, "detail": self.error["message"]})


@dataclass(frozen=True)
class ContainerAnswer:
    """An answer in pieces, so that faults can leave one out: the items stand between the head and the tail."""

    texts: Sequence[str]
    head: bytes
    items: list[bytes]
    tail: bytes
    between: bytes = b","
    content_type: str = "application/json"

    def body(self) -> bytes:
        """Return the whole."""
        return self.head + self.between.join(self.items) + self.tail


def answer(body: bytes, content_type: str) -> ContainerAnswer:
    """Answer a request.

    **Raises**: ``ContainerError``.
    """
    if content_type.partition(";")[0].strip() in LINES:
        return _answer_lines(body)
    try:
        asked = orjson.loads(body)
    except ValueError:
        raise ContainerError(400, "not_json", "body") from None
    if "data" in asked:
        return _answer_data(asked)
    if "input" in asked:
        return _answer_input(asked)
    raise ContainerError(422, "unknown_shape", "body")


def _answer_input(asked: dict[str, Any]) -> ContainerAnswer:
    given = asked["input"]
    given = [given] if isinstance(given, str) else given
    if not given:
        raise ContainerError(422, "empty_input", "input")
    if isinstance(given[0], list):  # several documents of chunks
        chunks = [(number, chunk) for number, document in enumerate(given) for chunk in document]
        texts, documents = [chunk for _, chunk in chunks], [b'"document":%d,' % number for number, _ in chunks]
    else:
        texts, documents = [one if isinstance(one, str) else one["text"] for one in given], [b""] * len(given)
    parameters = _Parameters(asked, "")
    cut = parameters.check(texts, "input[{}]")
    items = [
        b'{"object":"embedding","index":%d,%b%b"embedding":%b}'
        % (index, document, b'"truncated":true,' if index in cut else b"", parameters.vector(text))
        for index, (text, document) in enumerate(zip(texts, documents, strict=True))
    ]
    total = sum(map(vectors.tokens, texts))
    head = b'{"model":%b,"object":"list","usage":{"total_tokens":%d,"prompt_tokens":%d},"data":['
    return ContainerAnswer(texts, head % (orjson.dumps(asked.get("model")), total, total), items, b"]}")


def _answer_data(asked: dict[str, Any]) -> ContainerAnswer:
    given = asked["data"] if isinstance(asked["data"], list) else [asked["data"]]
    texts = [one if isinstance(one, str) else one["text"] for one in given]
    settings = {"task": "text-matching"} | asked.get("parameters", {})
    parameters = _Parameters(settings, "parameters.")
    parameters.check(texts, "data[{}].text")
    names = [str(number if isinstance(one, str) else one.get("id", number)) for number, one in enumerate(given)]
    items = [
        b'{"id":%b,"embedding":%b,"usage":{"id":%b,"total_tokens":%d}}'
        % (orjson.dumps(name), parameters.vector(text), orjson.dumps(name), vectors.tokens(text))
        for name, text in zip(names, texts, strict=True)
    ]
    return ContainerAnswer(texts, b'{"data":[', items, b'],"parameters":%b}' % orjson.dumps(settings))


def _answer_lines(body: bytes) -> ContainerAnswer:
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if len(lines) > MAX_TEXTS:
        raise ContainerError(413, "too_many_texts", "body", len(lines), MAX_TEXTS)
    texts: list[str] = []
    items = []
    for number, line in lines:
        record = orjson.loads(line)
        text = record.get("text", record.get("input"))
        name = orjson.dumps(record.get("id", str(number)))
        try:
            parameters = _Parameters(record, "")
            cut = parameters.check([text], "text")
        except ContainerError as error:
            items.append(b'{"id":%b,"error":%b}' % (name, orjson.dumps(error.error | {"line": number})))
            continue
        texts.append(text)
        mark = b',"truncated":true' if cut else b""
        vector = parameters.vector(text)
        items.append(b'{"id":%b,"embedding":%b,"tokens":%d%b}' % (name, vector, vectors.tokens(text), mark))
    return ContainerAnswer(texts, b"", items, b"\n", b"\n", "application/jsonlines")


class _Parameters:
    def __init__(self, given: dict[str, Any], prefix: str) -> None:
        self._task = given.get("task")
        self._dimensions = vectors.DIMENSIONS if given.get("dimensions") is None else given["dimensions"]
        self._form = given.get("embedding_type") or given.get("encoding_format") or "float"
        self._cuts = bool(given.get("truncate"))
        self._documents = bool(given.get("late_chunking"))
        if self._task not in TASKS:
            raise ContainerError(422, "unknown_task", f"{prefix}task", self._task, TASKS)
        if not 1 <= self._dimensions <= vectors.DIMENSIONS:
            raise ContainerError(422, "invalid_dimensions", f"{prefix}dimensions", self._dimensions, "1 to 1024")
        if self._form not in FORMS:
            raise ContainerError(422, "invalid_value", f"{prefix}embedding_type", self._form, FORMS)

    def check(self, texts: Sequence[str], where: str) -> set[int]:
        """Refuse what cannot be embedded, by its place; return the indices of those that are cut."""
        if len(texts) > MAX_TEXTS:
            raise ContainerError(413, "too_many_texts", where.partition("[")[0], len(texts), MAX_TEXTS)
        cut = set()
        for index, text in enumerate(texts):
            if not text:
                raise ContainerError(422, "empty_text", where.format(index), "")
            # a word has a letter and a space at least
            if len(text) >= 2 * (MAX_TOKENS - 2) and vectors.tokens(text) > MAX_TOKENS and not self._documents:
                if not self._cuts:
                    raise ContainerError(422, "text_too_long", where.format(index), vectors.tokens(text), MAX_TOKENS)
                cut.add(index)
        return cut

    def vector(self, text: str) -> bytes:
        return vectors.as_json(text, self._task, self._dimensions, self._form)
