"""Requests of texts that share their parameters: how they become jobs, and their results rows.

What such a request looks like is the matter of ``shapes`` and ``foreign_shapes``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from jina_v3.contract import EncodeJob
from jina_v3.errors import RequestError
from jina_v3.serving.exchange import Answer, EmbeddingTypes, Layout, Result, Row, Vectors, checked, place_error
from jina_v3.serving.formats.media_types import TEXTS_OFFER
from jina_v3.serving.formats.parameters import Given, Parameters
from jina_v3.serving.formats.texts import Document
from jina_v3.serving.formats.vectors import write_vectors
from jina_v3.serving.formats.writers import in_groups


def extras(row: Row) -> dict[str, Any]:
    """Return what is said only of rows that it is true of."""
    said: dict[str, Any] = {} if row.document is None else {"document": row.document}
    return {**said, "truncated": True} if row.truncated else said


@dataclass(frozen=True, slots=True)
class TextsRequest:
    """Texts that share their parameters; one that fails fails them all.

    ``given`` knows where in the request the parameters stand. ``nested`` says that there were several documents.
    ``first_number`` and ``first_document`` are above 0 in later parts of a request.
    """

    documents: tuple[Document, ...]
    nested: bool
    parameters: Parameters
    given: Given
    layout: Layout
    offers: ClassVar[tuple[str, ...]] = TEXTS_OFFER
    answers_each: ClassVar[bool] = False
    first_number: int = 0
    first_document: int = 0
    jobs: tuple[EncodeJob, ...] = field(init=False)

    def __post_init__(self) -> None:
        jobs = tuple(self.parameters.job(document.texts) for document in self.documents)
        object.__setattr__(self, "jobs", jobs)

    @property
    def embedding_types(self) -> EmbeddingTypes:
        """The form of all its vectors."""
        return self.parameters.embedding_types

    def answer(self, results: Sequence[Result]) -> Answer:
        """Write the rows of all documents, in order.

        **Raises**: ``RequestError`` where a job failed.
        """
        rows: list[Row] = []
        arrays: list[Vectors] = []
        for number, (document, result) in enumerate(zip(self.documents, results, strict=True)):
            if isinstance(result, RequestError):
                raise place_error(result, document.places, self.given.place)
            vectors = checked(result)
            arrays.append(vectors)
            cut = frozenset(result.truncated)
            fields = write_vectors(vectors, self.embedding_types)
            rows += [
                Row(
                    number=self.first_number + len(rows) + index,
                    id=document.ids[index],
                    fields=fields[index],
                    tokens=tokens,
                    truncated=index in cut,
                    document=self.first_document + number if self.nested else None,
                    embedding_types=self.embedding_types,
                )
                for index, tokens in enumerate(result.token_counts)
            ]
        vectors = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        return Answer(rows, self.layout, vectors.shape[1], vectors)

    def in_parts(self, max_texts: int) -> Sequence[TextsRequest]:
        """Cut it into runs of texts, or with late chunking of whole documents."""
        if len(self.documents) == 1 and not self.parameters.late_chunking:
            (document,) = self.documents
            groups = in_groups([1] * len(document.texts), max_texts)
            parts = [self._part((document.cut(group),), group.start, 0) for group in groups]
        else:
            sizes = [len(document.texts) for document in self.documents]
            groups = in_groups(sizes, max_texts)
            parts = [self._part(self.documents[group], sum(sizes[: group.start]), group.start) for group in groups]
        return (self,) if len(parts) == 1 else parts

    def _part(self, documents: tuple[Document, ...], texts_before: int, documents_before: int) -> TextsRequest:
        return dataclasses.replace(
            self,
            documents=documents,
            first_number=self.first_number + texts_before,
            first_document=self.first_document + documents_before,
        )
