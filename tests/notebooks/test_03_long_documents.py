"""Late chunking: it finds what chunk-first misses, its spans add up, and windows are where the encoder has them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.support.notebooks import Ran

from jina_v3.tokens.late_chunking import WindowConfig
from jina_v3.tokens.late_chunking import windows as windows_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_chunks_know_their_document_and_windows_add_up(ran: Ran) -> None:
    found = ran(
        "03-long-documents",
        {
            "ranks": "ranks",
            "cosines": "asked.vectors @ late_vectors.T",
            "right": "right",
            "subject": "to_subject",
            "late_counts": "[one.token_counts.tolist() for one in late]",
            "alone_counts": "chunk_first.token_counts",
            "around": "around",
            "cut_by": "{name: list(one.chunks) for name, one in cut_by.items()}",
            "cut_tokens": "[one.usage.tokens for one in cut_by.values()]",
            "whole": "whole",
            "refused": "refused",
            "truncated": "[list(truncated.truncated), truncated.token_counts.tolist()]",
            "windows": "windows",
            "counts": "read.token_counts",
            "moved": "moved",
            "inside": "inside",
        },
    )
    check_ranks(found)
    check_spans(found)
    assert found["refused"] == "text_too_long"
    assert found["truncated"] == [[0], [8192]]
    check_windows(found)


def check_ranks(found: dict[str, Any]) -> None:
    before, after = (np.array(ranks) for ranks in found["ranks"].values())
    assert before.shape == after.shape == (80,)
    for rank, cosines, right in zip(after, found["cosines"], found["right"], strict=True):
        order = sorted(range(80), key=lambda chunk, cosines=cosines: -cosines[chunk])
        assert 1 + order.index(right) == rank
    assert (1 / after).mean() > (1 / before).mean() + 0.03
    assert (after <= 3).mean() > (before <= 3).mean() + 0.1
    assert (after < before).sum() > 5 * (after > before).sum()
    alone, together = (np.array(cosines) for cosines in found["subject"].values())
    assert (together[:, 1:] > alone[:, 1:]).all()  # those without the name
    assert (together[:, 0] < alone[:, 0]).all()


def check_spans(found: dict[str, Any]) -> None:
    """A chunk has as many tokens both ways, but for what stands around each text and here once around a document."""
    around = found["around"]
    assert around > 2
    alone = np.array(found["alone_counts"]).reshape(8, 10) - around
    late = np.array(found["late_counts"])
    assert (late.sum(axis=1) == alone.sum(axis=1) + around).all()
    assert (late[:, 1:-1] == alone[:, 1:-1]).all()
    assert (late[:, -1] == alone[:, -1] + 1).all()  # </s>
    paragraphs, sentences, _fixed = found["cut_by"].values()
    assert all("".join(chunks) == found["whole"] for chunks in found["cut_by"].values())
    assert len(paragraphs) == 10
    assert len(sentences) > len(paragraphs)
    assert set(found["cut_tokens"]) == {late[0].sum()}


def check_windows(found: dict[str, Any]) -> None:
    """Hold the notebook's windows to the encoder's, and to which vectors moved when the overlap's texts did."""
    counts, windows = found["counts"], found["windows"]
    total = sum(counts)
    assert total > 20_000
    sequences = windows_of(np.arange(total), counts, 0, 0, WindowConfig())
    assert [[int(one.ids[0]), int(one.ids[-1]) + 1] for one in sequences] == [[one[0], one[2]] for one in windows]
    assert [since for _, since, _ in windows] == [0, *(end for _, _, end in windows[:-1])]
    assert all(later[0] == earlier[2] - 256 for earlier, later in pairwise(windows))
    ends = np.cumsum(counts)
    begins, moved = ends - counts, np.array(found["moved"])
    first, second, third = ((begins >= since) & (ends <= end) for _, since, end in windows)
    assert len(found["inside"]) >= 3
    assert moved[first].min() > 1e-4
    assert moved[second].min() > 1e-4
    assert moved[third].max() < 1e-6
    assert third.sum() > 50
