"""mteb's own machinery over its own mock tasks, with our engine: `make test-integrations` runs these."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from jina_v3.encoder import Encoder

pytest.importorskip("mteb", reason="make test-integrations")

import mteb
from datasets import Dataset, DatasetDict
from evaluation.figures import FOLDER, read_table
from evaluation.mteb import __main__ as program
from evaluation.mteb import sets
from evaluation.mteb.engine import EngineClient, fingerprint
from evaluation.mteb.running import LostError, Outcome, run
from evaluation.mteb.sets import Chosen, UnknownTaskError, find_tasks
from evaluation.offline.oracle import Oracle
from evaluation.offline.scores import spearman
from evaluation.offline.standin import write_bag_of_words
from evaluation.offline.texts import make_inputs
from mteb.mocks import mock_tasks

from jina_v3_client.integrations.mteb import JinaV3Encoder

# mteb's own, and of the few samples that its mock tasks have
pytestmark = pytest.mark.filterwarnings(
    "ignore:To copy construct from a tensor", "ignore:.*ill-defined", "ignore:.*cast"
)

TASKS = [
    "MockRetrievalTask",
    "MockRerankingTask",
    "MockMultilingualClusteringFastTask",
    "MockClassificationTask",
    "MockPairClassificationTask",
    "MockSTSTask",
    "MockMultilingualSTSTask",
    "MockSummarizationTask",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag_of_words(tmp_path_factory.mktemp("bag") / "bag-of-words")


@pytest.fixture(scope="module")
def client(folder: Path) -> EngineClient:
    return EngineClient(Encoder.from_folder(folder, device="cpu", dtype="float32"))


@pytest.fixture
def mocks(monkeypatch: pytest.MonkeyPatch) -> list[Chosen]:
    chosen = [Chosen(getattr(mock_tasks, name)()) for name in TASKS]
    monkeypatch.setattr(program, "find_tasks", lambda *_: chosen)
    monkeypatch.setattr(program, "stand_for", lambda _: {"mocks": {one.task.metadata.name for one in chosen}})
    monkeypatch.setattr(program, "check_cached", lambda _: None)
    monkeypatch.setattr(program, "check_hub", lambda: None)
    return chosen


def encode(client: EngineClient, texts: list[str], name: str, prompt: str | None = None, dimensions: int = 128):  # type: ignore[no-untyped-def]
    kind = None if prompt is None else mteb.types.PromptType(prompt)
    return JinaV3Encoder(
        client, dimensions=dimensions
    ).encode(  # type: ignore[arg-type]
        [{"text": texts[:3]}, {"text": texts[3:]}],
        task_metadata=mteb.get_task(name).metadata,
        hf_split="test",
        hf_subset="default",
        prompt_type=kind,
    )


@pytest.mark.parametrize(
    ("name", "prompt", "task"),
    [
        ("SciFact", "query", "retrieval.query"),
        ("SciFact", "document", "retrieval.passage"),
        ("ArguAna", "query", "text-matching"),
        ("CQADupstackTexRetrieval", "document", "text-matching"),
        ("STS12", None, "text-matching"),
        ("Banking77Classification", None, "classification"),
        ("SprintDuplicateQuestions", None, "classification"),
        ("BiorxivClusteringP2P", None, "separation"),
        ("AskUbuntuDupQuestions", None, "separation"),
    ],
)
def test_the_engine_embeds_each_kind_of_task_as_the_oracle_does_by_its_adapter(
    client: EngineClient, folder: Path, name: str, prompt: str | None, task: str
) -> None:
    texts = make_inputs().passages[:7]
    expected = Oracle(folder).embed(texts, task=task, dimensions=32)
    assert np.abs(encode(client, texts, name, prompt, 32) - expected).max() < 2e-6


def test_a_spearman_of_mteb_is_known_by_hand(client: EngineClient, folder: Path) -> None:
    """mteb's own evaluator, on pairs of our suite, gives what the oracle's vectors have."""
    pairs = make_inputs().pairs
    task = mock_tasks.MockSTSTask()
    first, second, right = (list(column) for column in zip(*pairs, strict=True))
    rows = {task.column_names[0]: first, task.column_names[1]: second, "score": right}
    task.dataset = {"default": DatasetDict({"test": Dataset.from_dict(rows)})}
    task.data_loaded = True
    result = mteb.evaluate(
        JinaV3Encoder(client, dimensions=128),  # type: ignore[arg-type]
        task,
        cache=None,
        co2_tracker=False,
        show_progress_bar=False,
    )
    vectors = [Oracle(folder).embed(texts, task="text-matching", dimensions=128) for texts in (first, second)]
    assert result.task_results[0].get_score() == pytest.approx(spearman(*vectors, right), abs=1e-6)


def test_the_program_evaluates_keeps_resumes_and_writes_tables(
    folder: Path,
    mocks: list[Chosen],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["--model", str(folder), "--tasks", "mocks", "--dimensions", "32,128", "--output", str(tmp_path)]
    assert program.main(arguments) == 0
    said = capsys.readouterr().out
    assert f"[{2 * len(TASKS)}/{2 * len(TASKS)}] MockSummarizationTask, 128 dimensions:" in said
    every = list(tmp_path.rglob("Mock*.json"))
    assert len(every) == 2 * len(TASKS)
    revision = fingerprint(folder)
    assert all(revision in str(path) for path in every)
    rows = list(csv.DictReader((tmp_path / "comparison.csv").read_text().splitlines()))
    assert {row["name"] for row in rows} > {mock.task.metadata.name for mock in mocks}
    assert "# engine/bag-of-words" in (tmp_path / "comparison.md").read_text()

    def embed(*_: object, **__: object) -> None:
        raise AssertionError("what is kept is not embedded again")

    monkeypatch.setattr(EngineClient, "embed", embed)
    assert program.main(arguments) == 0
    assert list(csv.DictReader((tmp_path / "comparison.csv").read_text().splitlines())) == rows


def test_a_task_that_fails_does_not_end_the_others(
    folder: Path,
    mocks: list[Chosen],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("the data set is torn")

    monkeypatch.setattr(mocks[0].task, "load_data", broken)
    assert program.main(["--model", str(folder), "--output", str(tmp_path)]) == program.INCOMPLETE
    streams = capsys.readouterr()
    assert "failed: MockRetrievalTask, 1024 dimensions" not in streams.out
    assert "the data set is torn" in streams.err
    assert len(list(tmp_path.rglob("Mock*.json"))) == len(TASKS) - 1


def test_a_network_that_goes_away_ends_the_run(
    client: EngineClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = mock_tasks.MockSTSTask()

    def gone(**_: object) -> None:
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(task, "load_data", gone)
    outcome = Outcome()
    with pytest.raises(LostError, match="run the same again to go on from here"):
        run(lambda _: JinaV3Encoder(client, revision="1"), [Chosen(task)], [128], tmp_path, say=print, outcome=outcome)  # type: ignore[arg-type]
    assert not outcome.failed


def test_every_set_is_known_to_mteb() -> None:
    counts = {name: len(find_tasks([name])) for name in sets.SETS}
    assert (counts["english"], counts["longembed"], counts["multilingual"]) == (56, 6, 131)
    assert {one.task.metadata.type for one in find_tasks(["matryoshka"])} == {"Retrieval", "STS"}
    assert len(find_tasks(["quick", "STSBenchmark", "STS12"])) == counts["quick"] + 1


def test_the_english_tables_counts_are_mtebs() -> None:
    described = json.loads((FOLDER / "mteb_english.json").read_text())["counts"]
    types = [str(one.task.metadata.type) for one in find_tasks(["english"])]
    assert {kind: types.count(kind) for kind in set(types)} == described


def test_published_tasks_and_languages_are_mtebs() -> None:
    for name in ("mteb_tasks", "longembed"):
        for row in read_table(name).rows:
            for column in row.scores:
                task, _, part = column.partition(" (")
                if task != "Average":
                    known = mteb.get_task(task).metadata.hf_subsets_to_langscripts
                    assert not part or part.rstrip(")") in known, column


def test_languages_leave_parts_of_tasks() -> None:
    (whole,) = find_tasks(["STS12", "STS22.v2"], ["eng"])[:1]
    assert whole.whole
    part = find_tasks(["STS22.v2"], ["deu"])[0]
    assert not part.whole
    assert set(part.task.hf_subsets) == {"de", "de-en", "de-fr", "de-pl"}
    with pytest.raises(UnknownTaskError, match="none of the tasks has anything in jpn"):
        find_tasks(["STS12"], ["jpn"])


def test_sets_that_have_different_parts_of_a_task_are_not_mixed() -> None:
    with pytest.raises(
        UnknownTaskError, match="different parts of AmazonCounterfactualClassification; run them one by one"
    ):
        find_tasks(["quick", "english"])
    assert sets.stand_for(["STS12", "longembed"])["STS12"] == {"STS12"}


def test_a_name_that_is_nothing_is_said_with_what_is_near() -> None:
    with pytest.raises(UnknownTaskError, match="did you mean STSBenchmark"):
        find_tasks(["STSBenchmrk"])


def test_other_weights_have_another_fingerprint(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert fingerprint(copy) == fingerprint(folder)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert fingerprint(copy) != fingerprint(folder)
