"""An embedder without a network for the command's tests: vectors by the texts' words, as many calls as there are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from jina_v3_client.errors import InvalidInputError
from jina_v3_client.parameters import Parameters
from jina_v3_client.results import Embeddings, TextEmbedding, TextError, Usage


class WordEmbedder:
    """Texts that share words are near; an empty text is an error; ``seen`` are the parameters of each call."""

    def __init__(self, before: Callable[[str], None] = lambda _text: None) -> None:
        self.seen: list[Parameters] = []
        self.read = 0
        self.closed = False
        self._before = before

    def embed(self, texts: Iterable[str] | str, **wishes: Any) -> Embeddings:
        parameters = self._parameters(wishes)
        texts = [texts] if isinstance(texts, str) else list(texts)
        rows = [self._vector(index, text, parameters) for index, text in enumerate(texts)]
        counts = np.array([len(text.split()) for text in texts], np.int64)
        scales = np.full(len(rows), 0.5, np.float32) if parameters.form == "int8" else None
        return Embeddings(vectors=np.stack(rows), token_counts=counts, usage=Usage(tokens=counts.sum()), scales=scales)

    def embed_iter(self, texts: Iterable[str], *, errors: str = "raise", **wishes: Any) -> Iterator[TextEmbedding]:
        parameters = self._parameters(wishes)
        stream = enumerate(texts)
        while block := list(islice(stream, 4)):  # reads ahead, as the real one does
            for index, text in block:
                self.read += 1
                self._before(text)
                try:
                    vector = self._vector(index, text, parameters)
                except InvalidInputError as error:
                    if errors == "raise":
                        raise
                    failed = TextError(code=error.code, message=error.message)
                    yield TextEmbedding(index=index, vector=None, tokens=0, error=failed)
                    continue
                scale = 0.5 if parameters.form == "int8" else None
                yield TextEmbedding(index=index, vector=vector, tokens=len(text.split()), scale=scale)

    def close(self) -> None:
        self.closed = True

    def _parameters(self, wishes: dict[str, Any]) -> Parameters:
        names = {"embedding_type": "form"}
        kept = ("task", "dimensions", "late_chunking", "truncate", "embedding_type")
        parameters = Parameters(**{names.get(key, key): value for key, value in wishes.items() if key in kept})
        self.seen.append(parameters)
        return parameters

    def _vector(self, index: int, text: str, parameters: Parameters) -> Any:
        if not text.strip():
            raise InvalidInputError(f"input[{index}] is empty", code="empty_text", index=index)
        vector = word_vector(text, parameters.dimensions)
        if parameters.form == "float":
            return vector
        if parameters.form == "int8":
            return np.rint(vector * 127).astype(np.int8)
        bits = np.packbits(vector > 0)
        return bits if parameters.form == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)


def word_vector(text: str, dimensions: int) -> np.ndarray:
    """Return the sum of the words' directions, of length 1."""
    words = [hashlib.sha256(word.encode()).digest() for word in text.lower().split()]
    seeds = [np.random.default_rng(int.from_bytes(word[:8], "big")).standard_normal(1024) for word in words]
    vector = np.sum(seeds, axis=0)[:dimensions]
    return (vector / np.linalg.norm(vector)).astype(np.float32)
