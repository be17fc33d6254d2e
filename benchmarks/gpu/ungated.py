"""Our encoder in any precision without the check that refuses an inaccurate one, and that check's figures beside it.

On stand-in weights the gate says nothing of the real model: a precision that it refuses here may pass there, and the
other way round. So all are timed, and no speed is shown without its accuracy.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from jina_v3.encoder import Encoder
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.choice import make_runner
from jina_v3.encoder.device import choose_device
from jina_v3.encoder.gate import GateReport, check_accuracy
from jina_v3.encoder.options import EngineOptions
from jina_v3.encoder.precision import PRECISIONS, choose_precision, set_accumulation
from jina_v3.tokens.sequencer import Sequencer, SequencerConfig
from jina_v3.tokens.sequences import TokenBatch


def load_ungated(folder: Path, dtype: str, device: str, options: EngineOptions) -> Encoder:
    """Load an encoder as ``Encoder.from_folder`` does, but for the gate.

    **Raises**: ValueError for a precision that the device cannot have.
    """
    where = choose_device(device)
    precision = choose_precision(dtype, where)
    checkpoint = open_checkpoint(folder)
    longest = checkpoint.config.max_tokens
    sequencer = Sequencer(SequencerConfig(folder, checkpoint.config.vocabulary, longest, window=longest))
    accumulate_as(dtype, where)
    runner, budget = make_runner(checkpoint, where, precision, options, None)
    return Encoder(checkpoint.tasks, sequencer, runner, budget, {"precision": precision.name})


def accumulate_as(dtype: str, device: torch.device) -> None:
    """Set what is one setting for all engines of a process: each must have its own while it runs."""
    if device.type == "cuda":
        set_accumulation(PRECISIONS[dtype])


def measure_gate(encoder: Encoder, folder: Path, dtype: str) -> GateReport:
    """Return what the gate would find, with the precision's own bound: infinite where nothing is checked."""
    precision = PRECISIONS[dtype]
    unbounded = replace(precision, bound=inf)
    checkpoint, sequencer = open_checkpoint(folder), Sequencer(encoder.sequencer_config)

    def encode(batch: TokenBatch) -> npt.NDArray[np.float32]:
        return encoder.pool(batch)

    device = torch.device(encoder.device)
    accumulate_as(dtype, device)
    report = check_accuracy(encode, checkpoint, sequencer, device, unbounded, encoder.max_batch_tokens)
    return replace(report, bound=inf if precision.bound is None else precision.bound)
