"""Which attention the CUDA engine computes with: kinds behind one signature, each tried before it is chosen."""

from __future__ import annotations

import importlib.util
import inspect
import logging
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

from jina_v3.encoder.attention import attend_by_flash, uses_flash
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.tokens.sequences import TokenSequence, lay_out

_log = logging.getLogger("jina_v3.encoder")

Attention = Callable[[torch.Tensor, int, Inputs, torch.Tensor], torch.Tensor]
"""``(qkv, heads, inputs, out) → states``: softmax(q·kᵀ / √head_dim)·v of every sequence.

**Shapes**: ``qkv: (tokens, 3 · hidden)``, rotated; ``out: (tokens, hidden)``, which may be used for the result or not;
the result ``(tokens, hidden)``. Rows that no sequence has may hold anything.
"""


def flash(qkv: torch.Tensor, heads: int, inputs: Inputs, out: torch.Tensor) -> torch.Tensor:
    """Attend by torch's own flash kernel for sequences of varied lengths (compute capability ≥8)."""
    q, k, v = _parts(qkv, heads)
    return attend_by_flash(q, k, v, inputs.cu_seqlens, inputs.max_length, out)


def flash3(qkv: torch.Tensor, heads: int, inputs: Inputs, out: torch.Tensor) -> torch.Tensor:
    """Attend by FlashAttention 3 behind torch's interface (Hopper); :func:`choose_attention` activates it. Untested.

    It loads whole tiles beyond a sequence's end and multiplies them by zero, so rows that no sequence has must be
    finite: they are where the workspace began with zeros and the result is written in place.
    """
    write, options = _flash3_kernel()
    q, k, v = _parts(qkv, heads)
    cu_seqlens, longest = inputs.cu_seqlens, inputs.max_length
    write(out.view(q.shape), q, k, v, cu_seqlens, cu_seqlens, longest, longest, **options)
    return out


def cudnn(qkv: torch.Tensor, heads: int, inputs: Inputs, _out: torch.Tensor) -> torch.Tensor:
    """Attend by cuDNN, as torch's ``varlen_attn`` calls it where it does. Untested.

    Torches before August 2026 make its plan anew at every call, which takes longer than the attention
    (pytorch/pytorch#191576).
    """
    q, k, v = _parts(qkv, heads)
    cu_seqlens, longest = inputs.cu_seqlens, inputs.max_length
    # no bias; with the sums of the softmax; no dropout, not causal, no mask for debugging
    forward = torch.ops.aten._cudnn_attention_forward
    states: torch.Tensor
    states = forward(q, k, v, None, cu_seqlens, cu_seqlens, longest, longest, True, 0.0, False, False)[0]
    return states.flatten(1)


def sdpa(qkv: torch.Tensor, heads: int, inputs: Inputs, out: torch.Tensor) -> torch.Tensor:
    """Attend sequence by sequence: the portable reference. It asks the device for the lengths: no graph can have it."""
    q, k, v = _parts(qkv, heads)
    for start, end in pairwise(inputs.cu_seqlens.tolist()):
        if end > start:
            q_run, k_run, v_run = (part[start:end].transpose(0, 1)[None] for part in (q, k, v))
            states = F.scaled_dot_product_attention(q_run, k_run, v_run)  # (1, heads, length, head_dim)
            out[start:end].view(end - start, heads, -1).copy_(states[0].transpose(0, 1))
    return out


KINDS: dict[str, Attention] = {"flash": flash, "cudnn": cudnn, "flash3": flash3, "sdpa": sdpa}

CAPTURABLE = frozenset({"flash"})
"""The kinds that CUDA graphs may have. SDPA asks the device. FlashAttention 3 keeps memory of its own in the graphs'
pool, of a size that another graph may have chosen (sgl-project/sglang#26532); cuDNN's plans are not tried."""


def choose_attention(name: str, device: torch.device, dtype: torch.dtype) -> tuple[str, Attention]:
    """Return the kind of that name, or for ``auto`` flash where it can be had, else SDPA, with its name.

    Before a kind other than SDPA is returned it attends to a few tokens, and is compared.

    **Raises**: ValueError for an unknown kind, and for one that cannot be had here; it says why.
    """
    if name == "auto":
        reason = why_not("flash", device, dtype)
        if reason is None:
            return "flash", flash
        if device.type == "cuda":
            _log.warning("attention goes by single sequences, which is slow", extra={"fields": {"reason": reason}})
        return "sdpa", sdpa
    if name not in KINDS:
        raise ValueError(f"unknown attention {name!r}; want one of {', '.join([*KINDS, 'auto'])}")
    reason = why_not(name, device, dtype)
    if reason is not None:
        raise ValueError(f"attention {name!r} cannot be had on {device}: {reason}; take 'auto'")
    return name, KINDS[name]


