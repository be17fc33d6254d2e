"""Dimensions and forms: the scores are others' too, cutting is asking for less, and sizes are what arithmetic says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score
from tests.support.notebooks import Ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DIMENSIONS = ["32", "64", "128", "256", "512", "768", "1024"]


def test_quality_falls_with_dimensions_and_bits_and_sizes_are_as_calculated(ran: Ran) -> None:
    found = ran(
        "02-dimensions",
        {
            "differences": "differences",
            "changed": "changed",
            "relevance": "relevance",
            "cosines": "(cut(query_vectors, 64) @ cut(passage_vectors, 64).T).round(6)",
            "pair_cosines": "pair_cosines(cut(sentence_vectors, 64))",
            "pair_scores": "pairs[:, 2]",
            "retrieval": "retrieval",
            "sts": "sts",
            "published": "PUBLISHED",
            "recalls": "recalls",
            "bytes": "bytes_each",
            "same_signs": "same_signs",
            "made_here": "[int8_difference, sign_difference]",
            "indexes": "indexes.to_dict('index')",
            "sizes": "sizes.to_dict('index')",
            "points": "points.to_dict('records')",
            "frontier": "frontier.to_dict('records')",
        },
    )
    assert max(found["differences"].values()) < 1e-6
    check_quality(found)
    check_forms(found)
    check_sizes(found)


def check_quality(found: dict[str, Any]) -> None:
    """Score anew with scikit-learn and scipy; more dimensions are better, with the stand-in as in the paper."""
    retrieval, sts = found["retrieval"], found["sts"]
    relevance, cosines = np.array(found["relevance"]), np.array(found["cosines"])
    assert relevance.shape == (150, 225)
    assert [(relevance == worth).sum(axis=1).tolist() for worth in (1, 2)] == [[6] * 150, [3] * 150]
    assert retrieval["64"] == pytest.approx(100 * ndcg_score(relevance, cosines, k=10), abs=0.05)
    assert sts["64"] == pytest.approx(100 * spearmanr(found["pair_cosines"], found["pair_scores"]).statistic, abs=1e-6)
    assert list(retrieval) == list(sts) == list(found["published"]) == DIMENSIONS
    assert retrieval["32"] + 5 < retrieval["64"] < retrieval["128"] < retrieval["256"]
    assert retrieval["1024"] > 85
    assert sts["32"] < sts["128"] < sts["1024"]
    assert found["changed"]["1024"] == 0  # nothing was cut
    assert found["changed"]["32"] > found["changed"]["256"] > 0


def check_forms(found: dict[str, Any]) -> None:
    assert found["bytes"] == {"float": 4096, "int8": 1028, "binary": 128, "ubinary": 128}
    assert found["same_signs"]
    most, signs = found["made_here"]
    assert most <= 1  # a value between two whole numbers may be rounded either way
    assert signs == 0
    whole, int8, binary, by_query, by_int8 = found["recalls"].values()
    assert whole == 100
    assert 60 < binary < by_query <= by_int8
    assert min(int8, by_int8) > 97
    quality = {(point["form"], point["dimensions"]): point["nDCG@10"] for point in found["points"]}
    for dimensions in map(int, DIMENSIONS):
        assert quality["float", dimensions] >= quality["binary", dimensions]
        assert quality["binary, 40 rescored", dimensions] >= quality["binary", dimensions]
        assert quality["int8", dimensions] == pytest.approx(quality["float", dimensions], abs=1)
    for chosen in found["frontier"]:
        assert not [
            point
            for point in found["points"]
            if point["bytes"] <= chosen["bytes"] and point["nDCG@10"] > chosen["nDCG@10"]
        ]


def check_sizes(found: dict[str, Any]) -> None:
    """Hold what faiss wrote to what a vector must take, and the table to sums made here."""
    one_more = {name: row["bytes of one more"] for name, row in found["indexes"].items()}
    assert {name: one_more[name] for name in ("Flat", "SQ8", "IVF-PQ", "Binary")} == {
        "Flat": 4 * 1024,
        "SQ8": 1024,
        "IVF-PQ": 64 * 6 / 8 + 8,  # parts of six bits, and the id
        "Binary": 1024 / 8,
    }
    assert one_more["HNSW"] == pytest.approx(4 * 1024 + 64 * 4 + 16, abs=16)  # levels are drawn at random
    assert found["indexes"]["Flat"]["recall@10 (%)"] == 100
    assert found["sizes"]["Flat, 1024 dimensions"] == pytest.approx(
        {"1 million": 4.096, "100 million": 409.6, "1 billion": 4096}
    )
    assert found["sizes"]["Binary, 256 dimensions"]["1 billion"] == pytest.approx(32)
    assert found["sizes"]["SQ8, 256 dimensions"]["1 billion"] == pytest.approx(256)
    assert found["sizes"]["IVF-PQ, 1024 dimensions"]["1 billion"] == pytest.approx(72 + 0.52, abs=0.01)
