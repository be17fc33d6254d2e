"""What is built with the vectors: the filter holds, groups and labels are found, and the planted duplicates are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from tests.support.notebooks import Ran

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from lab import texts
from lab.standin import standin_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_ASKED = {
    "unfiltered": "unfiltered['id'].tolist()",
    "filtered": "filtered[['id', 'score']].values.tolist()",
    "sources": "sources['id'].tolist()",
    "prompt": "prompt",
    "posts": "posts['id'].tolist()",
    "groups": "{str(task): found for task, (_, found) in groups.items()}",
    "agreement": "agreement.iloc[:, 0].to_dict()",
    "chance": "adjusted_rand_score(posts['topic'], np.random.default_rng(0).permutation(groups['separation'][1]))",
    "accuracy": "{name: values.mean(axis=1) for name, values in accuracy.items()}",
    "mixed_up": "mixed_up[2]",
    "examples": "messages.loc[draw(8, np.random.default_rng(0)), 'id'].tolist()",
    "tested": "messages.loc[is_test, 'id'].tolist()",
    "chosen_on": "[reports['id'][[one, other]].tolist() for one, other in chosen_on[['first', 'second']].values]",
    "tried_on": "[reports['id'][[one, other]].tolist() for one, other in tried_on[['first', 'second']].values]",
    "found": "[reports['id'][[one, other]].tolist() for one, other in found[['first', 'second']].values]",
}


def test_each_part_finds_what_was_planted(ran: Ran) -> None:
    shown = ran("04-what-to-build", _ASKED)
    _check_search(shown)
    _check_prompt(shown)
    _check_groups(shown)
    _check_labels(shown)
    _check_duplicates(shown)


def _check_search(shown: Mapping[str, Any]) -> None:
    """The filtered hits are those that may be seen, as the encoder itself ranks them."""
    articles = {id: one for id, one in _part("search").items() if one.more["kind"] == "article"}
    question = _part("search")["q-reset"]
    may_be_seen = [
        id for id, one in articles.items() if one.language == "de" and one.more["product"] in ("vacuum", "all")
    ]
    encoder = Encoder.from_folder(standin_folder(), dtype="float32")
    passages = encoder.encode([articles[id].text for id in may_be_seen], task=Task.RETRIEVAL_PASSAGE)
    scores = np.asarray(passages) @ np.asarray(encoder.encode([question.text], task=Task.RETRIEVAL_QUERY))[0]
    expected = dict(zip(may_be_seen, scores, strict=True))
    hits = dict(shown["filtered"])
    assert hits.keys() == expected.keys()
    np.testing.assert_allclose([hits[id] for id in may_be_seen], scores, atol=1e-3)
    assert list(hits) == sorted(hits, key=lambda id: -hits[id])
    assert articles[next(iter(hits))].topic == question.topic
    assert not set(shown["unfiltered"]) <= set(may_be_seen)  # else the filter would show nothing


def _check_prompt(shown: Mapping[str, Any]) -> None:
    articles = _part("search")
    sources = [articles[id] for id in shown["sources"]]
    assert sources
    assert all(one.language == "en" and one.more["date"] >= "2025-01-01" for one in sources)
    assert {one.topic for one in sources} == {"guarantee"}
    assert all(one.text in shown["prompt"] for one in sources)
    assert "two years" not in shown["prompt"]
    assert shown["prompt"].endswith(articles["q-guarantee"].text)


def _check_groups(shown: Mapping[str, Any]) -> None:
    posts = [_part("cluster")[id] for id in shown["posts"]]
    assert shown["agreement"]["separation"] > 0.6
    assert shown["agreement"]["separation"] > shown["agreement"]["no adapter"] + 0.2
    assert abs(shown["chance"]) < 0.1
    own = [
        max(_share(posts, shown["groups"]["separation"], subject, group) for group in range(6))
        for subject in sorted({one.topic for one in posts})
    ]
    assert min(own) > 0.6  # each subject has most of its posts in one group


def _share(posts: list[texts.Text], found: list[int], subject: str, group: int) -> float:
    ours = [number for one, number in zip(posts, found, strict=True) if one.topic == subject]
    return ours.count(group) / len(ours)


def _check_labels(shown: Mapping[str, Any]) -> None:
    for means in shown["accuracy"].values():
        assert means[0] > 2 / 6  # twice chance
        assert means[0] + 0.1 < means[2] < means[4] + 0.01
        assert means[4] > 0.85
    np.testing.assert_allclose(np.sum(shown["mixed_up"], axis=1), 1.0)
    messages = _part("classify")
    assert not set(shown["examples"]) & set(shown["tested"])
    given = [messages[id].more["label"] for id in shown["examples"]]
    assert {given.count(label) for label in set(given)} == {8}
    assert len(shown["tested"]) == 48


def _check_duplicates(shown: Mapping[str, Any]) -> None:
    reports = _part("duplicates")
    tried = {id for pair in shown["tried_on"] for id in pair}
    assert not tried & {id for pair in shown["chosen_on"] for id in pair}
    planted = {
        frozenset(pair) for pair in combinations(sorted(tried), 2) if len({_fault(reports[id]) for id in pair}) == 1
    }
    found = {frozenset(pair) for pair in shown["found"]}
    assert len(found & planted) >= 0.9 * len(planted)
    assert len(found & planted) >= 0.9 * len(found)
    assert all(len({reports[id].language for id in pair}) == 2 for pair in found & planted)


def _fault(report: texts.Text) -> str:
    return str(report.more.get("duplicate_of", report.more["id"]))


def _part(name: str) -> dict[str, texts.Text]:
    return {one.more["id"]: one for one in texts.read("build") if one.more["part"] == name}
