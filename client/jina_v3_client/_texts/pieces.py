"""Texts that go into one request together: the request, its halves, and whose text an error is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jina_v3_client._calls.steps import Work
from jina_v3_client._texts.requests import JSON, JSON_LINES, Scales, encode_text, write_body
from jina_v3_client.errors import InvalidInputError
from jina_v3_client.parameters import Parameters

_PLACE: Final = re.compile(r"[a-z_]+\[(\d+)\](?:\[(\d+)\])?(?:\.text)?")


@dataclass(frozen=True, slots=True)
class Piece:
    """Texts that go into one request.

    ``first`` is the first one's index among the caller's, and the others follow it, unless ``gaps`` are left between
    them: then it has all their indices. With ``lines`` a text that is bad costs only itself. ``documents`` are how many
    texts each document has, where the caller gave documents, the first of which was its ``first_document``-th. A
    cutter has encoded and weighed each text already: ``fragments``, and ``tokens``, estimated.

    >>> piece = Piece(7, ("sunrise", "sunset"), Parameters(dimensions=2))
    >>> piece.indices, piece.work
    (range(7, 9), <Work 2 texts, 186 bytes>)
    """

    first: int
    texts: tuple[str, ...]
    parameters: Parameters
    lines: bool = False
    gaps: tuple[int, ...] | None = None
    documents: tuple[int, ...] = ()
    first_document: int = 0
    fragments: tuple[bytes, ...] = ()
    tokens: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.fragments:
            object.__setattr__(self, "fragments", tuple(map(encode_text, self.texts)))
        if not self.tokens:
            scales = Scales(self.parameters, lines=self.lines)
            weights = map(scales.weigh, self.texts, self.fragments)
            object.__setattr__(self, "tokens", tuple(weight.tokens for weight in weights))

    def __repr__(self) -> str:
        """No texts."""
        return f"<Piece {self.first}, {len(self.texts)} texts>"

    @property
    def indices(self) -> Sequence[int]:
        """Each text's index among the caller's."""
        return range(self.first, self.first + len(self.texts)) if self.gaps is None else self.gaps

    @property
    def work(self) -> Work:
        """The request; its body is made anew each time, from texts that have been encoded once."""
        return Work(
            body=write_body(self.fragments, self.parameters, lines=self.lines, documents=self.documents),
            content_type=JSON_LINES if self.lines else JSON,
            accept=JSON,  # of lines too: an answer of lines is streamed, and a failure in the middle could not be told
            task=self.parameters.task,  # type: ignore[arg-type]  # Parameters has made a Task of its name
            texts=len(self.texts),
            tokens=sum(self.tokens),
        )

    @property
    def divisible(self) -> bool:
        """Whether it can be cut; a document cannot."""
        return len(self.documents) > 1 or (len(self.texts) > 1 and not self.parameters.late_chunking)

    def halves(self) -> tuple[Piece, Piece]:
        """Cut it in two, for a request that turned out too large. It must be ``divisible``."""
        assert self.divisible
        if self.documents:
            half = len(self.documents) // 2
            at = sum(self.documents[:half])
            return self._part(slice(0, at), slice(0, half)), self._part(slice(at, None), slice(half, None))
        at = len(self.texts) // 2
        return self._part(slice(0, at)), self._part(slice(at, None))

    def _part(self, texts: slice, documents: slice = slice(0, 0)) -> Piece:
        return Piece(
            self.indices[texts][0],
            self.texts[texts],
            self.parameters,
            self.lines,
            self.gaps[texts] if self.gaps is not None else None,
            self.documents[documents],
            self.first_document + (documents.start or 0),
            self.fragments[texts],
            self.tokens[texts],
        )

    def locate(self, error: InvalidInputError) -> None:
        """Make an error of the server's, which names a text by its place in the request, name the caller's text.

        Its ``index`` becomes that of the caller's text, or of the caller's document.
        """
        found = _PLACE.fullmatch(error.field or "")
        if found is None or error.field is None:
            return
        outer, inner = int(found[1]), found[2]
        if self.documents and inner is not None:
            error.index = self.first_document + outer
            place = f"documents[{error.index}][{inner}]"
        elif outer < len(self.texts):
            error.index = self.indices[outer]
            place = f"texts[{error.index}]"
        else:
            return
        error.message = error.message.replace(error.field, place, 1)
        error.args = (error.message,)
        error.field = place
