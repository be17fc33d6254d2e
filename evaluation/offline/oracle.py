"""What the stand-in's vectors must be, in numpy: no engine, no tokenizer's library, no torch.

A text's vector is the mean over ``<s>``, the prompt's words, its own and ``</s>`` of each piece's row, cut to the
dimensions, at length 1. Of late chunks, the first has ``<s>`` and the prompt, the last ``</s>``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

Vectors = npt.NDArray[np.floating]

_ADAPTERS = ("retrieval.query", "retrieval.passage", "separation", "classification", "text-matching")
_PROMPTS = {
    "retrieval.query": "Represent the query for retrieving evidence documents:",
    "retrieval.passage": "Represent the document for retrieval:",
}
_SCALE = 0.25  # alpha 1 over rank 4
_EPSILON = 1e-5
_NORMS = 5  # after the embedding, and two in each of two layers


class Oracle:
    """The bag of words that a folder of ``standin.write_bag_of_words`` is."""

    def __init__(self, folder: Path) -> None:
        pieces = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        self._ids = {piece: number for number, (piece, _) in enumerate(pieces)}
        word = "roberta.embeddings.word_embeddings.parametrizations.weight"
        tensors = load_file(folder / "model.safetensors")
        rows, a, b = (tensors[f"{word}.{name}"].astype(np.float64) for name in ("original", "0.lora_A", "0.lora_B"))
        self._states = {task: _normed(rows + _SCALE * a[index] @ b[index]) for index, task in enumerate(_ADAPTERS)}

    def embed(self, texts: Sequence[str], *, task: str, dimensions: int, late_chunking: bool = False) -> Vectors:
        """Return the vectors. **Shapes**: ``(texts, dimensions)`` float64."""
        texts = [_PROMPTS.get(task, ""), *texts]
        prompt, *spans = [[self._ids[f"▁{word}"] for word in text.split()] for text in texts]
        first, last = [self._ids["<s>"], *prompt], [self._ids["</s>"]]
        if late_chunking:
            spans[0] = [*first, *spans[0]]
            spans[-1] = [*spans[-1], *last]
        else:
            spans = [[*first, *span, *last] for span in spans]
        means = np.array([self._states[task][span].mean(axis=0) for span in spans])[:, :dimensions]
        vectors: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors


def _normed(rows: Vectors) -> Vectors:
    for _ in range(_NORMS):
        rows = rows - rows.mean(axis=1, keepdims=True)
        rows = rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + _EPSILON)
    return rows
