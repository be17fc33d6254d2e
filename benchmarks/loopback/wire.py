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


def answer(body: bytes, content_type: str, accept: str) -> ContainerAnswer:
    """Answer a request.

    **Raises**: ``ContainerError``.
    """
    if content_type.partition(";")[0].strip() in LINES:
        return _answer_lines(body, as_list=accept == "application/json")
    try:
        asked = orjson.loads(body)
    except ValueError:
        raise ContainerError(400, "not_json", "body") from None
    if "data" in asked:
        return _answer_data(asked)
    if "input" in asked:
        return _answer_input(asked)
    raise ContainerError(422, "unknown_shape", "body")


@dataclass(frozen=True, slots=True)
class _Text:
    """A text of a request: its place as errors name it, its id, and its document's mark in the answer."""

    place: str
    text: str
    name: str | int
    document: bytes = b""


def _texts_of(given: Any, field: str) -> list[_Text]:
    """Read a text, a list of texts, or a list of documents that are lists of chunks."""
    given = given if isinstance(given, list) else [given]
    if not given:
        raise ContainerError(422, "empty_input", field)
    if not isinstance(given[0], list):
        return [_text(one, f"{field}[{number}]", number) for number, one in enumerate(given)]
    chunks = ((place, chunk) for place, document in enumerate(given) for chunk in document)
    return [
        _text(chunk, f"{field}[{place}]", number, b'"document":%d,' % place)
        for number, (place, chunk) in enumerate(chunks)
    ]


def _text(given: Any, place: str, number: int, document: bytes = b"") -> _Text:
    if isinstance(given, str):
        return _Text(place, given, str(number), document)
    return _Text(place, given["text"], given.get("id", str(number)), document)


def _answer_input(asked: dict[str, Any]) -> ContainerAnswer:
    given = _texts_of(asked["input"], "input")
    parameters = _Parameters(asked, "", None)
    marks = parameters.check(given)
    items = [
        b'{"object":"embedding","index":%d,%b%b"embedding":%b}'
        % (index, one.document, mark, parameters.vector(one.text))
        for index, (one, mark) in enumerate(zip(given, marks, strict=True))
    ]
    texts = [one.text for one in given]
    total = sum(map(vectors.tokens, texts))
    head = b'{"model":%b,"object":"list","usage":{"total_tokens":%d,"prompt_tokens":%d},"data":['
    return ContainerAnswer(texts, head % (orjson.dumps(asked.get("model")), total, total), items, b"]}")


def _answer_data(asked: dict[str, Any]) -> ContainerAnswer:
    given = _texts_of(asked["data"], "data")
    parameters = _Parameters(asked.get("parameters", {}), "parameters.", "text-matching")
    marks = parameters.check(given)
    items = []
    for one, mark in zip(given, marks, strict=True):
        name, vector = orjson.dumps(one.name), parameters.vector(one.text)
        usage = b'"usage":{"id":%b,"total_tokens":%d}' % (name, vectors.tokens(one.text))
        items.append(b'{"id":%b,%b%b"embedding":%b,%b}' % (name, one.document, mark, vector, usage))
    tail = b'],"parameters":%b}' % orjson.dumps(parameters.took_effect)
    return ContainerAnswer([one.text for one in given], b'{"data":[', items, tail)


def _answer_lines(body: bytes, *, as_list: bool) -> ContainerAnswer:
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
            parameters = _Parameters(record, "", None)
            (mark,) = parameters.check([_Text("text", text, number)])
        except ContainerError as error:
            items.append(b'{"id":%b,"error":%b}' % (name, orjson.dumps(error.error | {"line": number})))
            continue
        texts.append(text)
        told = (name, mark, parameters.vector(text), vectors.tokens(text))
        items.append(b'{"id":%b,%b"embedding":%b,"tokens":%d}' % told)
    if as_list:
        return ContainerAnswer(texts, b"[", items, b"]")
    return ContainerAnswer(texts, b"", items, b"\n", b"\n", "application/jsonlines")


class _Parameters:
    """What a request or a record asks for; ``took_effect`` is what an answer says of it."""

    def __init__(self, given: dict[str, Any], prefix: str, task: str | None) -> None:
        self._task = given.get("task", task)
        self._dimensions = vectors.DIMENSIONS if given.get("dimensions") is None else given["dimensions"]
        self._form = given.get("embedding_type") or given.get("encoding_format") or "float"
        self._cuts = bool(given.get("truncate"))
        self._documents = bool(given.get("late_chunking"))
        self.took_effect = {
            "task": self._task,
            "dimensions": self._dimensions,
            "late_chunking": self._documents,
            "normalized": given.get("normalized") is not False,
            "truncate": self._cuts,
            "embedding_type": self._form,
        }
        if self._task not in TASKS:
            raise ContainerError(422, "unknown_task", f"{prefix}task", self._task, TASKS)
        if not 1 <= self._dimensions <= vectors.DIMENSIONS:
            raise ContainerError(422, "invalid_dimensions", f"{prefix}dimensions", self._dimensions, "1 to 1024")
        if self._form not in FORMS:
            raise ContainerError(422, "invalid_value", f"{prefix}embedding_type", self._form, FORMS)

    def check(self, given: Sequence[_Text]) -> list[bytes]:
        """Refuse what cannot be embedded, by its place; return what items say of texts that are cut, or nothing."""
        if len(given) > MAX_TEXTS:
            raise ContainerError(413, "too_many_texts", "data", len(given), MAX_TEXTS)
        return [self._check(one) for one in given]

    def _check(self, one: _Text) -> bytes:
        if not one.text:
            raise ContainerError(422, "empty_text", one.place, "")
        # a word has a letter and a space at least
        is_long = len(one.text) >= 2 * (MAX_TOKENS - 2) and vectors.tokens(one.text) > MAX_TOKENS
        if not is_long or self._documents:
            return b""
        if not self._cuts:
            raise ContainerError(422, "text_too_long", one.place, vectors.tokens(one.text), MAX_TOKENS)
        return b'"truncated":true,'

    def vector(self, text: str) -> bytes:
        """Write a text's vector."""
        return vectors.as_json(text, self._task, self._dimensions, self._form)
