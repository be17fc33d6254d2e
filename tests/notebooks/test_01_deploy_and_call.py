"""The first notebook, run as it is: both ways of deploying, eight languages, the tasks, the search, the errors."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.notebooks import Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_questions_find_their_passages_in_every_language(ran: Ran) -> None:
    found = ran(
        "01-deploy-and-call",
        {
            "lengths": "np.linalg.norm(vectors, axis=1)",
            "shape": "vectors.shape",
            "apart": "float(np.abs(by_client - by_sdk).max())",
            "languages": "languages",
            "ranks": "ranks",
            "cosines": "cosines",
            "right": "topic_is_right",
            "asks": "[[text.language, text.topic] for text in questions]",
            "answers": "[[text.language, text.topic] for text in passages]",
            "means": "means",
            "tokens": "{row[\"question's task\"]: row['tokens'] for row in rows}",
            "bytes": "{form: one.vectors[0].nbytes for form, one in small.items()}",
            "error": "result.errors[1].code",
            "stack": "deployed_variant.model_name != name",
        },
    )
    assert found["shape"] == [96, 1024]
    np.testing.assert_allclose(found["lengths"], 1, atol=1e-3)
    assert found["apart"] < 1e-5  # the endpoint by the SDK has the same model
    assert found["stack"]
    assert found["languages"] == ["ar", "de", "en", "es", "fr", "ja", "ru", "zh"]
    check_ranks(found)
    same, language, _neither = (found["means"][kind] for kind in found["means"])
    assert all(one > other + 0.2 for one, other in zip(same, language, strict=True))
    assert len({round(value, 3) for value in same}) == 5 or len({round(value, 3) for value in language}) == 5
    tokens = found["tokens"]
    assert tokens["none"] == tokens["text-matching"] < tokens["retrieval.passage"] < tokens["retrieval.query"]
    assert found["bytes"] == {"1024 float": 4096, "256 float": 1024, "1024 int8": 1024, "1024 bits": 128}
    assert found["error"] == "empty_text"


def check_ranks(found: dict[str, list[list[float]]]) -> None:
    """Rank anew, the slow way, and hold the notebook's ranks to it; nearly all searches find the right topic."""
    for row, (_, topic) in enumerate(found["asks"]):
        for column, language in enumerate(found["languages"]):
            order = sorted(
                (place for place, (spoken, _) in enumerate(found["answers"]) if spoken == language),
                key=lambda place, row=row: -found["cosines"][row][place],
            )
            rank = 1 + [found["answers"][place][1] for place in order].index(topic)
            assert found["ranks"][row][column] == rank
    ranks = np.array(found["ranks"])
    assert ranks.shape == (96, 8)
    assert (ranks == 1).mean() > 0.95
    right = np.array(found["right"])
    assert right.sum() == 96 * 8
