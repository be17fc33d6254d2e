"""``Encoder``: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from jina_v3.contract import LEAST_TOKENS_PER_TEXT, MODEL_DIMENSIONS, EncodeJob, Task
from jina_v3.encoder.calls import joined, moved, to_jobs
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.device import choose_device
from jina_v3.encoder.host_memory import keep_freed_memory
from jina_v3.encoder.model import Model
from jina_v3.encoder.packing import to_batch, to_device
from jina_v3.encoder.pooling import SegmentSums
from jina_v3.encoder.precision import choose_precision
from jina_v3.errors import RequestError
from jina_v3.tokens.results import Embeddings
from jina_v3.tokens.sequencer import Sequencer, SequencerConfig
from jina_v3.tokens.sequences import TokenBatch, TokenSequence, pack
from jina_v3.tokens.validation import check_job, parse_task
from jina_v3.tokens.vectors import finish
from jina_v3.tokens.work import Output, Unit, blocks, open_output

_MAX_BATCH_TOKENS = {"cuda": 16384, "cpu": 2048}


class Encoder:
    """jina-embeddings-v3 on one device.

    Make one with :meth:`from_folder`. Calls may come from several threads; they share the weights and no state.
    """

    def __init__(self, tasks: tuple[Task, ...], sequencer: Sequencer, model: Model, max_batch_tokens: int) -> None:
        self.tasks = tasks
        self.max_batch_tokens = max_batch_tokens
        self._sequencer = sequencer
        self._model = model

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        max_batch_tokens: int | None = None,
        max_tokens: int | None = None,
    ) -> Encoder:
        """Load a model folder of any of the published layouts.

        On the CPU the word table may stay a view of the file: replace a model by renaming, never by writing over it.

        ``device`` defaults to CUDA where there is one. ``dtype`` is ``float32``, ``bfloat16`` or ``float16``;
        it defaults to float32 on the CPU, and on CUDA to bfloat16 (float16 before Ampere).

        **Units**: ``max_batch_tokens`` tokens go through the model together (default 16,384 on CUDA, 2,048 else);
        a text may have ``max_tokens`` tokens (default and at most: the model's 8,192; at least 16).

        On the CPU this changes a setting of the process's allocator, see ``host_memory.py``.

        **Raises**: CheckpointError when the folder is partial, foreign or unreadable; ValueError for an unknown
        device or dtype, or a number of tokens that cannot be.
        """
        where = choose_device(device)
        precision = choose_precision(dtype, where)
        if not precision.is_plain:
            raise ValueError(f"dtype {precision.name!r} needs the fused engine; want a plain one, such as 'bfloat16'")
        checkpoint = open_checkpoint(Path(path))
        longest = checkpoint.config.max_tokens
        limit = min(longest, _check_tokens("max_tokens", max_tokens, default=longest, least=LEAST_TOKENS_PER_TEXT))
        budget = _check_tokens("max_batch_tokens", max_batch_tokens, default=_MAX_BATCH_TOKENS[where.type], least=1)
        sequencer = Sequencer(SequencerConfig(Path(path), checkpoint.config.vocabulary, limit, window=longest))
        model = Model(checkpoint, where, precision.dtype)
        if where.type == "cpu":
            keep_freed_memory()
        return cls(checkpoint.tasks, sequencer, model, budget)

    @property
    def max_tokens(self) -> int:
        """How many tokens a text may have, with ``<s>``, ``</s>`` and the task's prompt."""
        return self._sequencer.config.max_tokens

    @property
    def sequencer_config(self) -> SequencerConfig:
        """How this model's texts become sequences, for a process that does it elsewhere."""
        return self._sequencer.config

    @property
    def hidden(self) -> int:
        """The model's width, and so the most dimensions a vector can have."""
        return self._model.hidden

    @property
    def device(self) -> str:
        """Where the weights lie, for example ``cuda:0``."""
        return str(self._model.device)

    @property
    def dtype(self) -> str:
        """The weights' dtype, for example ``bfloat16``."""
        return str(self._model.dtype).removeprefix("torch.")

    def encode(
        self,
        texts: str | Sequence[str] | Sequence[Sequence[str]],
        *,
        task: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
        late_chunking: bool = False,
        normalized: bool = True,
        truncate: bool = False,
    ) -> Embeddings:
        """Embed texts, in input order.

        ``task`` is one of the five names, or a list with one for each text (or document); ``None`` means the base
        weights. With ``late_chunking`` the texts are the chunks of one document, or, as a list of lists, of several,
        whose vectors then follow one another. Texts beyond the token limit are an error unless ``truncate``; late
        chunking has no such limit, its documents are read in windows.

        **Shapes**: ``(texts, dimensions)`` float32, unit length if ``normalized``.
        **Raises**: RequestError (a ValueError) that names the text, the value, and what is allowed.
        """
        jobs = to_jobs(
            texts,
            task,
            MODEL_DIMENSIONS if dimensions is None else dimensions,
            late_chunking=late_chunking,
            normalized=normalized,
            truncate=truncate,
        )
        outputs = [open_output(job, self.tasks, self.hidden) for job in jobs]
        _raise_first_error(outputs)
        for block in blocks(outputs):
            self._encode_block(block)
            if any(unit.output.error for unit in block):  # the rest would be thrown away
                _raise_first_error(outputs)
        return joined([output.embeddings() for output in outputs])

    def encode_jobs(self, jobs: Sequence[EncodeJob]) -> list[Embeddings | RequestError]:
        """Embed jobs of any mix of parameters, packed together; one result a job, in order.

        A job that cannot be served gives its error, with ``field`` as ``texts[i]`` where one text is at fault, and
        leaves the others alone.
        """
        outputs = [open_output(job, self.tasks, self.hidden) for job in jobs]
        for block in blocks(outputs):
            self._encode_block(block)
        return [output.result() for output in outputs]

    def token_states(self, text: str, *, task: str | None = None, prompt: bool = True) -> npt.NDArray[np.float32]:
        """Return the last state of every token of one text: what pooling starts from.

        ``prompt=False`` leaves the task's prompt out; for comparison with other implementations.

        **Shapes**: ``(tokens, hidden)`` float32.
        **Raises**: RequestError as :meth:`encode` does.
        """
        kind = parse_task(task)
        check_job(EncodeJob((text,), kind), self.tasks)
        read_as = EncodeJob((text,), kind if prompt else None)
        unit = Unit(Output(read_as, np.empty((0, 0), np.float32), [0]), range(1))
        tokenised = self._sequencer.tokenize([unit])
        if unit.output.error is not None:
            raise unit.output.error
        ((_, (ids,)),) = tokenised
        sequence = self._sequencer.sequence(ids, kind, 0)
        states = self._model(to_batch([sequence], self._model.device)).float().cpu().numpy()
        return np.asarray(states)

    def pool(self, batch: TokenBatch) -> npt.NDArray[np.float32]:
        """Run sequences that somebody else has tokenised and laid out; return the sum of the states of each row.

        For a server, which tokenises elsewhere and puts texts of many requests into one batch.

        **Shapes**: ``(batch.rows, hidden)`` float32.
        """
        packed = to_device(batch, self._model.device)
        sums = SegmentSums(batch.rows, self._model.hidden, self._model.device)
        sums.add(self._model(packed), packed)
        return np.asarray(sums.sums().cpu().numpy())

    def _encode_block(self, units: Sequence[Unit]) -> None:
        """Tokenise, run and finish some units; a unit whose text cannot be served fails its job."""
        sequences: list[TokenSequence] = []
        placed: list[tuple[Unit, int]] = []  # with the unit's first row
        rows = 0
        for unit, ids in self._sequencer.tokenize(units):
            sequences += self._sequencer.sequences(unit, ids, rows)
            placed.append((unit, rows))
            rows += len(unit.texts)
        if placed:
            _finish(placed, self._means(sequences, rows).cpu().numpy())  # one transfer, however many jobs

    def _means(self, sequences: Sequence[TokenSequence], rows: int) -> torch.Tensor:
        sums = SegmentSums(rows, self._model.hidden, self._model.device)
        for batch in pack(sequences, self.max_batch_tokens):
            packed = to_batch(batch, self._model.device)
            sums.add(self._model(packed), packed)
        return sums.means()


def _finish(placed: Sequence[tuple[Unit, int]], means: npt.NDArray[np.float32]) -> None:
    """Cut, normalise and hand over, one job's rows at a time: they are neighbours, in order."""
    for _, group in groupby(placed, key=lambda one: id(one[0].output)):
        members = list(group)
        (first, start), (last, last_start) = members[0], members[-1]
        output = first.output
        rows = means[start : last_start + len(last.texts)]
        vectors = finish(rows, output.job.dimensions, output.job.normalized)
        output.vectors[first.texts.start : last.texts.stop] = vectors


def _raise_first_error(outputs: Sequence[Output]) -> None:
    offset = 0
    for output in outputs:
        if output.error is not None:
            raise moved(output.error, offset)
        offset += len(output.job.texts)


def _check_tokens(name: str, value: int | None, *, default: int, least: int) -> int:
    if value is None:
        return default
    if value < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}")
    return value
