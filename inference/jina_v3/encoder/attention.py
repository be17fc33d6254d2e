"""Attention over packed sequences, behind one function.

On CUDA with half precision it is torch's own flash kernel for sequences of varied lengths. Elsewhere each run of
equal lengths is a call by itself: SDPA, or on the CPU in half precision mostly two products with the softmax between.
No extra package is ever needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F

from jina_v3.encoder.packing import PackedBatch

_FLASH_CAPABILITY = (8, 0)  # flash kernels start at Ampere: T4 (7.5) takes the SDPA path

_Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, torch.Tensor], torch.Tensor]


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: PackedBatch, out: torch.Tensor) -> torch.Tensor:
    """Write softmax(q·kᵀ / √head_dim)·v of every sequence into ``out`` and return it.

    **Shapes**: ``q``, ``k``, ``v``: ``(tokens, heads, head_dim)``, rotated; ``out: (tokens, heads · head_dim)``, any
    stride.
    """
    if v.is_cuda and uses_flash(v.device, v.dtype):
        states = attend_by_flash(q, k, v, batch.cu_seqlens, batch.max_length, out)
        return out if states is out else out.copy_(states)
    return attend_by_length(q, k, v, batch, out)


def uses_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether the flash kernel can serve this device and dtype."""
    return dtype in (torch.bfloat16, torch.float16) and torch.cuda.get_device_capability(device) >= _FLASH_CAPABILITY


def attend_by_flash(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cu_seqlens: torch.Tensor, max_length: int, out: torch.Tensor
) -> torch.Tensor:
    """Attend by torch's flash kernel: into ``out`` where this torch can do that, else into memory of its own.

    Sequences may have no tokens, and tokens no sequence: their rows are not written, and reach no other's. Nothing is
    read back to the host, so a CUDA graph can have it; ``max_length`` only sizes the grid.

    **Shapes**: ``q``, ``k``, ``v``: ``(tokens, heads, head_dim)`` half; ``cu_seqlens: (sequences + 1,)`` int32;
    ``out`` and the result ``(tokens, heads · head_dim)``, rows at any distance.
    """
    return _flash_kernel()(q, k, v, cu_seqlens, max_length, out)


@cache
def _flash_kernel() -> _Kernel:
    """Return the way into the kernel that this torch has.

    ``torch.nn.attention.varlen`` ends at the same operators. It brings torch's compiler (1.7 s to import), goes through
    Python twice a call, and before 2.12 launches one kernel more, to clear what a backward pass would read.
    """
    write = _operator("_flash_attention_forward_no_dropout_inplace", ("out", *_ARGUMENTS))  # torch ≥2.12
    if write is not None:
        return _into(write)
    forward = _operator("_flash_attention_forward", _ARGUMENTS)
    return _by_varlen() if forward is None else _by_forward(forward)


_ARGUMENTS = (
    "query", "key", "value", "cum_seq_q", "cum_seq_k", "max_q", "max_k", "dropout_p", "is_causal", "return_debug_mask",
)  # fmt: skip
"""Of the operator in torch 2.5–2.13; those after them have defaults, and have changed with every release."""


def _operator(name: str, arguments: Sequence[str]) -> Callable[..., Any] | None:
    """Return torch's operator of that name, if there is one that begins with these arguments and asks for no more."""
    packet = getattr(torch.ops.aten, name, None)
    if packet is None:
        return None
    operator: Callable[..., Any] = packet.default
    known = packet.default._schema.arguments
    fits = [one.name for one in known[: len(arguments)]] == list(arguments)
    return operator if fits and all(one.has_default_value() for one in known[len(arguments) :]) else None


def _into(write: Callable[..., Any]) -> _Kernel:
    def flash(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cu_seqlens: torch.Tensor, max_length: int, out: torch.Tensor
    ) -> torch.Tensor:
        write(out.view(q.shape), q, k, v, cu_seqlens, cu_seqlens, max_length, max_length, *_NO_OPTIONS)
        return out

    return flash


def _by_forward(forward: Callable[..., Any]) -> _Kernel:
    def flash(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cu_seqlens: torch.Tensor, max_length: int, _: torch.Tensor
    ) -> torch.Tensor:
        states: torch.Tensor = forward(q, k, v, cu_seqlens, cu_seqlens, max_length, max_length, *_NO_OPTIONS)[0]
        return states.flatten(1)

    return flash


_NO_OPTIONS = (0.0, False, False)
"""No dropout, not causal, no mask for debugging."""


def _by_varlen() -> _Kernel:
    """Return torch's function (≥2.10), for a torch whose operators have other arguments; ImportError without."""
    from torch.nn.attention.varlen import varlen_attn

    def flash(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, cu_seqlens: torch.Tensor, max_length: int, _: torch.Tensor
    ) -> torch.Tensor:
        states = varlen_attn(q, k, v, cu_seqlens, cu_seqlens, max_length, max_length)
        assert isinstance(states, torch.Tensor)  # a tuple only where auxiliary outputs are asked for
        return states.flatten(1)

    return flash


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
