"""The suite's measures against sklearn's, scipy's and what is known by hand."""

import numpy as np
import pytest
from evaluation.offline import scores

CHANCE = np.random.default_rng(3)


def unit(rows: int, columns: int = 8) -> np.ndarray:
    vectors = CHANCE.normal(size=(rows, columns))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.slow  # to import sklearn takes seconds
def test_ndcg_is_sklearns() -> None:
    from sklearn.metrics import ndcg_score

    queries, documents = unit(20), unit(50)
    relevant = [{int(d): 1.0 + (n == 0) for n, d in enumerate(CHANCE.permutation(50)[:5])} for _ in queries]
    gains = np.zeros((20, 50))
    for row, one in zip(gains, relevant, strict=True):
        for document, gain in one.items():
            row[document] = gain
    assert scores.ndcg(queries, documents, relevant) == pytest.approx(ndcg_score(gains, queries @ documents.T, k=10))


def test_ndcg_by_hand() -> None:
    documents = np.eye(3)
    queries = np.array([[0.9, 0.5, 0.1]])  # in the order of their numbers
    assert scores.ndcg(queries, documents, [{0: 1.0}]) == 1.0
    assert scores.ndcg(queries, documents, [{1: 1.0}]) == pytest.approx(1 / np.log2(3))
    assert scores.ndcg(queries, documents, [{2: 1.0}], k=2) == 0.0


def test_a_vector_that_has_not_length_one_shows() -> None:
    documents = np.eye(3) * [[1.0], [3.0], [1.0]]
    assert scores.ndcg(np.array([[0.9, 0.5, 0.1]]), documents, [{0: 1.0}]) < 1.0


@pytest.mark.slow
def test_spearman_is_scipys_with_ties() -> None:
    from scipy.stats import spearmanr

    first, second = unit(40), unit(40)
    right = CHANCE.integers(0, 5, 40) / 4
    cosines = (first * second).sum(axis=1)
    assert scores.spearman(first, second, right) == pytest.approx(spearmanr(cosines, right).statistic)


def test_accuracy_of_neighbours_by_hand() -> None:
    train, labels = np.array([[1.0, 0], [0.9, 0.1], [0, 1.0], [0.1, 0.9], [0.2, 0.8]]), [0, 0, 1, 1, 1]
    test = np.array([[1.0, 0], [0, 1.0]])
    assert scores.accuracy(train, labels, test, [0, 1], neighbours=3) == 1.0
    assert scores.accuracy(train, labels, test, [1, 1], neighbours=3) == 0.5
    assert scores.accuracy(train, labels, test, [0, 1], neighbours=5) == 0.5  # three of five are of label 1
    assert scores.accuracy(train, [0, 1, 1, 0, 1], test[:1], [0], neighbours=2) == 1.0  # a tie goes to the nearer


def test_spearman_by_hand() -> None:
    first = np.array([[0.1], [0.2], [0.3], [0.4]])
    one = np.ones((4, 1))
    assert scores.spearman(first, one, [1, 2, 3, 4]) == pytest.approx(1.0)
    assert scores.spearman(first, one, [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert scores.spearman(first, one, [1, 3, 2, 4]) == pytest.approx(0.8)  # 1 - 6·(1 + 1) / (4·15)
    assert scores.spearman(first, one, [1, 1, 2, 2]) == pytest.approx(2 / 5**0.5)  # ranks 1.5, 1.5, 3.5, 3.5


def test_v_measure_by_hand() -> None:
    assert scores.agreement([1, 1, 0, 0], [0, 0, 1, 1]) == pytest.approx(1.0)
    assert scores.agreement([0, 0, 0, 0], [0, 0, 1, 1]) == pytest.approx(0.0)
    assert scores.agreement([0, 1, 2, 3], [0, 0, 1, 1]) == pytest.approx(2 / 3)  # homogeneous 1, complete 1/2


@pytest.mark.slow
def test_v_measure_is_sklearns() -> None:
    from sklearn.metrics import v_measure_score

    for _ in range(5):
        found, right = CHANCE.integers(0, 4, 60).tolist(), CHANCE.integers(0, 6, 60).tolist()
        assert scores.agreement(found, right) == pytest.approx(v_measure_score(right, found))


def test_groups_that_lie_apart_are_found() -> None:
    centres = 10 * np.eye(4)
    right = [0, 1, 2, 3] * 10
    assert scores.v_measure(centres[right] + CHANCE.normal(size=(40, 4)), right) == pytest.approx(1.0)
