"""Which engine a model runs with on a device."""

from __future__ import annotations

import torch

from jina_v3.encoder.checkpoint import Checkpoint
from jina_v3.encoder.model import Model
from jina_v3.encoder.options import EngineOptions
from jina_v3.encoder.running import PortableRunner, Runner


def make_runner(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, options: EngineOptions, max_batch_tokens: int
) -> Runner:
    """Load the weights into the engine."""
    return PortableRunner(Model(checkpoint, device, dtype))
