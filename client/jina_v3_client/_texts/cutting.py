"""Texts, however many, into requests that keep the limits; nothing is sent here.

``Cutter`` is given texts one by one and gives back pieces as they are full, so it serves iterables and asynchronous
iterables alike, and holds no more than one request's texts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from jina_v3.contract import Limits
from jina_v3_client._texts.pieces import Piece
from jina_v3_client._texts.requests import Scales, Weight, encode_text
from jina_v3_client.errors import InvalidInputError, TooLargeError
from jina_v3_client.parameters import Parameters
from jina_v3_client.results import TextError
from jina_v3_client.settings import RequestLimits

_MOST_CHUNKS: Final = Limits().max_texts


@dataclass(slots=True)
class _Pending:
    """Texts that wait for their request to be full."""

    weight: Weight
    texts: list[str] = field(default_factory=list)
    fragments: list[bytes] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    documents: list[int] = field(default_factory=list)

    def extend(self, other: _Pending) -> None:
        self.weight += other.weight
        self.texts += other.texts
        self.fragments += other.fragments
        self.tokens += other.tokens
        self.indices += other.indices


class Cutter:
    """Cuts texts into pieces within ``limits``.

    A text is refused where it is no string, has nothing but white space, cannot be written as UTF-8, or exceeds a
    request by itself. With ``lines`` its error stands in ``errors`` instead, and the others leave a gap for it.
    With late chunking all texts are one document, which is never cut; ``add_document`` takes several.

    **Raises**: ``InvalidInputError``, ``TooLargeError``.

    >>> cutter = Cutter(Parameters(), RequestLimits(texts=2))
    >>> pieces = [piece for text in ("a", "b", "c") for piece in cutter.add(text)] + cutter.finish()
    >>> [piece.texts for piece in pieces]
    [('a', 'b'), ('c',)]
    """

    def __init__(self, parameters: Parameters, limits: RequestLimits, *, lines: bool = False) -> None:
        if lines and parameters.late_chunking:
            raise InvalidInputError(
                "errors='return' cannot be together with late_chunking: a document's chunks know each other, so they "
                "are embedded all or none",
                code="invalid_value",
                field="errors",
                value="return",
                allowed="raise",
            )
        self.count = 0
        """How many texts there were."""
        self.errors: dict[int, TextError] = {}
        """Of texts that are in no piece, by index; empty without ``lines``."""
        self._parameters = parameters
        self._limits = limits
        self._lines = lines
        self._scales = Scales(parameters, lines=lines)
        self._pending = _Pending(self._scales.empty)
        self._document = _Pending(self._scales.document)
        self._documents = 0

    def add(self, text: str) -> list[Piece]:
        """Take the next text, and return the pieces that are full now."""
        index = self.count
        self.count += 1
        try:
            return self._add(text, index, f"texts[{index}]", index)
        except InvalidInputError as error:
            if not self._lines:
                raise
            self.errors[index] = TextError(code=error.code, message=error.message)
            return []

    def add_document(self, chunks: Iterable[str]) -> list[Piece]:
        """Take the next document's chunks, and return the pieces that are full now.

        An error's ``index`` is then the document's.
        """
        assert self._parameters.late_chunking
        number = self._documents
        for place, chunk in enumerate(chunks):
            self._add(chunk, self.count, f"documents[{number}][{place}]", number)
            self.count += 1
        if not self._document.texts:
            raise InvalidInputError(
                f"documents[{number}] has no chunks; leave it out",
                code="empty_input",
                field=f"documents[{number}]",
                value="a list of 0",
                allowed="at least one text",
                index=number,
            )
        ready = self._take(self._document)
        self._documents += 1
        self._pending.documents.append(len(self._document.texts))
        self._document = _Pending(self._scales.document)
        return ready

    def finish(self) -> list[Piece]:
        """Return the last pieces."""
        if self._document.texts:
            self._take(self._document)
        return self._close()

    def _add(self, text: str, index: int, place: str, named: int) -> list[Piece]:
        fragment = check_text(text, place, named)
        weight = self._scales.weigh(text, fragment)
        self._refuse_too_large(weight, place, named)
        one = _Pending(weight, [text], [fragment], [weight.tokens], [index])
        if not self._parameters.late_chunking:
            return self._take(one)
        self._document.extend(one)
        return []

    def _refuse_too_large(self, weight: Weight, place: str, index: int) -> None:
        """Refuse a text that exceeds a request by itself, or with its document's chunks before it."""
        whole = self._scales.empty + self._document.weight + weight
        limits = self._limits
        many = bool(self._document.texts)
        what = f"the document up to {place}" if many else place
        facts: tuple[tuple[str, str, int, int], ...] = (
            ("body_too_large", "bytes in a request", whole.request_bytes, limits.request_bytes),
            ("body_too_large", "bytes in an answer", whole.response_bytes, limits.response_bytes),
            ("too_many_texts", "chunks", whole.texts, _MOST_CHUNKS),
        )
        for code, unit, has, most in facts:
            if has > most:
                raise TooLargeError(
                    f"{what} has {has} {unit}; at most {most} are allowed",
                    code=code,
                    field=place,
                    value=has,
                    allowed=f"at most {most} {unit}",
                    index=index,
                    advice="cut it into several documents"
                    if many
                    else "cut it into chunks; see jina_v3_client.chunking",
                )

    def _take(self, new: _Pending) -> list[Piece]:
        """Put texts that stay together to those that wait, after these have made room where it is needed."""
        total = self._pending.weight + new.weight
        limits = self._limits
        ready: list[Piece] = []
        if self._pending.texts and (
            total.request_bytes > limits.request_bytes
            or total.response_bytes > limits.response_bytes
            or total.tokens > limits.tokens
            or total.texts > limits.texts
        ):
            ready = self._close()
        self._pending.extend(new)
        if len(self._pending.texts) >= limits.texts and not self._parameters.late_chunking:
            ready += self._close()
        return ready

    def _close(self) -> list[Piece]:
        """Make a piece of what waits."""
        done, self._pending = self._pending, _Pending(self._scales.empty)
        if not done.texts:
            return []
        first, last = done.indices[0], done.indices[-1]
        piece = Piece(
            first,
            tuple(done.texts),
            self._parameters,
            self._lines,
            None if last - first + 1 == len(done.texts) else tuple(done.indices),
            tuple(done.documents),
            self._documents - len(done.documents),
            tuple(done.fragments),
            tuple(done.tokens),
        )
        return [piece]


def check_text(text: object, place: str, index: int) -> bytes:
    """Return a text as it stands in a request. **Raises**: ``InvalidInputError`` for what is no text."""
    if not isinstance(text, str):
        raise InvalidInputError(
            f"{place} is {type(text).__name__}; it must be a string",
            code="wrong_type",
            field=place,
            value=type(text).__name__,
            allowed="a string",
            index=index,
        )
    if not text or text.isspace():
        raise InvalidInputError(
            f"{place} is empty or only white space; leave it out",
            code="empty_text",
            field=place,
            value="",
            allowed="a string with something other than white space",
            index=index,
        )
    try:
        return encode_text(text)
    except UnicodeEncodeError:
        at = next(place for place, character in enumerate(text) if "\ud800" <= character <= "\udfff")
        raise InvalidInputError(
            f"{place} has half of a surrogate pair at character {at}, which is not text in any encoding; decode it "
            "with errors='replace' before embedding it",
            code="invalid_text",
            field=place,
            value=f"U+{ord(text[at]):04X} at character {at}",
            allowed="a string that can be written as UTF-8",
            index=index,
        ) from None
