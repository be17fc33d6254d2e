"""The contract's numerics for every combination of kernels, attention, graphs and precision, on outlier channels.

What is compared, and how: ``tests/support/numerics.py``.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tests.support.case import EVERY_TASK, Case
from tests.support.checkpoints import FULL_WIDTH
from tests.support.numerics import Answers, check_neighbours, check_question

from jina_v3.contract import TASKS
from jina_v3.encoder import Encoder
from jina_v3.encoder.fused.attention import why_not
from jina_v3.encoder.options import EngineOptions

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
QUESTIONS = [
    "tasks mixed", "tasks mixed, cut", "short texts", "no task", *(f"all {task.value}" for task in TASKS),
    "late chunking", "late chunking, no task, cut",
]  # fmt: skip


@dataclass(frozen=True)
class Combination:
    kernels: str
    attention: str
    graphs: bool
    dtype: str

    def __str__(self) -> str:
        return f"{self.kernels}-{self.attention}-{'graphs' if self.graphs else 'eager'}-{self.dtype}"

    def reason_to_skip(self) -> str | None:
        capability = torch.cuda.get_device_capability() if torch.cuda.is_available() else (0, 0)
        if capability < (8, 0) and (self.kernels == "triton" or self.dtype == "bfloat16"):
            return f"compute capability {capability} is below 8.0"
        if self.dtype == "float8" and capability < (8, 9):
            return f"compute capability {capability} has no float8"
        if self.dtype == "float16-fast" and not hasattr(torch.backends.cuda.matmul, "allow_fp16_accumulation"):
            return f"torch {torch.__version__} has no fp16 accumulation"
        if self.attention in ("cudnn", "flash3"):
            dtype = torch.float16 if self.dtype == "float16" else torch.bfloat16
            if reason := why_not(self.attention, torch.device("cuda", 0), dtype):
                return f"{self.attention}: {reason}"
        return None

    def load(self, case: Case) -> Encoder:
        options = EngineOptions(kernels=self.kernels, attention=self.attention, graphs=self.graphs)
        return Encoder.from_folder(case.folder("original"), device="cuda", dtype=self.dtype, options=options)


# the portable pass has no graphs, and SDPA reads lengths on the host, which a graph cannot record
COMBINATIONS = [
    *(Combination("triton", "auto", *rest)
      for rest in itertools.product([True, False], ["bfloat16", "float16", "float16-fast", "float8"])),
    *(Combination("triton", "sdpa", False, dtype) for dtype in ("bfloat16", "float16")),
    *(Combination("torch", "auto", False, dtype) for dtype in ("float32", "bfloat16", "float16", "float16-fast")),
    *(Combination("triton", kind, False, dtype) for kind in ("cudnn", "flash3") for dtype in ("bfloat16", "float16")),
]  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return Answers(Case(tmp_path_factory.mktemp("parity"), FULL_WIDTH), "cuda")


@pytest.fixture(scope="module", params=COMBINATIONS, ids=str)
def combination(request: pytest.FixtureRequest) -> Combination:
    if reason := request.param.reason_to_skip():
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="module")
def encoder(combination: Combination, answers: Answers) -> Iterator[Encoder]:
    yield combination.load(answers.case)
    torch.cuda.empty_cache()


@pytest.mark.parametrize("name", QUESTIONS)
def test_vectors_are_the_oracles(combination: Combination, encoder: Encoder, answers: Answers, name: str) -> None:
    check_question(encoder, answers, name, combination.dtype)


def test_a_row_in_a_batch_is_the_row_alone(combination: Combination, encoder: Encoder, answers: Answers) -> None:
    check_neighbours(encoder, answers, combination.dtype)


def test_asked_twice_the_vectors_are_the_same_bits(encoder: Encoder, answers: Answers) -> None:
    question = answers.questions["tasks mixed"]
    first = question.ask(encoder)
    for _ in range(3):
        np.testing.assert_array_equal(question.ask(encoder), first)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8"])
def test_graphs_change_no_bit(answers: Answers, dtype: str) -> None:
    """One text and few, of every task and of none: what graphs are for; then all again in another order."""
    replayed, eager = (Combination("triton", "auto", graphs, dtype) for graphs in (True, False))
    if reason := replayed.reason_to_skip():
        pytest.skip(reason)
    with_graphs, without = replayed.load(answers.case), eager.load(answers.case)
    texts = answers.case.texts
    asked = [([text], task) for text in texts[:6] for task in EVERY_TASK]
    asked += [(texts[:count], task) for count in (2, 3, 5, len(texts)) for task in EVERY_TASK]
    for chosen, task in [*asked, *reversed(asked)]:
        one, other = (np.asarray(encoder.encode(chosen, task=task)) for encoder in (with_graphs, without))
        np.testing.assert_array_equal(one, other, err_msg=f"{len(chosen)} texts, task {task}")
