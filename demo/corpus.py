"""The demo's texts, which lie beside this file: passages, queries, and one long document in chunks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "texts"

LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "ja": "Japanese",
    "ko": "Korean",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "zh": "Chinese",
}


@dataclass(frozen=True, slots=True)
class Text:
    """A passage or a query, with what it is about."""

    topic: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class ChunkQuery:
    """A question about the long document, and the index of the chunk that answers it."""

    text: str
    chunk: int


@dataclass(frozen=True, slots=True)
class Document:
    """A document in chunks; most of them name their subject only as "it" or "them"."""

    title: str
    language: str
    chunks: tuple[str, ...]
    queries: tuple[ChunkQuery, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything the demo sends."""

    passages: tuple[Text, ...]
    queries: tuple[Text, ...]
    document: Document

    def training_texts(self) -> list[str]:
        """Return what a stand-in's tokenizer learns from: all but the queries.

        A tokenizer that has seen a query may make one piece of a phrase in it, which then is shared with nothing.
        """
        return [passage.text for passage in self.passages] + list(self.document.chunks)


def load_corpus() -> Corpus:
    """Read the texts."""
    document = json.loads((_FOLDER / "document.json").read_text(encoding="utf-8"))
    return Corpus(
        passages=_read_lines("passages.jsonl"),
        queries=_read_lines("queries.jsonl"),
        document=Document(
            title=document["title"],
            language=document["language"],
            chunks=tuple(document["chunks"]),
            queries=tuple(ChunkQuery(**query) for query in document["queries"]),
        ),
    )


def _read_lines(name: str) -> tuple[Text, ...]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return tuple(Text(**json.loads(line)) for line in lines)
