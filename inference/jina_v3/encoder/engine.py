"""``Encoder``: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from jina_v3.contract import MODEL_DIMENSIONS, PROMPTS, EncodeJob, ErrorCode, Task
from jina_v3.encoder.checkpoint import Checkpoint, open_checkpoint
from jina_v3.encoder.late_chunking import WindowConfig, join_chunks, windows
from jina_v3.encoder.model import Model, task_index
from jina_v3.encoder.packing import TokenSequence, pack, to_batch
from jina_v3.encoder.pooling import SegmentSums, finish
from jina_v3.encoder.results import Embeddings
from jina_v3.encoder.tokenizer import TextTokenizer
from jina_v3.encoder.validation import check_job, parse_task
from jina_v3.errors import RequestError

_BLOCK_TEXTS = 2048
"""Texts tokenised and sorted together: enough to fill batches well, few enough to bound memory."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Ids = npt.NDArray[np.int64]


@dataclass(slots=True)
class _Output:
    """What has been made of one job so far."""

    job: EncodeJob
    vectors: npt.NDArray[np.float32]
    token_counts: list[int]
    truncated: list[int] = field(default_factory=list)
    error: RequestError | None = None


@dataclass(frozen=True, slots=True)
class _Unit:
    """Texts that are read together: one, or with late chunking all of a job's."""

    output: _Output
    texts: range


