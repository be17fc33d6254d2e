import json

import numpy as np
import pytest
from demo.corpus import LANGUAGES, load_corpus
from demo.dataset import passage_id, query_id, read_vectors, write_dataset

from jina_v3_client.batch import BatchRecord

CORPUS = load_corpus()
BAD = {"de": "not JSON", "en": "too long", "fr": "no text", "ja": "wrong task"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("demo") / "texts"
    write_dataset(folder, CORPUS)
    return {path.stem: path.read_text(encoding="utf-8").splitlines() for path in folder.iterdir()}


def test_there_is_a_file_for_each_language_and_one_of_queries(files: dict[str, list[str]]) -> None:
    assert set(files) == {*LANGUAGES, "queries"}
    for language in LANGUAGES:
        right = [line for number, line in enumerate(files[language], 1) if number != 2 or language not in BAD]
        for record in map(json.loads, right):
            assert record["language"] == language
            assert "task" not in record
    assert {json.loads(line)["task"] for line in files["queries"]} == {"retrieval.query"}


def test_every_text_is_there_under_an_id_of_its_own(files: dict[str, list[str]]) -> None:
    texts = {
        record["id"]: record["text"]
        for name, lines in files.items()
        for number, line in enumerate(lines, 1)
        if not (name in BAD and number == 2)
        for record in [json.loads(line)]
    }
    passages = {passage_id(passage): passage.text for passage in CORPUS.passages}
    assert texts == passages | {query_id(query): query.text for query in CORPUS.queries}


def test_the_second_line_of_four_files_is_wrong_in_its_own_way(files: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="Unterminated string"):
        json.loads(files["de"][1])
    assert len(json.loads(files["en"][1])["text"].split()) > 8192
    assert "text" not in json.loads(files["fr"][1])
    assert json.loads(files["ja"][1])["task"] == "retrieval.passages"


def test_vectors_come_in_the_order_of_the_ids() -> None:
    records = [
        BatchRecord(id=name, vector=np.array(vector, np.float32), tokens=1, metadata={}, file="x.jsonl", line=line)
        for line, (name, vector) in enumerate({"a": [1, 0], "c": [0, 1]}.items(), 1)
    ]
    np.testing.assert_array_equal(read_vectors(records, ["c", "a"]), [[0, 1], [1, 0]])
    with pytest.raises(KeyError, match="b"):
        read_vectors(records, ["b"])
