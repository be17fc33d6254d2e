"""How many tokens a machine encodes in a second: an estimate from data sheets, for costs and for planning runs."""

from __future__ import annotations

from typing import Final

from jina_v3_infra.config import InstanceType

SEQUENCE_TOKENS: Final = 128
FLOP_PER_TOKEN: Final = 604e6 + 98_304 * SEQUENCE_TOKENS
"""Of the encoder, at that length. **Source**: docs/log.md; linear layers and attention, counted from the model."""

UTILISATION: Final = 0.4
"""The share of the GPU's data-sheet peak that is assumed; other servers of such models reach 33% to 63%."""

CPU_TOKENS_PER_S: Final = 1000.0
"""Of a machine without a GPU, whatever its size: only the order of magnitude is meant."""


def tokens_per_s(machine: InstanceType) -> float | None:
    """Return the tokens that a machine encodes in a second when it is never idle; ``None`` for an unknown GPU."""
    if machine.gpu is None:
        return CPU_TOKENS_PER_S
    if machine.gpu.tflops is None:
        return None
    return machine.gpus * machine.gpu.tflops * 1e12 * UTILISATION / FLOP_PER_TOKEN
