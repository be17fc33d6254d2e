"""The offline suite: right on a sound engine, and each fault of the machinery is seen."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation.mteb.engine import EngineClient
from evaluation.offline import __main__ as program
from evaluation.offline import suite
from evaluation.offline.oracle import Oracle
from evaluation.offline.standin import CONFIG, write_bag_of_words
from evaluation.offline.texts import Inputs, make_inputs

from jina_v3.contract import PROMPTS, Task
from jina_v3.encoder import Encoder
from jina_v3.tokens import sequencer
from jina_v3.tokens.sequencer import Sequencer

RETRIEVAL = {"retrieval", "retrieval at 32", "late chunking"}
ALL = {*RETRIEVAL, "STS", "classification", "clustering"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag_of_words(tmp_path_factory.mktemp("bag") / "model")


@pytest.fixture(scope="module")
def oracle(folder: Path) -> Oracle:
    return Oracle(folder)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return make_inputs()


@pytest.fixture(scope="module")
def engine(folder: Path) -> EngineClient:
    return EngineClient(Encoder.from_folder(folder, device="cpu", dtype="float32"))


@pytest.fixture
def seen(oracle: Oracle, inputs: Inputs) -> Callable[[Any], set[str]]:
    return lambda client: {one.name for one in suite.run(client, oracle, inputs) if not one.passed}


def test_a_sound_engine_has_the_oracles_vectors_and_scores(
    engine: EngineClient, oracle: Oracle, inputs: Inputs
) -> None:
    results = list(suite.run(engine, oracle, inputs))
    assert {one.name for one in results} == ALL
    for one in results:
        assert one.passed, one
        assert 0.2 < one.expected < 0.95, f"{one.name} is too easy or too hard to show a fault"


def test_scores_are_not_decided_by_rounding(oracle: Oracle, inputs: Inputs) -> None:
    """Vectors as far off as rounding takes them must have the same scores, on whatever machine they were made."""
    chance = np.random.default_rng(5)

    class Rounded:
        def embed(self, texts: Any, **parameters: Any) -> Any:
            vectors = oracle.embed(texts, **parameters)
            return Vectors(vectors + chance.uniform(-1, 1, vectors.shape) * suite.VECTOR_TOLERANCE)

    for one in suite.run(Rounded(), oracle, inputs):
        assert one.score == pytest.approx(one.expected, abs=suite.SCORE_TOLERANCE), one


@dataclasses.dataclass
class Vectors:
    vectors: np.ndarray


class Faulty:
    """A sound embedder, which is the oracle itself, with a fault before or after it."""

    def __init__(self, oracle: Oracle, **changes: Callable[..., Any]) -> None:
        self.oracle, self.changes = oracle, changes

    def embed(self, texts: list[str], **parameters: Any) -> Any:
        before = self.changes.get("before", lambda parameters: parameters)
        after = self.changes.get("after", lambda vectors, parameters: vectors)
        return Vectors(after(self.oracle.embed(texts, **before(dict(parameters))), parameters))


@pytest.mark.parametrize(
    ("given", "instead", "caught"),
    [
        (Task.RETRIEVAL_QUERY, Task.RETRIEVAL_PASSAGE, RETRIEVAL),
        (Task.RETRIEVAL_PASSAGE, Task.RETRIEVAL_QUERY, RETRIEVAL),
        (Task.SEPARATION, Task.CLASSIFICATION, {"clustering"}),
        (Task.CLASSIFICATION, Task.SEPARATION, {"classification"}),
        (Task.TEXT_MATCHING, Task.CLASSIFICATION, {"STS"}),
    ],
)
def test_a_wrong_adapter_is_seen(oracle: Oracle, seen: Any, given: Task, instead: Task, caught: set[str]) -> None:
    def swap(parameters: dict[str, Any]) -> dict[str, Any]:
        return parameters | {"task": instead.value if parameters["task"] == given else parameters["task"]}

    assert seen(Faulty(oracle, before=swap)) == caught


def test_a_cut_after_normalising_is_seen(oracle: Oracle, seen: Any) -> None:
    faulty = Faulty(
        oracle,
        before=lambda parameters: parameters | {"dimensions": CONFIG.hidden},
        after=lambda vectors, parameters: vectors[:, : parameters["dimensions"]],
    )
    assert seen(faulty) == {"retrieval at 32"}


def test_swapped_rows_are_seen(oracle: Oracle, seen: Any) -> None:
    def swap(vectors: np.ndarray, parameters: Any) -> np.ndarray:
        vectors[[0, 1]] = vectors[[1, 0]]
        return vectors

    assert seen(Faulty(oracle, after=swap)) == ALL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "caught"),
    [(Task.RETRIEVAL_QUERY, RETRIEVAL), (Task.RETRIEVAL_PASSAGE, {"retrieval", "retrieval at 32"})],
)
def test_a_prompt_left_out_by_the_engine_is_seen(
    engine: EngineClient, seen: Any, monkeypatch: pytest.MonkeyPatch, task: Task, caught: set[str]
) -> None:
    monkeypatch.setitem(PROMPTS, task, "")  # a document's of chunks was read when the engine was made
    assert seen(engine) == caught


@pytest.mark.slow
def test_a_prompt_left_out_of_a_document_of_chunks_is_seen(
    engine: EngineClient, seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = sequencer.join_chunks
    monkeypatch.setattr(sequencer, "join_chunks", lambda head, chunks, tail: sound(head[:1], chunks, tail))
    assert seen(engine) == {"late chunking"}


def test_a_mean_over_padding_is_seen(engine: EngineClient, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Sequencer.sequence

    def padded(self: Sequencer, ids: Any, task: Task | None, row: int) -> Any:
        padding = np.ones(-len(ids) % 16, ids.dtype)  # <pad> is 1
        return sound(self, np.concatenate([ids, padding]), task, row)

    monkeypatch.setattr(Sequencer, "sequence", padded)
    assert seen(engine) == ALL


def test_spans_of_late_chunks_off_by_one_are_seen(
    engine: EngineClient, seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = sequencer.join_chunks

    def shifted(head: Any, chunks: Any, tail: Any) -> Any:
        ids, lengths = sound(head, chunks, tail)
        lengths = np.array(lengths)
        lengths[0] += 1
        lengths[1] -= 1
        return ids, lengths

    monkeypatch.setattr(sequencer, "join_chunks", shifted)
    assert seen(engine) == {"late chunking"}


def test_chunks_embedded_one_by_one_are_seen(oracle: Oracle, seen: Any) -> None:
    faulty = Faulty(oracle, before=lambda parameters: parameters | {"late_chunking": False})
    assert seen(faulty) == {"late chunking"}


def test_nan_is_no_agreement(oracle: Oracle, inputs: Inputs) -> None:
    class Broken:
        def embed(self, texts: Any, **parameters: Any) -> Any:
            return Vectors(oracle.embed(texts, **parameters) * np.nan)

    with np.errstate(invalid="ignore"):
        assert not any(one.passed for one in suite.run(Broken(), oracle, inputs))


@pytest.mark.parametrize(("off", "status", "word"), [(0.0, 0, "pass"), (1.0, 1, "FAIL")])
def test_the_program_prints_a_table_and_says_whose_figures_they_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], off: float, status: int, word: str
) -> None:
    one = suite.Result(name="STS", measure="Spearman", score=0.5, expected=0.5, off=off)
    monkeypatch.setattr(program, "run", lambda *_: [one])
    assert program.main([]) == status
    said = " ".join(capsys.readouterr().out.split())
    assert word in said
    assert "nothing about jina-embeddings-v3" in said
