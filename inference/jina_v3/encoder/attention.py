"""Attention over packed sequences, behind one function.

On CUDA with half precision it is torch's own flash kernel for sequences of varied lengths; elsewhere it is SDPA,
one call for each run of equal lengths. No extra package is ever needed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.nn.attention.varlen import varlen_attn  # torch ≥2.10; importing it needs no GPU

from jina_v3.encoder.packing import PackedBatch

_FLASH_CAPABILITY = (8, 0)  # flash kernels start at Ampere: T4 (7.5) takes the SDPA path


def attend(qkv: torch.Tensor, batch: PackedBatch, out: torch.Tensor) -> torch.Tensor:
    """Write softmax(q·kᵀ / √head_dim)·v of every sequence into ``out`` and return it.

    **Shapes**: ``qkv: (tokens, 3, heads, head_dim)``, rotated; ``out: (tokens, heads · head_dim)``, any stride.
    """
    if qkv.is_cuda and uses_flash(qkv.device, qkv.dtype):
        q, k, v = qkv.unbind(1)
        states = varlen_attn(q, k, v, batch.cu_seqlens, batch.cu_seqlens, batch.max_length, batch.max_length)
        assert isinstance(states, torch.Tensor)  # a tuple only where auxiliary outputs are asked for
        return out.copy_(states.flatten(1))
    return attend_by_length(qkv, batch, out)


def uses_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether the flash kernel can serve this device and dtype."""
    return dtype in (torch.bfloat16, torch.float16) and torch.cuda.get_device_capability(device) >= _FLASH_CAPABILITY


def attend_by_length(qkv: torch.Tensor, batch: PackedBatch, out: torch.Tensor) -> torch.Tensor:
    """Do what :func:`attend` does with SDPA: the portable way, and the reference for the others."""
    _, _, heads, head_dim = qkv.shape
    for start, count, length in batch.runs:
        span = slice(start, start + count * length)
        q, k, v = qkv[span].view(count, length, 3, heads, head_dim).permute(2, 0, 3, 1, 4)
        states = F.scaled_dot_product_attention(q, k, v)  # (count, heads, length, head_dim)
        out[span].view(count, length, heads, head_dim).copy_(states.transpose(1, 2))
    return out
