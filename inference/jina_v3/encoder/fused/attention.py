"""Attention over packed sequences on the device, behind one function."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F

from jina_v3.encoder.fused.inputs import Inputs

Attention = Callable[[torch.Tensor, int, Inputs, torch.Tensor], torch.Tensor]
"""``(qkv, heads, inputs, out) → states``: softmax(q·kᵀ / √head_dim)·v of every sequence.

**Shapes**: ``qkv: (tokens, 3 · hidden)``, rotated; ``out: (tokens, hidden)``, which may be used for the result or not;
the result ``(tokens, hidden)``. Rows that no sequence has may hold anything.
"""


def flash(qkv: torch.Tensor, heads: int, inputs: Inputs, _out: torch.Tensor) -> torch.Tensor:
    """Attend by torch's own flash kernel for sequences of varied lengths (torch ≥2.10, compute capability ≥8)."""
    from torch.nn.attention.varlen import varlen_attn  # brings torch's compiler, which takes seconds

    q, k, v = qkv.view(len(qkv), 3, heads, -1).unbind(1)
    states = varlen_attn(q, k, v, inputs.cu_seqlens, inputs.cu_seqlens, inputs.max_length, inputs.max_length)
    assert isinstance(states, torch.Tensor)  # a tuple only where auxiliary outputs are asked for
    return states.flatten(1)


def sdpa(qkv: torch.Tensor, heads: int, inputs: Inputs, out: torch.Tensor) -> torch.Tensor:
    """Attend sequence by sequence: the portable reference."""
    q, k, v = qkv.view(len(qkv), 3, heads, -1).unbind(1)
    for start, end in pairwise(inputs.cu_seqlens.tolist()):
        if end > start:
            q_run, k_run, v_run = (part[start:end].transpose(0, 1)[None] for part in (q, k, v))
            states = F.scaled_dot_product_attention(q_run, k_run, v_run)  # (1, heads, length, head_dim)
            out[start:end].view(end - start, heads, -1).copy_(states[0].transpose(0, 1))
    return out
