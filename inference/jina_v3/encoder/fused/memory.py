"""What the device's memory is used for: planned once, when the weights are there, from what is still free."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from jina_v3.encoder.fused.workspace import Sizes, Workspace
from jina_v3.errors import DeviceMemoryError

RESERVE = 512 * 2**20
"""For what nobody plans, an estimate: cuBLAS's workspaces (32 MiB a stream on Hopper, less elsewhere), kernels that
are loaded at their first use, and what the allocator rounds up. **Units**: bytes."""
MOST_FOR_GRAPHS = 512 * 2**20
"""An estimate, not measured. **Units**: bytes."""
MOST_WITHOUT_GRAPHS = 64 * 2**20
"""For the inputs and sums of the same fixed sizes when they are run without capture: 18 MiB, and what the allocator
rounds up. **Units**: bytes."""
_GRAPHS_SHARE = 4
"""Graphs may take one part in so many of what one longest text leaves: where memory is short, batches come first."""
_STEP = 1024
_IN_FLIGHT = 2
_INT32 = _FP32 = 4


@dataclass(frozen=True, slots=True)
class TokenBytes:
    """What each token of a batch's capacity takes. **Units**: bytes.

    ``workspace``: the forward pass's matrices; ``attention``: what its kernels may allocate, the result and the sums
    of the softmax; ``inputs`` and ``outputs``: of both batches in flight, were every token a text by itself.
    """

    workspace: int
    attention: int
    inputs: int
    outputs: int

    @classmethod
    def of(cls, sizes: Sizes, heads: int, dtype: torch.dtype) -> TokenBytes:
        """Return them for a model."""
        return cls(
            workspace=Workspace.bytes_per_token(sizes, dtype),
            attention=sizes.hidden * dtype.itemsize + heads * _FP32,
            inputs=_IN_FLIGHT * 6 * _INT32,  # as many fields as a block has
            outputs=_IN_FLIGHT * sizes.hidden * _FP32,
        )

    @property
    def total(self) -> int:
        """All of it."""
        return self.workspace + self.attention + self.inputs + self.outputs


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How the free memory is used. **Units**: tokens and bytes.

    A batch has at most ``max_batch_tokens``, but one text alone may have more: ``workspace_tokens`` holds both.
    ``wanted_tokens`` is what ``max_batch_tokens`` would be if there were memory for it.
    """

    free_bytes: int
    token_bytes: TokenBytes
    wanted_tokens: int
    max_batch_tokens: int
    workspace_tokens: int
    graph_bytes: int
    reserve_bytes: int = RESERVE

    @property
    def batch_bytes(self) -> int:
        """What the workspace, attention, inputs and outputs take."""
        return self.workspace_tokens * self.token_bytes.total

    def table(self) -> dict[str, object]:
        """Return the plan for the load report."""
        return {**asdict(self), "batch_bytes": self.batch_bytes}


def default_batch_tokens(total_bytes: int, multiprocessors: int) -> int:
    """Return the token budget that fills a device: small ones are busy with half as many tokens.

    **Source**: 16,384 is text-embeddings-inference's; neither is measured yet.
    """
    return 8192 if total_bytes < 30e9 or multiprocessors < 100 else 16384  # L4 and A10G; L40S, A100 and larger


def plan_memory(
    free_bytes: int, token_bytes: TokenBytes, *, wanted_tokens: int, longest: int, graphs: bool, device: str
) -> MemoryPlan:
    """Plan what is free once the weights are on the device.

    One longest text comes first, then the fixed sizes, captured as ``graphs`` or not, with a limit, then the token
    budget: the wanted one where it fits, else the largest multiple of 1,024 that does.

    **Units**: ``longest`` in tokens: the model's, as windows of long documents are that long whatever the limit is.
    **Raises**: DeviceMemoryError when there is no room for one longest text.
    """
    spare = free_bytes - RESERVE - longest * token_bytes.total
    if spare < 0:
        raise DeviceMemoryError(
            f"{device} has {free_bytes / 1e9:.2f} GB free once the weights are loaded; a text of {longest} tokens "
            f"needs {(free_bytes - spare) / 1e9:.2f} GB: {token_bytes.total} bytes a token, and {RESERVE / 1e9:.2f} GB "
            "in reserve. Stop what else uses the device, run fewer engines on it, or take one with more memory."
        )
    graph_bytes = min(MOST_FOR_GRAPHS if graphs else MOST_WITHOUT_GRAPHS, spare // _GRAPHS_SHARE)
    fitting = (free_bytes - RESERVE - graph_bytes) // token_bytes.total
    tokens = wanted_tokens
    if wanted_tokens > max(fitting, longest):
        tokens = max(longest, fitting // _STEP * _STEP)
    return MemoryPlan(free_bytes, token_bytes, wanted_tokens, tokens, max(tokens, longest), graph_bytes)
