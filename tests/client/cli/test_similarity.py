"""``jina-v3 similarity`` in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.watched_clients import WatchedClients, expected

Run = Callable[..., tuple[int, bytes, str]]


def test_two_texts_have_a_cosine(run: Run, watched: WatchedClients) -> None:
    status, out, _ = run("similarity", "red apple", "red pear")
    first, second = np.float64(expected("red apple", "red pear", task="text-matching"))
    cosine = first @ second
    assert status == 0
    assert float(out) == pytest.approx(cosine, abs=5e-5)
    assert watched.asked[0].task == "text-matching"
    assert json.loads(run("similarity", "red apple", "red pear", "--json")[1])["similarity"] == pytest.approx(cosine)


def test_texts_of_files_are_ranked_by_a_query(run: Run, watched: WatchedClients, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("green grass\nred\tapple pie\n")
    (tmp_path / "b.jsonl").write_text('{"id": "sky", "text": "blue sky"}\n{"id": "p", "text": "red apple"}\n')
    files = [str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl")]
    status, out, _ = run("similarity", "--query", "red apple", "--top", "3", *files)
    assert status == 0
    rows = [line.split("\t") for line in out.decode().splitlines()]
    assert [row[1:] for row in rows[:2]] == [["p", "red apple"], [f"{files[0]}:2", "red apple pie"]]
    assert len(rows) == 3
    query, best = expected("red apple", task="retrieval.query")[0], expected("red apple", task="retrieval.passage")[0]
    assert float(rows[0][0]) == pytest.approx(query @ best, abs=5e-5)
    assert [parameters.task for parameters in watched.asked] == ["retrieval.query", "retrieval.passage"]


def test_without_a_query_there_are_two_texts(run: Run, watched: WatchedClients) -> None:
    status, _, err = run("similarity", "one")
    assert status == 2
    assert "--query" in err
