"""Late chunking against a slow reading of its definition, on the oracle's token states."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.case import Case
from tests.support.checkpoints import write_layout
from tests.support.oracle import PROMPTS, cosine_distance
from tests.support.texts import text_of

from jina_v3.contract import Task
from jina_v3.encoder import Encoder


def slow_reading(
    case: Case, chunks: list[str], task: Task | None, window: int = 8192, overlap: int = 256
) -> tuple[np.ndarray, list[int]]:
    """Tokenise, join, run window by window as jina-ai/late-chunking does, take the mean of each span."""
    ids, spans = [0], []
    if task in PROMPTS:
        ids += case.tokenizer.encode(PROMPTS[task].strip(), add_special_tokens=False).ids
    for index, chunk in enumerate(chunks):
        start = 0 if index == 0 else len(ids)
        ids += case.tokenizer.encode(chunk, add_special_tokens=False).ids
        if index == len(chunks) - 1:
            ids.append(2)
        spans.append((start, len(ids)))
    states = []
    for start in range(0, max(1, len(ids) - overlap), window - overlap):
        (part,) = case.oracle.states([ids[start : start + window]], [task])
        states.append(part[overlap if start else 0 :].numpy())
    joined = np.concatenate(states).astype(np.float64)
    assert len(joined) == len(ids)
    vectors = np.stack([joined[start:end].mean(0) for start, end in spans])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), [end - start for start, end in spans]


@pytest.mark.parametrize("task", [None, Task.RETRIEVAL_PASSAGE, Task.SEPARATION])
def test_one_window(tiny: Case, task: Task | None) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"))
    chunks = tiny.texts[:6]
    expected, lengths = slow_reading(tiny, chunks, task)
    ours = encoder.encode(chunks, task=task, late_chunking=True)
    assert cosine_distance(ours, expected).max() <= 1e-6
    assert list(ours.token_counts) == lengths
    apart = encoder.encode(chunks, task=task)
    assert cosine_distance(ours, np.asarray(apart)).min() > 1e-5  # the context does something


def test_one_chunk_is_the_whole_text(tiny: Case) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"))
    for task in (None, Task.RETRIEVAL_QUERY):
        late = encoder.encode([tiny.texts[4]], task=task, late_chunking=True)
        assert cosine_distance(late, encoder.encode([tiny.texts[4]], task=task)).max() <= 1e-6


def test_several_documents_follow_one_another(tiny: Case) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"))
    documents = [tiny.texts[:3], tiny.texts[3:4], tiny.texts[4:8]]
    tasks = [Task.RETRIEVAL_PASSAGE, None, Task.TEXT_MATCHING]
    together = encoder.encode(documents, task=tasks, late_chunking=True, dimensions=32)
    apart = [
        encoder.encode(one, task=task, late_chunking=True, dimensions=32)
        for one, task in zip(documents, tasks, strict=True)
    ]
    assert cosine_distance(together, np.concatenate(apart)).max() <= 1e-6


@pytest.mark.parametrize("total", [64, 65, 96, 97, 100, 128, 129, 200, 333])
def test_short_windows_of_every_phase(tiny: Case, tmp_path: Path, total: int) -> None:
    """A model of 64 positions: windows of 64 that overlap by 32, with documents that end at each of their edges."""
    folder = write_layout(tmp_path / "short", "original", dataclasses.replace(tiny.config))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 66}))
    encoder = Encoder.from_folder(folder)
    sizes = [1, 7, 40, 2]
    chunks = [text_of(size, tiny.tokenizer, size) for size in [*sizes, total - 2 - sum(sizes)]]
    expected, lengths = slow_reading(tiny, chunks, None, window=64, overlap=32)
    assert sum(lengths) == total
    ours = encoder.encode(chunks, late_chunking=True)
    assert cosine_distance(ours, expected).max() <= 1e-6
    assert list(ours.token_counts) == lengths


def test_a_document_beyond_8192_tokens(tiny: Case) -> None:
    encoder = Encoder.from_folder(tiny.folder("original"))
    chunks = [text_of(700, tiny.tokenizer, seed) for seed in range(13)]  # 9,100 tokens: chunk 11 is in both windows
    expected, lengths = slow_reading(tiny, chunks, Task.RETRIEVAL_PASSAGE)
    assert sum(lengths) > 8192 + 256
    ours = encoder.encode(chunks, task=Task.RETRIEVAL_PASSAGE, late_chunking=True)
    assert cosine_distance(ours, expected).max() <= 1e-6
    assert list(ours.token_counts) == lengths
