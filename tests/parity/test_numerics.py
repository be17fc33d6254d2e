"""The checks that ``tests/gpu`` makes on a CUDA device, here on the CPU: right vectors pass and each fault is found."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.support.case import Case
from tests.support.numerics import Answers, Encodes, check_neighbours, check_question, questions

from jina_v3.encoder import Encoder

NAMES = [
    "tasks mixed",
    "tasks mixed, cut",
    "short texts",
    "no task",
    "all separation",
    "late chunking",
    "late chunking, no task, cut",
]


@pytest.fixture(scope="module")
def answers(tiny: Case) -> Answers:
    return Answers(tiny, "cpu")


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def encoder(request: pytest.FixtureRequest, tiny: Case) -> Encoder:
    return Encoder.from_folder(tiny.folder("original"), device="cpu", dtype=request.param)


class Faulty:
    """An encoder whose vectors, or whose arguments, are changed on the way."""

    def __init__(self, encoder: Encoder, vectors: Callable = lambda x, _texts: x, **arguments: object) -> None:
        self._encoder, self._vectors, self._arguments = encoder, vectors, arguments

    def encode(self, texts, *, task, dimensions, late_chunking=False):
        asked = {"task": task, "dimensions": dimensions, "late_chunking": late_chunking} | self._arguments
        return self._vectors(np.array(self._encoder.encode(texts, **asked)), texts)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def with_noise(vectors: np.ndarray, _texts: object) -> np.ndarray:
    vectors[-1] += 0.1 * np.random.default_rng(0).standard_normal(vectors.shape[1]) / vectors.shape[1] ** 0.5
    return unit(vectors)


def not_finite(vectors: np.ndarray, _texts: object) -> np.ndarray:
    vectors[2, 5] = np.nan
    return vectors


def too_long(vectors: np.ndarray, _texts: object) -> np.ndarray:
    return vectors * 1.001


def leaking(vectors: np.ndarray, texts: object) -> np.ndarray:
    return unit(vectors + 0.05 * vectors[:1]) if len(texts) > 1 else vectors


def shifted(vectors: np.ndarray, _texts: object) -> np.ndarray:
    return np.roll(vectors, 1, axis=0)


@pytest.mark.parametrize("name", NAMES)
def test_right_vectors_pass(encoder: Encoder, answers: Answers, name: str) -> None:
    check_question(encoder, answers, name, encoder.dtype)


def test_rows_do_not_depend_on_their_neighbours(encoder: Encoder, answers: Answers) -> None:
    check_neighbours(encoder, answers, encoder.dtype)


@pytest.mark.parametrize("fault", [with_noise, not_finite, too_long, shifted])
@pytest.mark.parametrize("name", NAMES)
def test_wrong_vectors_are_found(encoder: Encoder, answers: Answers, name: str, fault: Callable) -> None:
    with pytest.raises(AssertionError):
        check_question(Faulty(encoder, fault), answers, name, encoder.dtype)


@pytest.mark.parametrize("name", ["tasks mixed", "tasks mixed, cut", "all separation", "late chunking"])
def test_an_ignored_task_is_found(encoder: Encoder, answers: Answers, name: str) -> None:
    with pytest.raises(AssertionError):
        check_question(Faulty(encoder, task=None), answers, name, encoder.dtype)


@pytest.mark.parametrize("name", ["late chunking", "late chunking, no task, cut"])
def test_chunks_read_apart_are_found(encoder: Encoder, answers: Answers, name: str) -> None:
    with pytest.raises(AssertionError):
        check_question(Faulty(encoder, late_chunking=False), answers, name, encoder.dtype)


def test_a_row_that_sees_its_neighbours_is_found(encoder: Encoder, answers: Answers) -> None:
    faulty: Encodes = Faulty(encoder, leaking)
    with pytest.raises(AssertionError):
        check_neighbours(faulty, answers, encoder.dtype)


def test_every_combination_of_tasks_is_asked(tiny: Case) -> None:
    asked = {frozenset(one.tasks) for one in questions(tiny)}
    assert max(len(tasks) for tasks in asked) == 6
    assert len([tasks for tasks in asked if len(tasks) == 1]) == 6