class Encoder:
    """jina-embeddings-v3 on one device.

    Make one with :meth:`from_folder`. Calls may come from several threads; they share the weights and no state.
    """

    def __init__(self, checkpoint: Checkpoint, tokenizer: TextTokenizer, model: Model, max_batch_tokens: int) -> None:
        self.tasks: tuple[Task, ...] = checkpoint.tasks
        self.max_tokens = checkpoint.config.max_tokens
        self.max_batch_tokens = max_batch_tokens
        self._tokenizer = tokenizer
        self._model = model
        self._windows = WindowConfig(window=self.max_tokens, overlap=min(256, self.max_tokens // 2))

    @classmethod
    def from_folder(
        cls,
        path: str | Path,
        *,
        device: str | None = None,
        dtype: str | None = None,
        max_batch_tokens: int | None = None,
    ) -> Encoder:
        """Load a model folder of any of the published layouts.

        ``device`` defaults to CUDA where there is one. ``dtype`` is ``float32``, ``bfloat16`` or ``float16``;
        it defaults to float32 on the CPU, and on CUDA to bfloat16 (float16 before Ampere).

        **Units**: ``max_batch_tokens`` tokens go through the model together (default 16,384 on CUDA, 4,096 else).
        **Raises**: CheckpointError when the folder is partial, foreign or unreadable; ValueError for an unknown
        device or dtype.
        """
        where = _device(device)
        kind = _dtype(dtype, where)
        checkpoint = open_checkpoint(Path(path))
        tokenizer = TextTokenizer(Path(path), checkpoint.config)
        budget = max_batch_tokens or (16384 if where.type == "cuda" else 4096)
        return cls(checkpoint, tokenizer, Model(checkpoint, where, kind), budget)

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
        jobs = _jobs(
            texts,
            task,
            MODEL_DIMENSIONS if dimensions is None else dimensions,
            late_chunking,
            normalized,
            truncate,
        )
        results = self.encode_jobs(jobs)
        offset = 0
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, RequestError):
                raise _moved(result, offset)
            offset += len(job.texts)
        return _joined([result for result in results if isinstance(result, Embeddings)])

    def encode_jobs(self, jobs: Sequence[EncodeJob]) -> list[Embeddings | RequestError]:
        """Embed jobs of any mix of parameters, packed together; one result a job, in order.

        A job that cannot be served gives its error, with ``field`` as ``texts[i]`` where one text is at fault, and
        leaves the others alone.
        """
        outputs = [self._prepare(job) for job in jobs]
        for block in _blocks(outputs):
            self._encode_block(block)
        return [
            output.error or Embeddings(output.vectors, tuple(output.token_counts), tuple(sorted(output.truncated)))
            for output in outputs
        ]

    def token_states(self, text: str, *, task: str | None = None, prompt: bool = True) -> npt.NDArray[np.float32]:
        """Return the last state of every token of one text: what pooling starts from.

        ``prompt=False`` leaves the task's prompt out; for comparison with other implementations.

        **Shapes**: ``(tokens, hidden)`` float32.
        **Raises**: RequestError as :meth:`encode` does.
        """
        kind = parse_task(task)
        job = EncodeJob((text,), kind)
        check_job(job, self.tasks)
        head = PROMPTS[kind] if kind is not None and prompt else ""
        (ids,) = self._tokenizer.ids([head + text])
        sequence = self._sequence(ids, kind, 0)
        if len(sequence.ids) > self.max_tokens:
            raise self._too_long(0, len(sequence.ids))
        states: npt.NDArray[np.float32] = self._model(to_batch([sequence], self._model.device)).float().cpu().numpy()
        return states

    def _prepare(self, job: EncodeJob) -> _Output:
        output = _Output(job, np.empty((0, 0), np.float32), [])
        try:
            check_job(job, self.tasks)
        except RequestError as error:
            output.error = error
        else:
            output.vectors = np.empty((len(job.texts), min(job.dimensions, self._model.hidden)), np.float32)
            output.token_counts = [0] * len(job.texts)
        return output

    def _encode_block(self, units: Sequence[_Unit]) -> None:
        """Tokenise, run and finish some units; a unit whose text is too long fails its job."""
        sequences: list[TokenSequence] = []
        done: list[tuple[_Unit, int]] = []  # with the unit's first row
        rows = 0
        tokenised = iter(self._tokenizer.ids([text for unit in units for text in _strings(unit)]))
        for unit in units:
            ids = [next(tokenised) for _ in unit.texts]
            try:
                made = (
                    self._late(unit, ids, rows) if unit.output.job.late_chunking else [self._plain(unit, ids[0], rows)]
                )
            except RequestError as error:
                unit.output.error = unit.output.error or error
                continue
            sequences += made
            done.append((unit, rows))
            rows += len(unit.texts)
        if done:
            self._finish(done, self._means(sequences, rows))

    def _means(self, sequences: Sequence[TokenSequence], rows: int) -> torch.Tensor:
        sums = SegmentSums(rows, self._model.hidden, self._model.device)
        for batch in pack(sequences, self.max_batch_tokens):
            packed = to_batch(batch, self._model.device)
            sums.add(self._model(packed), packed)
        return sums.means()

    def _finish(self, done: Sequence[tuple[_Unit, int]], means: torch.Tensor) -> None:
        for _, group in groupby(done, key=lambda one: id(one[0].output)):
            members = list(group)
            (first, start), (last, last_row) = members[0], members[-1]
            output = first.output
            rows = means[start : last_row + len(last.texts)]
            vectors = finish(rows, output.job.dimensions, output.job.normalized)
            output.vectors[first.texts.start : last.texts.stop] = vectors.cpu().numpy()

    def _sequence(self, ids: Ids, task: Task | None, row: int) -> TokenSequence:
        whole = np.concatenate([self._tokenizer.bos, ids, self._tokenizer.eos])
        return TokenSequence(whole, task_index(task), ((len(whole), row),))

    def _plain(self, unit: _Unit, ids: Ids, row: int) -> TokenSequence:
        output, index = unit.output, unit.texts.start
        room = self.max_tokens - 2
        if len(ids) > room:
            if not output.job.truncate:
                raise self._too_long(index, len(ids) + 2)
            output.truncated.append(index)
            ids = ids[:room]
        sequence = self._sequence(ids, output.job.task, row)
        output.token_counts[index] = len(sequence.ids)
        return sequence

    def _late(self, unit: _Unit, chunks: Sequence[Ids], first_row: int) -> list[TokenSequence]:
        job = unit.output.job
        for index, chunk in enumerate(chunks):
            if not len(chunk):
                raise RequestError(
                    ErrorCode.EMPTY_TEXT,
                    f"texts[{index}] has no tokens: the tokenizer drops all of its characters; leave it out.",
                    field=f"texts[{index}]",
                )
        # without its trailing space: a chunk begins a word by itself, and the space must not become a token
        prompt = PROMPTS[job.task].rstrip() if job.task is not None else ""
        head = np.concatenate([self._tokenizer.bos, *self._tokenizer.ids([prompt])])
        ids, lengths = join_chunks(head, chunks, self._tokenizer.eos)
        unit.output.token_counts[:] = lengths
        return windows(ids, lengths, first_row, task_index(job.task), self._windows)

    def _too_long(self, index: int, tokens: int) -> RequestError:
        return RequestError(
            ErrorCode.TEXT_TOO_LONG,
            f"texts[{index}] has {tokens} tokens with <s>, </s> and the task's prompt; at most {self.max_tokens} "
            "are allowed. Shorten it, split it into chunks with late_chunking, or pass truncate=true to cut it.",
            field=f"texts[{index}]",
            value=tokens,
            allowed={"maximum": self.max_tokens},
        )


def _jobs(
    texts: str | Sequence[str] | Sequence[Sequence[str]],
    task: str | Sequence[str | None] | None,
    dimensions: int,
    late_chunking: bool,
    normalized: bool,
    truncate: bool,
) -> list[EncodeJob]:
    """Cut a call into jobs: one for each document, or for each run of texts with one task."""
    if isinstance(texts, str):
        texts = [texts]
    documents: list[tuple[str, ...]]
    if late_chunking:
        nested = bool(texts) and not isinstance(texts[0], str)
        documents = [tuple(document) for document in (texts if nested else [texts])]  # type: ignore[arg-type]
    elif task is None or isinstance(task, str):
        documents = [tuple(texts)]  # type: ignore[arg-type]
    else:
        documents = [(text,) for text in texts]  # type: ignore[misc]
    tasks = [task] * len(documents) if task is None or isinstance(task, str) else list(task)
    if len(tasks) != len(documents):
        raise RequestError(
            ErrorCode.INVALID_VALUE,
            f"task lists {len(tasks)} names for {len(documents)} {'documents' if late_chunking else 'texts'}; "
            "give one for each, or one for all.",
            field="task",
        )
    return [
        EncodeJob(document, parse_task(name), dimensions, late_chunking, normalized, truncate)
        for document, name in zip(documents, tasks, strict=True)
    ]


def _blocks(outputs: Sequence[_Output]) -> Iterator[list[_Unit]]:
    """Yield the units of all good jobs, some 2,048 texts at a time. A job that fails is not gone on with."""
    block: list[_Unit] = []
    texts = 0
    for output in outputs:
        count = len(output.job.texts)
        step = count if output.job.late_chunking else 1
        for start in range(0, count, max(step, 1)):
            if output.error is not None:
                break
            block.append(_Unit(output, range(start, start + step)))
            texts += step
            if texts >= _BLOCK_TEXTS:
                yield block
                block, texts = [], 0
    if block:
        yield block


def _strings(unit: _Unit) -> Iterator[str]:
    """Yield what of a unit is tokenised: with its prompt, but for chunks, whose document has one prompt."""
    job = unit.output.job
    head = "" if job.task is None or job.late_chunking else PROMPTS[job.task]
    return (head + job.texts[index] for index in unit.texts)


def _moved(error: RequestError, offset: int) -> RequestError:
    """Return a job's error with the index of its text counted over the whole call."""
    if not offset or error.field is None or not error.field.startswith("texts["):
        return error
    place = f"texts[{int(error.field[6:-1]) + offset}]"
    return RequestError(
        error.code,
        error.message.replace(error.field, place, 1),
        field=place,
        value=error.value,
        allowed=error.allowed,
    )


def _joined(parts: Sequence[Embeddings]) -> Embeddings:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    return Embeddings(
        np.concatenate([np.asarray(part) for part in parts]),
        tuple(count for part in parts for count in part.token_counts),
        tuple(start + index for start, part in zip(starts, parts, strict=False) for index in part.truncated),
    )


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}; want 'cpu', 'cuda' or 'cuda:N'") from None
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device {name!r} is not supported; want 'cpu', 'cuda' or 'cuda:N'")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device {name!r} was asked for, but torch finds no CUDA device; use 'cpu' or check the driver"
        )
    return device


def _dtype(name: str | None, device: torch.device) -> torch.dtype:
    if name is None:
        if device.type == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if name not in _DTYPES:
        raise ValueError(f"unknown dtype {name!r}; want one of {', '.join(_DTYPES)}")
    return _DTYPES[name]
