"""Whether an engine's vectors are near enough to fp32's: checked on real sentences when a model is loaded.

For precisions whose error depends on the weights. A model's own vectors are compared with those that the portable
forward pass computes in fp32 from the same checkpoint on the same device, one layer loaded after another: it takes
about 100 MB of the device, whatever the model's size, and reads the checkpoint once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import cycle

import numpy as np
import numpy.typing as npt
import torch

from jina_v3.contract import EncodeJob
from jina_v3.encoder.checkpoint import Checkpoint, EmbeddingWeights, LowRank
from jina_v3.encoder.linear import TaskMask
from jina_v3.encoder.model import AdaptedEmbedding, Layer, Norm
from jina_v3.encoder.packing import to_device
from jina_v3.encoder.pooling import segment_sums
from jina_v3.encoder.precision import PRECISIONS, Precision
from jina_v3.encoder.rotary import rotary_table
from jina_v3.errors import AccuracyError
from jina_v3.tokens.sequencer import Sequencer
from jina_v3.tokens.sequences import NO_TASK, TokenBatch, TokenSequence, lay_out, pack
from jina_v3.tokens.work import Unit, open_output

Sums = npt.NDArray[np.float32]

Encode = Callable[[TokenBatch], Sums]
"""What is checked: the sum of every segment's states, in order. **Shapes**: ``(segments, hidden)`` fp32."""

_SENTENCES = "gate_sentences.txt"


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was compared and how far it lies apart. ``mean`` and ``worst`` are 1−cos over the sentences."""

    sentences: int
    tokens: int
    mean: float
    worst: float
    bound: float
    seconds: float

    def describe(self) -> dict[str, object]:
        """Return the figures for the log."""
        return {
            "sentences": self.sentences,
            "tokens": self.tokens,
            "mean": float(f"{self.mean:.2e}"),
            "worst": float(f"{self.worst:.2e}"),
            "bound": self.bound,
            "seconds": round(self.seconds, 2),
        }


def check_accuracy(
    encode: Encode,
    checkpoint: Checkpoint,
    sequencer: Sequencer,
    device: torch.device,
    precision: Precision,
    max_batch_tokens: int,
) -> GateReport:
    """Compare an engine's vectors with fp32's, sentence by sentence, with each task in turn and none.

    Sentences without a task and those with one go in batches of their own: the engine computes them in two ways.

    **Units**: batches have at most ``max_batch_tokens`` tokens, or one sentence.
    **Raises**: AccuracyError when the worst sentence is beyond the precision's bound, or a vector is not finite.
    """
    assert precision.bound is not None
    started = time.perf_counter()
    sequences = _sequences(checkpoint, sequencer)
    got = np.concatenate([encode(batch) for batch in _batches(sequences, max_batch_tokens)])
    wanted = np.concatenate([exact_sums(checkpoint, batch, device) for batch in _batches(sequences, 1 << 30)])
    errors = cosine_errors(got, wanted)
    tokens = sum(len(one.ids) for one in sequences)
    report = GateReport(
        len(errors), tokens, float(errors.mean()), float(errors.max()), precision.bound, time.perf_counter() - started
    )
    if not report.worst <= report.bound:
        raise AccuracyError(_refusal(precision, report))
    return report


@torch.inference_mode()
def exact_sums(checkpoint: Checkpoint, batch: TokenBatch, device: torch.device) -> Sums:
    """Return each segment's sum in fp32, with one layer on the device at a time.

    **Shapes**: ``(segments, hidden)``.
    """
    config, dtype = checkpoint.config, torch.float32
    word, token_type, norm = checkpoint.embeddings()
    used, places = np.unique(batch.ids, return_inverse=True)  # of the largest table the rows that are read
    rows = torch.from_numpy(used)
    additions = tuple(LowRank(one.task, one.a[:, rows], one.b) for one in word.low_ranks)
    embedding = AdaptedEmbedding(EmbeddingWeights(word.weight[rows], additions), token_type, device, dtype)
    packed = to_device(replace(batch, ids=places), device)
    mask = TaskMask(packed.tasks, dtype)
    rotations = rotary_table(config.max_tokens, config.head_dim, config.rotary_base, device)
    rotations = rotations[packed.positions][:, None, None]
    x = Norm(norm, config.norm_eps, device, dtype)(embedding(packed, mask))
    for index in range(config.layers):
        layer = Layer(checkpoint.layer(index), config.heads, config.norm_eps, device, dtype)
        x = layer(x, packed, rotations, mask)
    return np.asarray(segment_sums(x, packed, config.hidden).cpu().numpy())


def cosine_errors(got: Sums, wanted: Sums) -> npt.NDArray[np.float64]:
    """Return 1−cos of every row, infinite where a value is not finite. **Shapes**: ``(rows,)``."""
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(a).all(1)
    a[~finite] = 0.0
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for x in (a, b))
    # of unit vectors half the squared distance, which keeps its digits where 1 - a·b loses them
    return np.where(finite, np.square(a - b).sum(1) / 2, np.inf)


def sentences() -> list[str]:
    """Return the sentences, in many languages, scripts and lengths."""
    return resources.files(__package__).joinpath(_SENTENCES).read_text(encoding="utf-8").splitlines()


def _sequences(checkpoint: Checkpoint, sequencer: Sequencer) -> list[TokenSequence]:
    tasks = (None, *checkpoint.tasks)
    jobs = [EncodeJob((text,), task, truncate=True) for text, task in zip(sentences(), cycle(tasks), strict=False)]
    units = [Unit(open_output(job, checkpoint.tasks, checkpoint.config.hidden), range(1)) for job in jobs]
    return [sequencer.sequences(unit, ids, 0)[0] for unit, ids in sequencer.tokenize(units)]


def _batches(sequences: Sequence[TokenSequence], max_batch_tokens: int) -> list[TokenBatch]:
    """Lay sequences out, first those without a task; each sequence is a row of its batch, in order."""
    batches = []
    for plain in (True, False):
        group = [one for one in sequences if (one.task == NO_TASK) == plain]
        for members in pack(group, max_batch_tokens):
            placed = [replace(one, segments=((len(one.ids), row),)) for row, one in enumerate(members)]
            batches.append(lay_out(placed, len(placed)))
    return batches


def _refusal(precision: Precision, report: GateReport) -> str:
    mlp_alone = "float8-mlp, which errs about half as much, " if precision.name == "float8" else ""
    safe = ", ".join(one.name for one in PRECISIONS.values() if one.bound is None)
    return (
        f"with dtype {precision.name!r} this model's vectors lie too far from float32's: 1−cos is up to "
        f"{report.worst:.1e} (mean {report.mean:.1e}) over {report.sentences} sentences, and at most "
        f"{report.bound:.0e} is allowed. Set JINA_V3_DTYPE (or dtype) to {mlp_alone}auto or one of {safe}"
    )