def why_not(name: str, device: torch.device, dtype: torch.dtype) -> str | None:
    """Return why a kind cannot be had on a device in a dtype; ``None`` where it can, and has been tried."""
    if name == "sdpa":
        return None
    if device.type != "cuda":
        return "it needs a CUDA device"
    if not uses_flash(device, dtype):
        return f"it needs bfloat16 or float16 and compute capability 8.0, not {dtype} and {_capability(device)}"
    if name == "flash3":
        reason = _activate_flash3(device)
        if reason is not None:
            return reason
    return _try(KINDS[name], device, dtype, padding=1e3 if name == "flash3" else torch.nan)


def _parts(qkv: torch.Tensor, heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    q, k, v = qkv.view(len(qkv), 3, heads, -1).unbind(1)
    return q, k, v


def _capability(device: torch.device) -> str:
    return ".".join(map(str, torch.cuda.get_device_capability(device)))


def _activate_flash3(device: torch.device) -> str | None:
    """Have torch take FlashAttention 3 in this process; return why it cannot."""
    if torch.cuda.get_device_capability(device) != (9, 0):
        return f"it needs compute capability 9.0 (H100, H200), not {_capability(device)}"
    activate = getattr(torch.nn.attention, "activate_flash_attention_impl", None)
    listed: Callable[[], list[str]] | None = getattr(torch.nn.attention, "list_flash_attention_impls", None)
    if activate is None or listed is None or "FA3" not in listed():
        return f"torch {torch.__version__} knows no FA3"
    if importlib.util.find_spec("flash_attn_interface") is None:
        return "the package flash_attn_interface (FlashAttention 3) is not installed"
    try:
        _flash3_kernel()
        activate("FA3")
    except (ImportError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


@cache
def _flash3_kernel() -> tuple[Callable[..., object], dict[str, int]]:
    from torch.nn.attention import varlen  # brings torch's compiler, which takes seconds

    write: Callable[..., object] | None = getattr(varlen, "varlen_attn_out", None)
    if write is None:
        raise ImportError(f"torch {torch.__version__} has no varlen_attn_out")
    # without splits a sequence's result does not depend on its neighbours
    return write, {"num_splits": 1} if "num_splits" in inspect.signature(write).parameters else {}


def _try(attention: Attention, device: torch.device, dtype: torch.dtype, padding: float) -> str | None:
    """Attend to a padded batch with sequences of no tokens; return what is wrong with it."""
    heads, width, spare = 2, 128, 32
    sequences = [TokenSequence(np.zeros(size, np.int64), -1, ((size, 0),)) for size in (1, 3, 64, 130)]
    batch = lay_out(sequences, 1)
    tokens, room = len(batch.ids), Capacity(256, 8, 8, 256)
    block = np.empty(room.values, np.int32)
    fill(block, room, batch)
    exact = torch.randn(room.tokens, 3 * width, generator=torch.Generator().manual_seed(5), device="cpu")
    exact[tokens:] = padding
    on_host = Inputs.view(torch.from_numpy(block), room, adapted=False)
    wanted = sdpa(exact.to(dtype).float(), heads, on_host, torch.zeros(room.tokens, width, device="cpu"))[:tokens]
    try:
        inputs = Inputs.view(torch.from_numpy(block).to(device), room, adapted=False)
        out = torch.zeros(room.tokens, width + spare, dtype=dtype, device=device)[:, :width]
        with torch.inference_mode():
            states = attention(exact.to(device, dtype), heads, inputs, out)[:tokens].float().cpu()
    except Exception as error:  # noqa: BLE001  whatever a kernel raises, another kind can be taken
        return f"{type(error).__name__}: {error}".splitlines()[0]
    if not torch.isfinite(states).all():
        return "what fills a batch up leaked into its sequences"
    worst = (states - wanted).abs().max().item()
    return f"it differs from SDPA by {worst:.3g}" if worst > 2e-2 else None
