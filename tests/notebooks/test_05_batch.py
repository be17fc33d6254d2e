"""A dataset through batch transform: nothing of it is lost, and the index holds the encoder's own vectors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.notebooks import Ran

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from lab import texts
from lab.standin import standin_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_SCALE_PAGE = Path(__file__).parents[2] / "docs" / "batch-scale.md"
_FAULTS = {
    ("search.jsonl", 3, "not_json"),
    ("questions.jsonl", 3, "unknown_task"),
    ("cluster.jsonl", 3, "missing_field"),
    ("cluster.jsonl", 4, "not_utf8"),
    ("classify.jsonl", 3, "empty_text"),
    ("classify.jsonl", 4, "wrong_type"),
    ("duplicates.jsonl", 3, "text_too_long"),
    ("de.parquet", 2, "empty_text"),
    ("de.parquet", 5, "empty_text"),
    ("fr.parquet", 8, "text_too_long"),
}
_ASKED = {
    "written": "[[file, count] for (_, file), count in written.items()]",
    "outcomes": "[[one['file'], one['line'], one['bad']] for one in outcomes]",
    "bad": "bad[['file', 'line', 'code']].values.tolist()",
    "documents": "documents",
    "vectors": "index.reconstruct_n(0, index.ntotal)",
    "questions": "questions",
    "conversations": "table.dropna().set_index('id')['text'].to_dict()",
    "hits": "[[one['question'], one['id'], float(one['score'])] for one in found]",
    "planned": "{name: plan['estimate']['records'] for name, plan in plans.items()}",
    "planned_usd": "[plan['estimate']['usd'] for plan in plans.values()]",
    "speed": "[lines_per_s, took_s]",
    "scale": "{text: row['US dollars'] for text, row in scale.items()}",
    "spans": "spans",
}


def test_every_record_is_a_vector_or_a_bad_record(ran: Ran) -> None:
    shown = ran("05-batch", _ASKED)
    _check_accounts(shown)
    _check_vectors(shown)
    _check_hits(shown)
    _check_figures(shown)


def _check_accounts(shown: Mapping[str, Any]) -> None:
    lines = defaultdict(list)
    for file, line, _ in shown["outcomes"]:
        lines[file].append(line)
    assert {file: sorted(found) for file, found in lines.items()} == {
        file: list(range(1, count + 1)) for file, count in shown["written"]
    }
    assert {tuple(one) for one in shown["bad"]} == _FAULTS
    assert {(file, line) for file, line, is_bad in shown["outcomes"] if is_bad} == {
        (file, line) for file, line, _ in _FAULTS
    }
    records = sum(count for _, count in shown["written"])
    assert len(shown["vectors"]) + len(shown["questions"]) + len(_FAULTS) == records
    assert len({one["id"] for one in shown["documents"]}) == len(shown["documents"]) == len(shown["vectors"])


def _check_vectors(shown: Mapping[str, Any]) -> None:
    """Vectors stand under their own records' numbers, and are what the encoder makes of these records' texts."""
    known = {**_texts(), **shown["conversations"]}
    numbers = [number for number, one in enumerate(shown["documents"]) if one["id"] in known][::20]
    assert {shown["documents"][number]["file"].rpartition(".")[2] for number in numbers} == {"jsonl", "parquet"}
    encoder = Encoder.from_folder(standin_folder(), dtype="float32")
    wanted = [known[shown["documents"][number]["id"]] for number in numbers]
    expected = encoder.encode(wanted, task=Task.RETRIEVAL_PASSAGE, dimensions=256)
    np.testing.assert_allclose(np.array(shown["vectors"])[numbers], expected, atol=2e-3)
    asked = encoder.encode([known[id] for id in shown["questions"]], task=Task.RETRIEVAL_QUERY, dimensions=256)
    np.testing.assert_allclose(list(shown["questions"].values()), asked, atol=2e-3)


def _check_hits(shown: Mapping[str, Any]) -> None:
    """The first hit of each question is on its topic, and the best of all by plain multiplication."""
    topics = {one.more["id"]: one.topic for one in texts.read("build")}
    ids, vectors = [one["id"] for one in shown["documents"]], np.array(shown["vectors"])
    for id, vector in shown["questions"].items():
        hits = [(hit, score) for question, hit, score in shown["hits"] if question == _texts()[id]]
        scores = vectors @ np.array(vector)
        assert hits[0][0] == ids[scores.argmax()]
        np.testing.assert_allclose([score for _, score in hits], np.sort(scores)[::-1][:3], atol=1e-5)
        assert topics[hits[0][0]] == topics[id]


def _check_figures(shown: Mapping[str, Any]) -> None:
    written = dict(shown["written"])
    for name, suffix in (("jsonl", ".jsonl"), ("parquet", ".parquet")):
        records = sum(count for file, count in written.items() if file.endswith(suffix))
        assert shown["planned"][name] == pytest.approx(records, rel=0.3)  # of JSON lines it is worked out from a sample
    assert all(usd > 0 for usd in shown["planned_usd"])
    lines_per_s, took_s = shown["speed"]
    assert lines_per_s * took_s == pytest.approx(sum(written.values()))
    row = re.search(r"^\| dollars \|.*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", _SCALE_PAGE.read_text(), re.MULTILINE)
    assert row is not None
    assert list(shown["scale"].values()) == pytest.approx([float(one) for one in row.groups()], rel=0.01)
    low, high = shown["spans"]["ml.g6.xlarge"]
    assert low < shown["scale"]["1 million"] < high  # 40% of the data sheet lies between 33% and 52%


def _texts() -> dict[str, str]:
    return {one.more["id"]: one.text for one in texts.read("build")}
