"""How texts stand in a request, what they weigh there, and how many bytes their answer can have at most.

Two forms of ``docs/contract.md`` are used. jina-sagemaker's shape (``data``), because its answers give each text's id
back and count its tokens, which the Jina API's do not: so order is verified, and ``token_counts`` are known. And JSON
lines, where a bad text is an error of its own line. Vectors of ``float`` travel as base64.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

from jina_v3.contract import PROMPTS, Limits, Task
from jina_v3_client.parameters import Parameters

JSON: Final = "application/json"
JSON_LINES: Final = "application/jsonlines"

_LONGEST_ID: Final = len(str(Limits().max_texts))
_LONGEST_COUNT: Final = 8  # digits of a number of tokens; a document's chunk has no limit but that of the body
_LONGEST_SCALE: Final = 16  # digits that give back a float32, with its exponent
_LONGEST_ERROR: Final = 1000  # bytes of a line that says what is wrong with its text
_ANSWER_FRAME: Final = 400  # what stands around the items, with the parameters that took effect

_PROMPT_TOKENS: Final = 12  # of the longest one
_FRAME_TOKENS: Final = 2  # <s> and </s>


class Weight(NamedTuple):
    """What texts count for against the limits of a request. **Units**: bytes; ``tokens`` are estimated ones."""

    request_bytes: int = 0
    response_bytes: int = 0
    tokens: int = 0
    texts: int = 0

    def __add__(self, other: Weight) -> Weight:  # type: ignore[override]  # sums, where tuples would be joined
        return Weight(
            self.request_bytes + other.request_bytes,
            self.response_bytes + other.response_bytes,
            self.tokens + other.tokens,
            self.texts + other.texts,
        )


def encode_text(text: str) -> bytes:
    """Write a text as a JSON string. **Raises**: ``UnicodeEncodeError`` where it holds half of a surrogate pair."""
    return encode_basestring(text).encode()


def wire_parameters(parameters: Parameters) -> dict[str, Any]:
    """Return parameters as a request says them and an answer repeats them."""
    return {
        "task": parameters.task,
        "dimensions": parameters.dimensions,
        "late_chunking": parameters.late_chunking,
        "normalized": parameters.normalized,
        "truncate": parameters.truncate,
        "embedding_type": "base64" if parameters.form == "float" else parameters.form,
    }


def _written(parameters: Parameters) -> bytes:
    return json.dumps(wire_parameters(parameters), separators=(",", ":")).encode()


def write_body(
    fragments: Sequence[bytes], parameters: Parameters, *, lines: bool = False, documents: Sequence[int] = ()
) -> bytes:
    """Write a request of texts that ``encode_text`` has written; each one's id is its place, counted from 0.

    ``documents`` are how many of them each document has, where there may be several.
    """
    said = _written(parameters)
    if lines:
        end = b",%b\n" % said[1:]
        return b"".join([b'{"id":%d,"text":%b%b' % (place, text, end) for place, text in enumerate(fragments)])
    items = [b'{"id":%d,"text":%b}' % (place, text) for place, text in enumerate(fragments)]
    if documents:
        rest = iter(items)
        items = [b"[%b]" % b",".join([next(rest) for _ in range(size)]) for size in documents]
    return b'{"data":[%b],"parameters":%b}' % (b",".join(items), said)


class Scales:
    """Weighs texts as they will stand in requests of one form; what it says of answers is never too little."""

    def __init__(self, parameters: Parameters, *, lines: bool = False) -> None:
        said = len(_written(parameters))
        vector = _vector_bytes(parameters)
        self.empty = Weight(0 if lines else said + len('{"data":[],"parameters":}'), _ANSWER_FRAME)
        """Of a request without texts."""
        self.document = Weight(request_bytes=3)
        """Of a document's brackets."""
        self._request_bytes = len('{"id":,"text":},') + _LONGEST_ID + (said if lines else 0)
        cut = len(',"truncated":true') if parameters.truncate else 0
        if lines:
            item = len('{"id":,"embedding":,"tokens":},') + _LONGEST_ID + _LONGEST_COUNT + cut + vector
            self._response_bytes = max(item, _LONGEST_ERROR)
        else:
            item = len('{"id":,"embedding":,"usage":{"id":,"total_tokens":}},') + 2 * _LONGEST_ID + _LONGEST_COUNT
            document = len(',"document":') + _LONGEST_ID if parameters.late_chunking else 0
            self._response_bytes = item + document + cut + vector
        self._prompt_tokens = _PROMPT_TOKENS if parameters.task and PROMPTS[Task(parameters.task)] else 0
        # a longer text is refused or cut, but that of a document is read in windows
        self._most_tokens = None if parameters.late_chunking else Limits().max_tokens_per_text

    def weigh(self, text: str, fragment: bytes) -> Weight:
        """Weigh a text, of which ``fragment`` is what ``encode_text`` made."""
        tokens = estimate_tokens(text, len(fragment) - 2) + self._prompt_tokens
        if self._most_tokens is not None:
            tokens = min(tokens, self._most_tokens)
        return Weight(len(fragment) + self._request_bytes, self._response_bytes, tokens, 1)


def base64_characters(parameters: Parameters) -> int:
    """Return how many characters a vector of ``float`` has: 4 for 3 bytes, the last ones filled up."""
    return 4 * -(-parameters.bytes_per_vector // 3)


def _vector_bytes(parameters: Parameters) -> int:
    """Return how many bytes a vector has in an answer at most."""
    if parameters.form == "float":
        return 2 + base64_characters(parameters)
    longest = len("255,") if parameters.form == "ubinary" else len("-128,")
    scale = len(',"scale":') + _LONGEST_SCALE if parameters.form == "int8" else 0
    return 2 + longest * parameters.columns + scale


def estimate_tokens(text: str, utf8_bytes: int) -> int:
    """Estimate how many tokens a text has for the model, rather too many than too few.

    The tokenizer is XLM-RoBERTa's: 250,000 pieces of words from a hundred languages, about one token for 3.5 bytes of
    mixed text, and in the model's published sample of English questions one for 3 to 6. A rare Han character is a
    token of 3 bytes. So 3 bytes are on the safe side, but for three kinds: words of a letter or two are a token each;
    ASCII almost without spaces (base64, digits, URLs) and emoji, which are 4 bytes and may be two tokens (one a
    space's), are taken as 2 bytes a token.

    >>> estimate_tokens("The sun rises over the harbour.", 31)
    13
    """
    spaces = text.count(" ")
    characters, solid_bytes = len(text) - spaces, utf8_bytes - spaces
    is_ascii = utf8_bytes == len(text)
    is_dense = utf8_bytes > 16 * (spaces + 1) if is_ascii else 2 * solid_bytes > 7 * characters
    return _FRAME_TOKENS + max(spaces + 1, -(-utf8_bytes // (2 if is_dense else 3)))
