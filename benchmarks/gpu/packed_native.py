"""The unpadded rival: the native class fed packed sequences through varlen attention.

``JinaEmbeddingsV3Model``'s own modules on one row that holds all sequences end to end, with position ids that begin
anew at each; only the attention call is ours. It is what its users could have by hand without padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.agreement import Vectors
from benchmarks.variants import DTYPES, LONGEST_TOKENS

_NAME = "benchmark_varlen"


class _Varlen:
    """The attention call, with the offsets of the batch that is being run."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.cu_seqlens = torch.empty(0, dtype=torch.int32)

    def begin(self, lengths: Sequence[int], device: torch.device) -> None:
        self.offsets = [0, *np.cumsum(lengths).tolist()]
        self.cu_seqlens = torch.tensor(self.offsets, dtype=torch.int32).to(device)

    def __call__(
        self, _module: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, _mask: Any, **_: Any
    ) -> tuple[torch.Tensor, None]:
        """Attend. **Shapes**: ``(1, heads, tokens, head_dim)`` each; the result ``(1, tokens, heads, head_dim)``."""
        if q.is_cuda:
            from torch.nn.attention.varlen import varlen_attn

            longest = max(end - start for start, end in pairwise(self.offsets))
            q_rows, k_rows, v_rows = (one[0].transpose(0, 1).contiguous() for one in (q, k, v))
            states: Any = varlen_attn(q_rows, k_rows, v_rows, self.cu_seqlens, self.cu_seqlens, longest, longest)
            return (states[0] if isinstance(states, tuple) else states)[None], None
        parts = [
            F.scaled_dot_product_attention(q[:, :, start:end], k[:, :, start:end], v[:, :, start:end])
            for start, end in pairwise(self.offsets)
        ]
        return torch.cat(parts, 2).transpose(1, 2), None


class PackedNativeClass:
    """Texts of at most ``pack_tokens`` together at a time, longest first, nothing padded."""

    def __init__(self, folder: Path, dtype: str, device: str = "cpu", pack_tokens: int = 16384) -> None:
        from transformers import AttentionInterface, AutoTokenizer, JinaEmbeddingsV3Model
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._attention = _Varlen()
        # registered without a mask function of the same name, the class hands on the mask it is given: none
        AttentionInterface.register(_NAME, self._attention)
        model = JinaEmbeddingsV3Model.from_pretrained(folder, dtype=DTYPES[dtype], local_files_only=True)
        model.set_attn_implementation(_NAME)
        self._model: Any = model.eval().to(device)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._device, self._pack_tokens = torch.device(device), pack_tokens

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed: tokenise all, then pack by pack."""
        ids = self._tokenizer(list(texts), truncation=True, max_length=LONGEST_TOKENS)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        vectors: Vectors | None = None
        for pack in self._packs(ids, order):
            pooled = self._embed([ids[i] for i in pack])
            if vectors is None:
                vectors = np.empty((len(ids), pooled.shape[1]), np.float32)
            vectors[pack] = pooled
        if vectors is None:
            raise ValueError("no texts were given; at least one is needed")
        return vectors

    def _packs(self, ids: Sequence[Sequence[int]], order: Sequence[int]) -> list[list[int]]:
        packs: list[list[int]] = []
        room = 0
        for index in order:
            if not packs or len(ids[index]) > room:
                packs.append([])
                room = self._pack_tokens
            packs[-1].append(index)
            room -= len(ids[index])
        return packs

    @torch.inference_mode()
    def _embed(self, ids: Sequence[Sequence[int]]) -> Vectors:
        lengths = [len(one) for one in ids]
        flat = torch.tensor([token for one in ids for token in one])
        positions = torch.cat([torch.arange(length) for length in lengths])
        owners = torch.repeat_interleave(torch.arange(len(ids)), torch.tensor(lengths)).to(self._device)
        self._attention.begin(lengths, self._device)
        states = self._model(input_ids=flat[None].to(self._device), position_ids=positions[None].to(self._device))
        hidden = states.last_hidden_state[0].float()
        sums = hidden.new_zeros(len(ids), hidden.shape[1]).index_add_(0, owners, hidden)
        vectors: Vectors = F.normalize(sums / torch.tensor(lengths).to(sums)[:, None], dim=-1).cpu().numpy()
        return vectors
