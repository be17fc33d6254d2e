"""The contract's numerics as questions with an oracle's answers, for any encoder on any device.

``tests/gpu`` asks a CUDA device; ``tests/parity/test_numerics.py`` shows on the CPU that a fault is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import torch
from tests.support.case import EVERY_TASK, LENGTHS, Case
from tests.support.oracle import PROMPTS, Oracle, cosine_distance

from jina_v3.contract import TASKS, Task

Tasks = tuple[Task | None, ...]
ALONE = {"float32": 1e-6, "bfloat16": 5e-5, "float16": 5e-5, "float16-fast": 1e-4, "float8": 1e-3}
"""What a row alone may be from the same row in a batch: the contract's bounds; the last two have their gates'."""
GATES = {"float16-fast": 1e-4, "float8": 1e-3}
"""What the precisions that are checked at load may be from fp32, in whole vectors."""
CUT = 4
"""How much more in a cut one, by float8 imitated on these weights: 3.5e-4 in 1,024 dimensions, 1.6e-3 in 32."""
UNIT_LENGTH = 1e-5


class Encodes(Protocol):
    """What is asked: an encoder, or one with a fault."""

    def encode(
        self, texts: Sequence[str], *, task: object, dimensions: int, late_chunking: bool = False
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class Question:
    """Texts with a task each; with ``late_chunking`` they are the chunks of one document, of one task."""

    name: str
    texts: tuple[str, ...]
    tasks: Tasks
    dimensions: int
    late_chunking: bool = False

    def ask(self, encoder: Encodes) -> np.ndarray:
        task = self.tasks[0] if self.late_chunking else list(self.tasks)
        vectors = encoder.encode(self.texts, task=task, dimensions=self.dimensions, late_chunking=self.late_chunking)
        return np.asarray(vectors)


def questions(case: Case) -> list[Question]:
    """Tasks mixed, one and none; a cut; chunks of one document; lengths from 3 to 700 tokens. And short texts alone."""
    texts, count, hidden = tuple(case.texts), len(case.texts), case.config.hidden
    short = [(texts[at], task) for at, length in enumerate(LENGTHS) if length <= 30 for task in EVERY_TASK]
    document = (case.texts[4], case.texts[1], case.texts[8], case.texts[5])
    return [
        Question("tasks mixed", texts, tuple(case.tasks), hidden),
        Question("tasks mixed, cut", texts, tuple(case.tasks), 32),
        Question("short texts", *zip(*short, strict=True), hidden),  # at most 44 tokens, with a prompt
        Question("no task", texts, (None,) * count, hidden),
        *(Question(f"all {task.value}", texts, (task,) * count, hidden) for task in TASKS),
        Question("late chunking", document, (Task.RETRIEVAL_PASSAGE,) * 4, hidden, late_chunking=True),
        Question("late chunking, no task, cut", document, (None,) * 4, 32, late_chunking=True),
    ]


def answer(oracle: Oracle, question: Question) -> np.ndarray:
    """What an independent implementation says."""
    if not question.late_chunking:
        return oracle.encode(question.texts, question.tasks, question.dimensions)
    ids, ends, task = [0], [], question.tasks[0]
    for text in ((PROMPTS[task].strip(),) if task in PROMPTS else ()) + question.texts:
        ids += oracle.tokenizer.encode(text, add_special_tokens=False).ids
        ends.append(len(ids))
    ends = ends[-len(question.texts) :]
    ends[-1] += 1
    (states,) = oracle.states([[*ids, 2]], [task])
    spans = zip([0, *ends], ends, strict=False)
    vectors = torch.stack([states[start:end].mean(0) for start, end in spans])[:, : question.dimensions]
    return (vectors / vectors.norm(dim=1, keepdim=True)).numpy()


class Answers:
    """A case's questions, the fp32 oracle's answers on the CPU, and how far its half precisions are from them."""

    def __init__(self, case: Case, device: str) -> None:
        self.case, self._device = case, device
        self.questions = {one.name: one for one in questions(case)}
        self.exact = cache(lambda name: answer(case.oracle, self.questions[name]))
        self._half = cache(lambda dtype: Oracle(case.flash, getattr(torch, dtype), device))
        self.errors = cache(self._errors)

    def _errors(self, name: str, dtype: str) -> np.ndarray:
        return cosine_distance(answer(self._half(dtype), self.questions[name]), self.exact(name))


def check_question(encoder: Encodes, answers: Answers, name: str, precision: str) -> None:
    """Within the contract's bounds of the oracle: 1.5 times the reference's own error in half precision."""
    question, exact = answers.questions[name], answers.exact(name)
    ours = question.ask(encoder)
    assert ours.shape == exact.shape
    assert np.isfinite(ours).all(), "not finite"
    assert np.abs(np.linalg.norm(ours, axis=1) - 1).max() <= UNIT_LENGTH, "not of unit length"
    error = cosine_distance(ours, exact)
    print(f"{name}, {precision}: 1-cos mean {error.mean():.2e}, most {error.max():.2e}")
    if precision == "float32":
        assert error.max() <= 1e-6
        assert np.abs(ours - exact).max() <= 1e-5
    elif precision in GATES:
        assert error.max() <= GATES[precision] * (CUT if question.dimensions < answers.case.config.hidden else 1)
    else:
        theirs = answers.errors(name, precision)
        print(f"… reference mean {theirs.mean():.2e}, most {theirs.max():.2e}")
        assert error.mean() <= 1.5 * theirs.mean()
        assert error.max() <= 1.5 * theirs.max()


def check_neighbours(encoder: Encodes, answers: Answers, precision: str) -> None:
    """A row is the same alone, in a batch, in the batch in another order, and among others of another task."""
    question = answers.questions["tasks mixed"]
    together = question.ask(encoder)
    count = len(question.texts)

    def rows(chosen: Sequence[int], tasks: Tasks) -> np.ndarray:
        texts = tuple(question.texts[index] for index in chosen)
        return Question("", texts, tasks, question.dimensions).ask(encoder)

    backwards = rows(range(count - 1, -1, -1), question.tasks[::-1])[::-1]
    assert cosine_distance(backwards, together).max() <= ALONE[precision]
    for index in range(count):
        alone = rows([index], (question.tasks[index],))
        assert cosine_distance(alone, together[index : index + 1]).max() <= ALONE[precision], f"text {index}"
        other = tuple(question.tasks[index] if at == index else Task.SEPARATION for at in range(count))
        among = rows(range(count), other)[index : index + 1]
        assert cosine_distance(among, together[index : index + 1]).max() <= ALONE[precision], f"text {index}"
