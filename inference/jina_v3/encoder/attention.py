"""Attention over packed sequences, behind one function.

On CUDA with half precision it is torch's own flash kernel for sequences of varied lengths. Elsewhere each run of
equal lengths is a call by itself: SDPA, or on the CPU in half precision mostly two products with the softmax between.
No extra package is ever needed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from jina_v3.encoder.packing import PackedBatch

_FLASH_CAPABILITY = (8, 0)  # flash kernels start at Ampere: T4 (7.5) takes the SDPA path


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: PackedBatch, out: torch.Tensor) -> torch.Tensor:
    """Write softmax(q·kᵀ / √head_dim)·v of every sequence into ``out`` and return it.

    **Shapes**: ``q``, ``k``, ``v``: ``(tokens, heads, head_dim)``, rotated; ``out: (tokens, heads · head_dim)``, any
    stride.
    """
    if v.is_cuda and uses_flash(v.device, v.dtype):
        from torch.nn.attention.varlen import varlen_attn  # torch ≥2.10; brings torch's compiler, which takes seconds

        states = varlen_attn(q, k, v, batch.cu_seqlens, batch.cu_seqlens, batch.max_length, batch.max_length)
        assert isinstance(states, torch.Tensor)  # a tuple only where auxiliary outputs are asked for
        return out.copy_(states.flatten(1))
    return attend_by_length(q, k, v, batch, out)


def uses_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether the flash kernel can serve this device and dtype."""
    return dtype in (torch.bfloat16, torch.float16) and torch.cuda.get_device_capability(device) >= _FLASH_CAPABILITY


def attend_by_length(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: PackedBatch, out: torch.Tensor
) -> torch.Tensor:
    """Do what :func:`attend` does one run of equal lengths at a time: the portable way."""
    heads, head_dim = v.shape[1:]
    half_on_cpu = q.dtype != v.dtype
    for start, count, length in batch.runs:
        writes_scores = half_on_cpu and length in _SCORES_LENGTHS
        most = max(1, _SCORES_BYTES // (4 * heads * length * length)) if writes_scores else count
        for first in range(0, count, most):
            here = min(most, count - first)
            span = slice(start + first * length, start + (first + here) * length)
            q_run, k_run, v_run = (
                part[span].view(here, length, heads, head_dim).transpose(1, 2) for part in (q, k, v)
            )  # (here, heads, length, head_dim) each
            if writes_scores:
                states = _attend_by_scores(q_run, k_run, v_run)
            else:
                states = F.scaled_dot_product_attention(q_run, k_run, v_run.to(q.dtype))
            out[span].view(here, length, heads, head_dim).copy_(states.transpose(1, 2))
    return out


_SCORES_BYTES = 64 * 2**20
_SCORES_LENGTHS = range(33, 513)
"""Where writing the scores out beats SDPA's CPU kernel for half-precision v. The kernel works in small blocks, which
oneDNN's half-precision product is too slow to start for: it takes 1.5 times as long at 85–200 tokens, 1.2 at 512, the
same at 32 (two cores with avx512_bf16). Lengths alone decide, so that a row's arithmetic is the same in any batch."""


def _attend_by_scores(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attend with the scores and their softmax in fp32, as SDPA has them inside, and the rest in v's dtype.

    **Shapes**: ``(count, heads, length, head_dim)`` each, and the result.
    """
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    return torch.matmul(torch.softmax(scores, -1).to(v.dtype), v)
