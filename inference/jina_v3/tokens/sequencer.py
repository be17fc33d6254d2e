"""From texts to what the model reads: token sequences with ``<s>``, prompt and ``</s>``, checked against the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jina_v3.contract import PROMPTS, TASKS, ErrorCode, Task
from jina_v3.errors import RequestError
from jina_v3.tokens.late_chunking import WindowConfig, join_chunks, windows
from jina_v3.tokens.sequences import NO_TASK, Ids, TokenSequence
from jina_v3.tokens.tokenizer import TextTokenizer, Vocabulary
from jina_v3.tokens.work import Unit

_CHARACTERS_A_TOKEN = 16  # more than any language has on average (English 4.5)
_OVERLAP_TOKENS = 256  # of the windows of a long document, as jina-ai/late-chunking has it


@dataclass(frozen=True, slots=True)
class SequencerConfig:
    """How texts become sequences; crosses from the process that has the model to the one that reads texts.

    **Units**: tokens. ``max_tokens`` is what one text may have; ``window`` is the model's, for late chunking.
    """

    folder: Path
    vocabulary: Vocabulary
    max_tokens: int
    window: int


class Sequencer:
    """Tokenises units and lays out their sequences. Needs no device; safe to use from several threads.

    **Raises**: CheckpointError when the folder's tokenizer is missing, unreadable or not this model's.
    """

    def __init__(self, config: SequencerConfig) -> None:
        self.config = config
        tokenizer = TextTokenizer(config.folder, config.vocabulary)
        self._tokenizer = tokenizer
        self._max_tokens = config.max_tokens
        # what a document of chunks begins with, by task. The prompt goes without its trailing space: a chunk begins a
        # word by itself, and the space must not become a token
        prompts: dict[Task | None, str] = {None: ""} | {task: prompt.rstrip() for task, prompt in PROMPTS.items()}
        self._heads: dict[Task | None, Ids] = {
            task: np.concatenate([tokenizer.bos, ids])
            for task, ids in zip(prompts, tokenizer.ids(list(prompts.values())), strict=True)
        }
        self._windows = WindowConfig(window=config.window, overlap=min(_OVERLAP_TOKENS, config.window // 2))

    def tokenize(self, units: Sequence[Unit]) -> list[tuple[Unit, list[Ids]]]:
        """Tokenise all texts of some units at once, and keep those whose job is still good.

        A text that cannot be served becomes its job's error; one that was cut is noted in ``truncated``.
        """
        every = iter(self._tokenizer.ids([self._shorten(text, unit) for unit in units for text in unit.strings()]))
        tokenised = [(unit, [next(every) for _ in unit.texts]) for unit in units]
        for unit, ids in tokenised:
            try:
                self._check(unit, ids)
            except RequestError as error:
                unit.output.error = unit.output.error or error
        return [(unit, ids) for unit, ids in tokenised if unit.output.error is None]

    def sequences(self, unit: Unit, ids: Sequence[Ids], first_row: int) -> list[TokenSequence]:
        """Lay out one unit, whose text ``i`` goes to row ``first_row + i``, and count its tokens."""
        job = unit.output.job
        if not job.late_chunking:
            sequence = self.sequence(ids[0], job.task, first_row)
            unit.output.token_counts[unit.texts.start] = len(sequence.ids)
            return [sequence]
        joined, lengths = join_chunks(self._heads[job.task], ids, self._tokenizer.eos)
        unit.output.token_counts[:] = lengths
        return windows(joined, lengths, first_row, _task_index(job.task), self._windows)

    def sequence(self, ids: Ids, task: Task | None, row: int) -> TokenSequence:
        """Put ``<s>`` and ``</s>`` around one text's ids."""
        whole = np.concatenate([self._tokenizer.bos, ids, self._tokenizer.eos])
        return TokenSequence(whole, _task_index(task), ((len(whole), row),))

    def _shorten(self, text: str, unit: Unit) -> str:
        """Return the beginning of a text that is certain to be too long, which is enough to refuse or to cut it.

        A text of many megabytes would keep a core busy for seconds. Only its tokens tell that it is too long: a million
        spaces are one token. The beginning has twice as many as are wanted, so that its own end, where a word may be
        torn, lies far behind them.
        """
        if unit.output.job.late_chunking or not self._is_long(text):
            return text
        beginning = text[: _CHARACTERS_A_TOKEN * self._max_tokens]
        (ids,) = self._tokenizer.ids([beginning])
        return beginning if len(ids) > 2 * self._max_tokens else text

    def _is_long(self, text: str) -> bool:
        return len(text) > 2 * _CHARACTERS_A_TOKEN * self._max_tokens

    def _check(self, unit: Unit, ids: list[Ids]) -> None:
        """Refuse or cut what is too long; refuse a chunk of no tokens, whose mean would be nothing."""
        output = unit.output
        if output.job.late_chunking:
            for index, chunk in enumerate(ids):
                if not len(chunk):
                    raise _no_tokens(index)
            return
        room = self._max_tokens - 2  # for <s> and </s>
        if len(ids[0]) > room:
            index = unit.texts.start
            if not output.job.truncate:
                said = "at least " if self._is_long(output.job.texts[index]) else ""
                raise self._too_long(index, len(ids[0]) + 2, said)
            output.truncated.append(index)
            ids[0] = ids[0][:room]

    def _too_long(self, index: int, tokens: int, said: str) -> RequestError:
        return RequestError(
            ErrorCode.TEXT_TOO_LONG,
            f"texts[{index}] has {said}{tokens} tokens with <s>, </s> and the task's prompt; at most "
            f"{self._max_tokens} are allowed. Shorten it, split it into chunks with late_chunking, or pass "
            "truncate=true to cut it.",
            field=f"texts[{index}]",
            value=tokens,
            allowed={"maximum": self._max_tokens},
        )


def _no_tokens(index: int) -> RequestError:
    return RequestError(
        ErrorCode.EMPTY_TEXT,
        f"texts[{index}] has no tokens: the tokenizer drops all of its characters; leave it out.",
        field=f"texts[{index}]",
        value="",
        allowed="a chunk of at least one token",
    )


def _task_index(task: Task | None) -> int:
    return NO_TASK if task is None else TASKS.index(task)
