"""The demo's texts as a dataset for batch transform: a file a language, and records that are wrong among them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from demo.corpus import Corpus, Text
from demo.ranking import Vectors
from jina_v3.contract import Task
from jina_v3_client.batch import BatchRecord

_TOO_MANY_WORDS = 9_000  # of a token or more each, and the model reads 8,192


def write_dataset(folder: Path, corpus: Corpus) -> None:
    """Write a file of JSON lines for each language, and ``queries.jsonl``, whose records have a task of their own.

    Four of the files have a record that is wrong, each in its own way.
    """
    files: dict[str, list[str]] = {}
    for passage in corpus.passages:
        files.setdefault(passage.language, []).append(_line(passage_id(passage), passage))
    files["queries"] = [_line(query_id(query), query, task=Task.RETRIEVAL_QUERY.value) for query in corpus.queries]
    for name, line in _wrong_lines(corpus.passages[0]).items():
        files[name].insert(1, line)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def passage_id(passage: Text) -> str:
    """Return the id of a passage in the dataset."""
    return f"{passage.language}-{passage.topic}"


def query_id(query: Text) -> str:
    """Return the id of a query in the dataset."""
    return f"query-{query.language}"


def _line(id: str, text: Text, **fields: str) -> str:
    metadata = {"language": text.language, "topic": text.topic}
    return json.dumps({"id": id, "text": text.text, **fields, **metadata}, ensure_ascii=False)


def _wrong_lines(text: Text) -> dict[str, str]:
    """Return a line for each of four files: broken off, too long, without a text, and with a task that there is not."""
    return {
        "de": _line("de-broken-off", text)[:60],
        "en": json.dumps({"id": "en-too-long", "text": " ".join(["tide"] * _TOO_MANY_WORDS)}),
        "fr": json.dumps({"id": "fr-no-text", "body": text.text}),
        "ja": _line("ja-wrong-task", text, task="retrieval.passages"),
    }


def read_vectors(records: Iterable[BatchRecord], ids: Iterable[str]) -> Vectors:
    """Return the vectors of some ids from the records that batch transform has made.

    **Shapes**: (ids, dimensions) float32.

    **Raises**: ``KeyError`` where an id has no vector.
    """
    vectors = {record.id: record.vector for record in records}
    return np.array([vectors[one] for one in ids])
