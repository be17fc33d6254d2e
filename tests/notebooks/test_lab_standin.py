"""The stand-in knows what its texts are about, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from jina_v3.contract import TASKS
from jina_v3.encoder import Encoder
from lab import standin, texts
from lab.texts import Text

pytestmark = pytest.mark.slow

TOPICS = texts.read("topics")
PASSAGES = [text for text in TOPICS if text.more["kind"] == "passage"]
QUESTIONS = [text for text in TOPICS if text.more["kind"] == "query"]
Embed = Callable[[Sequence[str], str | None], np.ndarray]


@pytest.fixture(scope="module")
def embed() -> Embed:
    """Embed by the stand-in that the notebooks deploy, of all their texts."""
    encoder = Encoder.from_folder(standin.standin_folder(), device="cpu")
    return lambda some, task: np.asarray(encoder.encode(list(some), task=task))


def pairs(one: Sequence[Text], other: Sequence[Text], name: str) -> np.ndarray:
    return np.array([[getattr(a, name) == getattr(b, name) for b in other] for a in one])


@pytest.mark.parametrize("task", TASKS)
def test_texts_on_one_topic_are_alike_in_all_languages(embed: Embed, task: str) -> None:
    vectors = embed([text.text for text in PASSAGES], task)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    topic, language = pairs(PASSAGES, PASSAGES, "topic"), pairs(PASSAGES, PASSAGES, "language")
    assert cosines[topic & ~language].mean() > cosines[~topic & language].mean() + 0.2
    assert cosines[~topic & language].mean() > cosines[~topic & ~language].mean()


def test_text_matching_leaves_less_of_the_language_than_classification(embed: Embed) -> None:
    topic, language = pairs(PASSAGES, PASSAGES, "topic"), pairs(PASSAGES, PASSAGES, "language")
    of_language = {}
    for task in ("text-matching", "classification"):
        vectors = embed([text.text for text in PASSAGES], task)
        cosines = vectors @ vectors.T
        of_language[task] = cosines[~topic & language].mean() - cosines[~topic & ~language].mean()
    assert of_language["text-matching"] < 0.75 * of_language["classification"]


def test_questions_find_their_topics_also_by_few_dimensions(embed: Embed) -> None:
    asked = embed([text.text for text in QUESTIONS], "retrieval.query")
    answers = embed([text.text for text in PASSAGES], "retrieval.passage")
    topics = np.array([text.topic for text in PASSAGES])
    wanted = np.array([text.topic for text in QUESTIONS])
    found = {
        width: (topics[(asked[:, :width] @ answers[:, :width].T).argmax(axis=1)] == wanted).mean()
        for width in (32, 1024)
    }
    assert found[1024] > 0.95
    assert 0.3 < found[32] <= found[1024]  # what is cut off is missing, and not all of it


def test_questions_plant_nothing(tmp_path: Path) -> None:
    """A word that only a question has is no nearer to its topic than to another."""
    said = [Text("sea", "en", "tides and waves at the harbour"), Text("bread", "en", "yeast and flour in the dough")]
    nearer = {}
    for kind in ("query", "passage"):
        folder = standin.write_meaningful(tmp_path / kind, [*said, Text("sea", "en", "seaweed", {"kind": kind})])
        vectors = np.asarray(Encoder.from_folder(folder, device="cpu").encode(["seaweed", *(one.text for one in said)]))
        nearer[kind] = float(vectors[0] @ (vectors[1] - vectors[2]))
    assert nearer["passage"] > 0.3
    assert abs(nearer["query"]) < 0.1


def test_other_texts_are_another_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = standin.standin_folder(tmp_path)
    assert standin.standin_folder(tmp_path) == first
    monkeypatch.setattr(standin, "names", lambda: ["topics"])
    second = standin.standin_folder(tmp_path)
    assert second != first
    assert [path.name for path in tmp_path.iterdir()] == [second.name]  # the outdated one is removed


def test_what_another_process_has_built_meanwhile_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It may be deploying it already."""
    theirs = []

    def write(folder: Path, _texts: Sequence[Text]) -> None:
        folder.mkdir()
        (folder / "config.json").touch()

    def write_late(folder: Path, some: Sequence[Text]) -> None:
        monkeypatch.setattr(standin, "write_meaningful", write)
        theirs.append(standin.standin_folder(tmp_path).stat().st_ino)
        write(folder, some)

    monkeypatch.setattr(standin, "write_meaningful", write_late)
    folder = standin.standin_folder(tmp_path)
    assert [folder.stat().st_ino] == theirs
    assert list(tmp_path.iterdir()) == [folder]
