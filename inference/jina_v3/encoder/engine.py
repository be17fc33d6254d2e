"""``Encoder``: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jina_v3.contract import LEAST_TOKENS_PER_TEXT, MODEL_DIMENSIONS, EncodeJob, Task
from jina_v3.encoder.block import Block, ahead, run_blocks
from jina_v3.encoder.calls import joined, moved, to_jobs
from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.choice import make_runner
from jina_v3.encoder.device import choose_device
from jina_v3.encoder.gate import check_accuracy
from jina_v3.encoder.host_memory import keep_freed_memory
from jina_v3.encoder.options import EngineOptions
from jina_v3.encoder.pooling import row_sums
from jina_v3.encoder.precision import choose_precision, set_accumulation
from jina_v3.encoder.running import Pending, Runner
from jina_v3.errors import RequestError
from jina_v3.tokens.results import Embeddings
from jina_v3.tokens.sequencer import Sequencer, SequencerConfig
from jina_v3.tokens.sequences import TokenBatch, lay_out
from jina_v3.tokens.validation import check_job, parse_task
from jina_v3.tokens.work import BLOCK_TEXTS, Output, Unit, blocks, open_output

_DEFAULT_OPTIONS = EngineOptions()


class Encoder:
    """jina-embeddings-v3 on one device.

    Make one with :meth:`from_folder`. Calls may come from several threads; they share the weights and no state.
    """

    def __init__(
        self,
        tasks: tuple[Task, ...],
        sequencer: Sequencer,
        runner: Runner,
        max_batch_tokens: int,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.tasks = tasks
        self._details = dict(details or {})
        self.max_batch_tokens = max_batch_tokens
        self._sequencer = sequencer
        self._runner = runner

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        max_batch_tokens: int | None = None,
        max_tokens: int | None = None,
        options: EngineOptions = _DEFAULT_OPTIONS,
    ) -> Encoder:
        """Load a model folder of any of the published layouts.

        On the CPU the word table may stay a view of the file: replace a model by renaming, never by writing over it.

        ``device`` defaults to CUDA where there is one. ``dtype`` is one of ``precision.PRECISIONS``: ``float32``,
        ``bfloat16``, ``float16``, on CUDA ``float16-fast`` too, and ``float8`` and ``float8-mlp`` from Ada and Hopper
        on; it defaults to float32 on the CPU, and on CUDA to bfloat16 (float16 before Ampere).

        **Units**: ``max_batch_tokens`` tokens go through the model together (default 16,384 on CUDA, half of it on
        small devices, less where memory is short; 2,048 else); a text may have ``max_tokens`` tokens (default and at
        most: the model's 8,192; at least 16).

        ``options`` say what a CUDA device computes with; by default what is fastest there.

        On the CPU this changes a setting of the process's allocator, see ``host_memory.py``.

        **Raises**: CheckpointError when the folder is partial, foreign or unreadable; AccuracyError when a precision
        that is checked errs too much on this model; ValueError for an unknown device or dtype, a number of tokens that
        cannot be, or options that the device cannot serve; TypeError for options of another type; DeviceMemoryError
        when a CUDA device has no room for the model and its longest text.
        """
        if not isinstance(options, EngineOptions):
            raise TypeError(f"options is {type(options).__name__}; give EngineOptions(…) of jina_v3.encoder.options")
        where = choose_device(device)
        precision = choose_precision(dtype, where)
        checkpoint = open_checkpoint(Path(path))
        longest = checkpoint.config.max_tokens
        _check_tokens("max_tokens", max_tokens, least=LEAST_TOKENS_PER_TEXT)
        _check_tokens("max_batch_tokens", max_batch_tokens, least=1)
        limit = min(longest, max_tokens or longest)
        sequencer = Sequencer(SequencerConfig(Path(path), checkpoint.config.vocabulary, limit, window=longest))
        if where.type == "cuda":
            set_accumulation(precision)
        runner, budget = make_runner(checkpoint, where, precision, options, max_batch_tokens)
        details: dict[str, Any] = {"precision": precision.name}
        if precision.bound is not None:

            def encode(batch: TokenBatch) -> npt.NDArray[np.float32]:
                return runner.submit(batch, runner.hidden).result()

            report = check_accuracy(encode, checkpoint, sequencer, where, precision, budget)
            details["accuracy"] = report.describe()
        if where.type == "cpu":
            keep_freed_memory()
        return cls(checkpoint.tasks, sequencer, runner, budget, details)

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
        return self._runner.hidden

    @property
    def in_flight(self) -> int:
        """How many batches keep the device busy: one that runs and one that waits, or on the CPU one."""
        return self._runner.in_flight

    @property
    def details(self) -> dict[str, Any]:
        """How it computes, for a log: kernels, precision, and on CUDA attention, graphs, memory and accuracy."""
        return {**self._runner.describe(), **self._details}

    @property
    def device(self) -> str:
        """Where the weights lie, for example ``cuda:0``."""
        return str(self._runner.device)

    @property
    def dtype(self) -> str:
        """The weights' dtype, for example ``bfloat16``."""
        return str(self._runner.dtype).removeprefix("torch.")

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
        with closing(self._blocks(outputs)) as made:
            run_blocks(_until_one_fails(made, outputs), self._runner, self.max_batch_tokens)
        return joined([output.embeddings() for output in outputs])

    def encode_jobs(self, jobs: Sequence[EncodeJob]) -> list[Embeddings | RequestError]:
        """Embed jobs of any mix of parameters, packed together; one result a job, in order.

        A job that cannot be served gives its error, with ``field`` as ``texts[i]`` where one text is at fault, and
        leaves the others alone.
        """
        outputs = [open_output(job, self.tasks, self.hidden) for job in jobs]
        with closing(self._blocks(outputs)) as made:
            run_blocks(made, self._runner, self.max_batch_tokens)
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
        return self._runner.states(lay_out([sequence], rows=0))

    def submit(self, batch: TokenBatch) -> Pending:
        """Start sequences that somebody else has tokenised and laid out; the result is the sum of each row's states.

        For a server, which tokenises elsewhere and puts texts of many requests into one batch. Up to ``in_flight``
        batches may be started before the first one's result is asked for.

        **Shapes**: the result ``(batch.rows, batch.dimensions)`` float32, of ``hidden`` dimensions at most.
        """
        return _Rows(self._runner.submit(batch, min(batch.dimensions, self.hidden)), batch)

    def pool(self, batch: TokenBatch) -> npt.NDArray[np.float32]:
        """Run a batch as :meth:`submit` does, and wait for its result."""
        return self.submit(batch).result()

    def _blocks(self, outputs: Sequence[Output]) -> Generator[Block]:
        made = (Block(units, self._sequencer, self.hidden) for units in blocks(outputs))
        many = sum(len(output.job.texts) for output in outputs) > BLOCK_TEXTS
        return ahead(made) if many and self.in_flight > 1 else made


@dataclass(frozen=True, slots=True)
class _Rows:
    """A batch on its way, whose result is wanted by rows."""

    pending: Pending
    batch: TokenBatch

    def result(self) -> npt.NDArray[np.float32]:
        """Wait, and add up."""
        return row_sums(self.pending.result(), self.batch)


def _until_one_fails(blocks: Iterable[Block], outputs: Sequence[Output]) -> Iterator[Block]:
    for block in blocks:
        if block.is_spoilt:  # the rest would be thrown away
            _raise_first_error(outputs)
        yield block


def _raise_first_error(outputs: Sequence[Output]) -> None:
    offset = 0
    for output in outputs:
        if output.error is not None:
            raise moved(output.error, offset)
        offset += len(output.job.texts)


def _check_tokens(name: str, value: int | None, *, least: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be a whole number, at least {least}")
