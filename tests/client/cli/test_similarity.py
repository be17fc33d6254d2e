"""``jina-v3 similarity`` in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.embedder import WordEmbedder, word_vector

Run = Callable[..., tuple[int, bytes, str]]


def test_two_texts_have_a_cosine(run: Run, embedder: WordEmbedder) -> None:
    status, out, _ = run("similarity", "red apple", "red pear")
    cosine = np.float64(word_vector("red apple", 1024)) @ word_vector("red pear", 1024)
    assert status == 0
    assert float(out) == pytest.approx(cosine, abs=5e-5)
    assert embedder.seen[0].task == "text-matching"
    assert json.loads(run("similarity", "red apple", "red pear", "--json")[1])["similarity"] == pytest.approx(cosine)


def test_texts_of_files_are_ranked_by_a_query(run: Run, embedder: WordEmbedder, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("green grass\nred\tapple pie\n")
    (tmp_path / "b.jsonl").write_text('{"id": "sky", "text": "blue sky"}\n{"id": "p", "text": "red apple"}\n')
    files = [str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl")]
    status, out, _ = run("similarity", "--query", "red apple", "--top", "3", *files)
    assert status == 0
    rows = [line.split("\t") for line in out.decode().splitlines()]
    assert [row[1:] for row in rows[:2]] == [["p", "red apple"], [f"{files[0]}:2", "red apple pie"]]
    assert len(rows) == 3
    assert float(rows[0][0]) == pytest.approx(1)
    assert [parameters.task for parameters in embedder.seen] == ["retrieval.query", "retrieval.passage"]


def test_without_a_query_there_are_two_texts(run: Run, embedder: WordEmbedder) -> None:
    status, _, err = run("similarity", "one")
    assert status == 2
    assert "--query" in err
