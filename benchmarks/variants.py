"""The ways to embed texts that are timed: ours, transformers' native class, sentence-transformers.

Each takes texts and gives normalised float32 vectors of the base weights (no task), tokenising by itself. Peers
are imported only where they are used, so that a machine without them can time the rest.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.agreement import Vectors
from jina_v3.encoder import Encoder
from jina_v3.encoder.options import EngineOptions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LONGEST_TOKENS = 8192


def is_installed(module: str) -> bool:
    """Say whether ``module`` can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


class NativeClass:
    """``JinaEmbeddingsV3Model`` as its users run it: SDPA, padded batches, mean pooling under the mask in float32.

    **Source**: the model card of jinaai/jina-embeddings-v3-hf.
    """

    def __init__(self, folder: Path, dtype: str, device: str = "cpu") -> None:
        from transformers import AutoTokenizer, JinaEmbeddingsV3Model
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = JinaEmbeddingsV3Model.from_pretrained(
            folder, dtype=DTYPES[dtype], attn_implementation="sdpa", local_files_only=True
        )
        self._model: Any = model.eval().to(device)
        self._device = device

    def encode(self, texts: Sequence[str], batch_size: int = 32, sort: bool = False) -> Vectors:
        """Embed in batches of ``batch_size``, in the order given or longest text first."""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i])) if sort else list(range(len(texts)))
        vectors: Vectors | None = None
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            pooled = self._embed([texts[i] for i in batch])
            if vectors is None:
                vectors = np.empty((len(texts), pooled.shape[1]), np.float32)
            vectors[batch] = pooled
        if vectors is None:
            raise ValueError("no texts were given; at least one is needed")
        return vectors

    @torch.inference_mode()
    def _embed(self, texts: list[str]) -> Vectors:
        batch = self._tokenizer(texts, padding=True, truncation=True, max_length=LONGEST_TOKENS, return_tensors="pt")
        mask = batch["attention_mask"].to(self._device)
        states = self._model(input_ids=batch["input_ids"].to(self._device), attention_mask=mask)
        weights = mask.unsqueeze(-1).float()  # [B, S, 1]
        pooled = (states.last_hidden_state.float() * weights).sum(1) / weights.sum(1)
        vectors: Vectors = F.normalize(pooled, dim=-1).cpu().numpy()
        return vectors


class SentenceTransformers:
    """``SentenceTransformer.encode`` on the same weights, which sorts by length and pads each batch itself."""

    def __init__(self, folder: Path, dtype: str, device: str = "cpu", attention: str = "sdpa") -> None:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._model: Any = SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            model_kwargs={"dtype": DTYPES[dtype], "attn_implementation": attention},
        )
        actual = next(self._model.parameters()).dtype
        if actual != DTYPES[dtype]:
            raise RuntimeError(f"sentence-transformers loaded {actual}, asked for {dtype}: not comparable")

    def encode(self, texts: Sequence[str], batch_size: int = 32) -> Vectors:
        """Embed with the library's defaults but for the batch size and normalising."""
        vectors = self._model.encode(
            list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


def load_ours(folder: Path, dtype: str, device: str = "cpu", options: EngineOptions | None = None) -> Encoder:
    """Load our encoder over the original layout."""
    chosen: dict[str, Any] = {} if options in (None, EngineOptions()) else {"options": options}
    return Encoder.from_folder(folder, device=device, dtype=dtype, **chosen)


def encoder_flop(lengths_tokens: Sequence[int], layers: int, hidden: int, intermediate: int) -> float:
    """Return the floating-point operations of one forward over texts of these lengths, padding not counted.

    Linear layers, 2 a multiply-add, plus the two products of attention; norms, RoPE and adapters are left out.
    """
    tokens, squares = sum(lengths_tokens), sum(n * n for n in lengths_tokens)
    linear = 2.0 * tokens * (4 * hidden * hidden + 2 * hidden * intermediate)
    return layers * (linear + 4.0 * squares * hidden)


class MatrixProducts:
    """The model's four linear shapes and nothing else: the rate that this machine's matrix product gives now.

    ``layers`` sets of distinct weights are gone through, so that no layer finds its weights in the cache.
    """

    def __init__(self, rows: int, layers: int, hidden: int, intermediate: int, dtype: str, device: str) -> None:
        shapes = ((3 * hidden, hidden), (hidden, hidden), (intermediate, hidden), (hidden, intermediate))
        options: dict[str, Any] = {"dtype": DTYPES[dtype], "device": device}
        self._weights = [torch.randn(shape, **options) for _ in range(layers) for shape in shapes]
        self._biases = [torch.randn(weight.shape[0], **options) for weight in self._weights]
        self._inputs = {width: torch.randn(rows, width, **options) for width in (hidden, intermediate)}
        self._packed: list[torch.Tensor] = []
        self.flop = sum(2.0 * rows * weight.numel() for weight in self._weights)

    @torch.inference_mode()
    def plain(self) -> None:
        """Run ``torch.nn.functional.linear`` over every weight."""
        for weight, bias in zip(self._weights, self._biases, strict=True):
            F.linear(self._inputs[weight.shape[1]], weight, bias)

    def prepacked(self) -> Callable[[], None] | None:
        """Return the same with oneDNN's packed weights, or ``None`` where this torch has no such operators."""
        if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
            return None
        rows = next(iter(self._inputs.values())).shape[0]
        pack = torch.ops.mkldnn._reorder_linear_weight
        self._packed = [pack(weight, rows) for weight in self._weights]

        @torch.inference_mode()
        def run() -> None:
            for weight, packed, bias in zip(self._weights, self._packed, self._biases, strict=True):
                x = self._inputs[weight.shape[1]]
                torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")

        return run
