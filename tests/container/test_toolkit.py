"""The handlers under AWS's own toolkit, from an unpacked archive that our packaging made."""

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.wire import check_error, from_base64, from_float, strict_json

from jina_v3_infra.artifact import write_artifact

PARQUET = "application/x-parquet"
DRIVER = Path(__file__).with_name("toolkit_driver.py")
GOOD = {"data": [{"text": "the sun rises", "id": "x"}], "parameters": {"dimensions": 8}}


@dataclass
class Answer:
    status: int
    phrase: str
    content_type: str
    body: bytes


class Toolkit:
    """AWS's toolkit in a process of its own."""

    def __init__(self, base: Path, model_dir: Path) -> None:
        keep = ("PATH", "HOME", "LANG", "TMPDIR")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        environment |= {
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_PROGRAM": "inference.py",
            "TOOLKIT_MODEL_DIR": str(model_dir),
            "JINA_V3_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, DRIVER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.package = Path(self._read()["package"])

    def ask(self, body: bytes | str | object, content_type: str | None = "application/json", accept: str | None = None):
        body = body if isinstance(body, bytes | str) else json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        given = {"Content-Type": content_type, "Accept": accept}
        headers = {name: value for name, value in given.items() if value is not None}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"headers": headers, "body": base64.b64encode(body).decode()}) + "\n")
        self.process.stdin.flush()
        answer = self._read()
        return Answer(**(answer | {"body": base64.b64decode(answer["body"])}))

    def close(self) -> None:
        self.process.communicate(timeout=120)
        assert self.process.returncode == 0

    def _read(self) -> dict:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):  # the toolkit writes its own log lines too
                return json.loads(line)
        raise AssertionError(f"the toolkit ended: {self.process.wait()}")


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("ml")
    archive = write_artifact(tiny_model, base / "model.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(base / "model", filter="data")
    return base


@pytest.fixture(scope="module")
def toolkit(base: Path) -> Iterator[Toolkit]:
    toolkit = Toolkit(base, base / "model")
    yield toolkit
    toolkit.close()


def test_the_code_is_the_archives(toolkit, base):
    assert toolkit.package == base / "model" / "code" / "jina_v3"


def test_each_shape(toolkit):
    sagemaker = toolkit.ask(GOOD)
    assert (sagemaker.status, sagemaker.content_type) == (200, "application/json")
    item = strict_json(sagemaker.body)["data"][0]
    assert (item["id"], len(item["embedding"])) == ("x", 8)
    api = {"input": ["the sun rises"], "task": "text-matching", "dimensions": 8, "embedding_type": "base64"}
    (packed,) = strict_json(toolkit.ask(api).body)["data"]
    assert from_base64(packed["embedding"]).tobytes() == from_float(item["embedding"]).tobytes()
    record = '{"text":"the sun rises","task":"text-matching","dimensions":8}\n{bad\n'
    lines = toolkit.ask(record, "application/jsonlines", "application/jsonlines")
    assert (lines.status, lines.content_type) == (200, "application/jsonlines")
    good, bad = map(strict_json, lines.body.splitlines())
    assert good["embedding"] == item["embedding"]
    assert bad["error"]["code"] == "not_json"


def test_shapes_of_others(toolkit):
    texts = ["the sun rises", "port"]
    (first, _) = strict_json(toolkit.ask({"inputs": texts, "dimensions": 8}).body)
    assert len(first) == 8
    vectors = strict_json(toolkit.ask({"inputs": texts, "task": None, "dimensions": 8}).body)["vectors"]
    floats = strict_json(toolkit.ask({"texts": texts, "task": None, "dimensions": 8}).body)["embeddings"]
    assert from_float(vectors[0]).tolist() == from_float(floats[0]).tolist() == from_float(first).tolist()
    array = toolkit.ask({"inputs": texts, "dimensions": 8}, accept="application/x-npy")
    assert array.content_type == "application/x-npy"
    assert np.load(io.BytesIO(array.body))[0].tolist() == from_float(first).tolist()


def test_text_csv_and_parquet(toolkit):
    (plain,) = strict_json(toolkit.ask("the sun rises", "text/plain").body)["data"]
    rows = strict_json(toolkit.ask('a,the sun rises\nb,""\n', "text/csv").body)["data"]  # the toolkit makes it a str
    assert [row["id"] for row in rows] == ["a", "b"]
    assert rows[0]["embedding"] == plain["embedding"]
    assert rows[1]["error"]["code"] == "empty_text"
    body = io.BytesIO()
    pq.write_table(pa.table({"text": ["the sun rises"], "city": ["Ulm"]}), body)
    for accept in (PARQUET, "application/jsonlines"):
        answer = toolkit.ask(body.getvalue(), PARQUET, accept)
        assert (answer.status, answer.content_type) == (200, accept)
        (row,) = pq.read_table(io.BytesIO(answer.body)).to_pylist() if accept == PARQUET else [strict_json(answer.body)]
        assert (row["city"], from_float(row["embedding"]).tolist()) == ("Ulm", from_float(plain["embedding"]).tolist())


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", None])
def test_bodies_that_the_toolkit_passes_as_bytes(toolkit, content_type):
    answer = toolkit.ask(GOOD, content_type, "*/*")
    assert (answer.status, answer.content_type) == (200, "application/json")


def test_the_toolkits_default_accept_gives_a_list_for_json_lines(toolkit):
    answer = toolkit.ask('{"text":"sun"}\n{"text":"port"}', "application/jsonlines")
    assert (answer.content_type, len(strict_json(answer.body))) == ("application/json", 2)


BAD = [
    ("{bad", "application/json", None, "not_json"),
    ("", "application/json", None, "not_json"),
    (b"\xff\xfe", "application/json; charset=utf-8", None, "not_utf8"),
    ({"nope": 1}, "application/json", None, "unknown_shape"),
    ({"data": [5]}, "application/json", None, "wrong_type"),
    ({"input": ["a", ""]}, "application/json", None, "empty_text"),
    ({"input": "a", "task": "x"}, "application/json", None, "unknown_task"),
    ({"input": "sun " * 9000}, "application/json", None, "text_too_long"),
    ({"input": ["a"] * 2049}, "application/json", None, "too_many_texts"),
    (rb'{"input":"\ud800"}', "application/json", None, "invalid_text"),
    ("a,b", "text/html", None, "unsupported_media_type"),
    ("id,content\na,b", "text/csv; header=present", None, "missing_field"),
    (b"PAR1", PARQUET, None, "not_parquet"),
    (b"\xff", "text/plain", None, "not_utf8"),
    (GOOD, "application/json", "image/png", "not_acceptable"),
    ('{"text":"a"}', "application/jsonlines", "application/x-npy", "not_acceptable"),
    ({"input": "a", "embedding_type": "int8"}, "application/json", "application/x-npy", "invalid_value"),
]


@pytest.mark.parametrize(("body", "content_type", "accept", "code"), BAD)
def test_bad_requests_have_their_status_and_body_and_leave_the_next_alone(toolkit, body, content_type, accept, code):
    answer = toolkit.ask(body, content_type, accept)
    error = check_error(answer.body, answer.status)
    assert (error["code"], answer.content_type) == (code, "application/json")
    assert error["request_id"].startswith("request-")
    assert answer.phrase == HTTPStatus(answer.status).phrase
    after = toolkit.ask(GOOD)
    assert (after.status, after.phrase) == (200, "OK")
    assert len(strict_json(after.body)["data"]) == 1


def test_a_model_dir_that_is_the_code_folder(base):
    toolkit = Toolkit(base, base / "model" / "code")
    assert toolkit.ask(GOOD).status == 200
    toolkit.close()
