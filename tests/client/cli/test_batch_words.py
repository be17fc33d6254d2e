"""``jina-v3 batch`` over a double of the batch client: its own tests are in ``tests/client/batch``."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jina_v3_client.batch import BadRecord, BatchRecord, BatchStatus
from jina_v3_client.cli import clients
from jina_v3_client.cli.batch_report import tell_report
from jina_v3_client.errors import BatchError
from jina_v3_client.parameters import UNSET

Run = Callable[..., tuple[int, bytes, str]]


class Batch:
    """A client of which each run is itself."""

    name = "docs-1"

    def __init__(self) -> None:
        self.submitted: tuple[Any, dict[str, Any]] = (None, {})
        self.stopped = False
        self.answers: list[Any] = []
        self.left_out: list[BadRecord] = []
        self.ended: BaseException | None = None
        self.outcome = "complete"

    def submit(self, data: Any, **wishes: Any) -> Batch:
        self.submitted = data if isinstance(data, str | None) else list(data), wishes
        return self

    def run(self, name: str) -> Batch:
        assert name == self.name
        return self

    def runs(self, count: int) -> list[BatchStatus]:
        return [self.status()][:count]

    def status(self) -> BatchStatus:
        started = datetime(2026, 3, 1, 12, tzinfo=UTC)
        return BatchStatus(name=self.name, state="running", phase="embedding", started=started)

    def wait(self, *, progress: Any = None) -> BatchStatus:
        if progress is not None:
            progress(2, 3)
        if self.ended is not None:
            raise self.ended
        return BatchStatus(name=self.name, state="succeeded", outcome=self.outcome, records_done=3)

    def stop(self) -> None:
        self.stopped = True

    def result(self, *, partial: bool) -> Batch:
        return self

    def records(self) -> list[Any]:
        return self.answers

    @property
    def unsent(self) -> list[BadRecord]:
        return self.left_out

    def report(self) -> dict[str, Any]:
        estimate = {"records": 3, "tokens": 40, "hours": 0.2, "machine_hours": 0.2, "usd": 0.19, "assumptions": ["a"]}
        return {"run": self.name, "outcome": self.outcome, "estimate": estimate, "instance_type": "ml.g6.xlarge"}


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Batch:
    double = Batch()
    monkeypatch.setattr(clients, "open_batch", lambda _place: double)
    return double


def embedded(line: int, vector: Any, **more: Any) -> BatchRecord:
    vector = np.asarray(vector, np.float32)
    return BatchRecord(vector=vector, tokens=2, file="a.jsonl", line=line, **{"id": f"r{line}", **more})


def test_a_place_in_s3_is_submitted_with_what_was_said_and_nothing_else(run: Run, batch: Batch) -> None:
    status, out, err = run("batch", "submit", "s3://bucket/docs/", "--task", "none", "--max-usd", "2.5")
    data, wishes = batch.submitted
    assert (status, out) == (0, b"docs-1\n")
    assert "jina-v3 batch status docs-1 --follow" in err
    assert (data, wishes["format"]) == ("s3://bucket/docs/", "auto")
    assert (wishes["task"], wishes["dimensions"], wishes["embedding_type"]) == (None, UNSET, UNSET)
    assert (wishes["max_usd"], wishes["instances"], wishes["dry_run"]) == (2.5, None, False)


def test_what_is_in_s3_is_not_read_here(run: Run, batch: Batch) -> None:
    run("batch", "submit", "s3://bucket/docs/", "--input-format", "csv")
    assert batch.submitted[0] == "s3://bucket/docs/"
    assert batch.submitted[1]["format"] == "csv"
    assert (batch.submitted[1]["text_field"], batch.submitted[1]["id_field"]) == (None, None)
    run("batch", "submit", "s3://bucket/docs/", "--text-field", "body", "--id-field", "key", "--allow-missing-text")
    wanted = {"text_field": "body", "id_field": "key", "allow_missing_text": True}
    assert {name: batch.submitted[1][name] for name in wanted} == wanted


def test_lines_and_other_fields_are_submitted_as_records(
    run: Run, batch: Batch, stdin: Callable[[bytes], None], tmp_path: Path
) -> None:
    stdin(b"red\n\nblue\n")
    run("batch", "submit", "-")
    assert batch.submitted[0] == [{"text": "red"}, {"text": "blue"}]
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": 3, "body": "red", "city": "Ulm"}\n')
    run("batch", "submit", str(file), "--field", "body")
    assert batch.submitted[0] == [{"id": 3, "body": "red", "city": "Ulm"}]
    run("batch", "submit", str(file), "--text-field", "body", "--id-field", "city")
    assert batch.submitted[0] == [{"id": 3, "body": "red", "city": "Ulm"}]
    assert (batch.submitted[1]["text_field"], batch.submitted[1]["id_field"]) == ("body", "city")
    run("batch", "submit", str(file))
    assert batch.submitted[0] == str(file)


def test_fields_that_have_the_usual_names_are_not_lost_to_other_names(run: Run, batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,key,text,body\n1,a,mine,red\n")
    (tmp_path / "a.jsonl").write_text('{"id": "1", "key": "a", "text": "mine", "body": "red"}\n')
    for name in ("a.csv", "a.jsonl"):
        run("batch", "submit", str(tmp_path / name), "--text-field", "body", "--id-field", "key")
        assert batch.submitted[0] == [{"id": "1", "key": "a", "text": "mine", "body": "red"}]


def test_parquet_keeps_its_types_under_other_names(run: Run, batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"")  # nothing reads it here
    run("batch", "submit", str(tmp_path / "a.parquet"), "--text-field", "body")
    assert (batch.submitted[0], batch.submitted[1]["text_field"]) == (str(tmp_path / "a.parquet"), "body")


def test_a_column_that_would_become_a_parameter_is_refused(run: Run, batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,task\nred,classification\n")
    status, _, err = run("batch", "submit", str(tmp_path / "a.csv"))
    assert (status, batch.submitted[0]) == (1, None)
    assert "a.csv:2: a column is named 'task'" in err
    assert "submit a folder" in err


def test_without_data_there_is_a_run_to_resume(run: Run, batch: Batch) -> None:
    status, _, err = run("batch", "submit")
    assert status == 2
    assert "--resume" in err
    status, out, _ = run("batch", "submit", "--resume", "docs-0", "--json")
    assert (status, json.loads(out)) == (0, {"run": "docs-1"})
    assert batch.submitted[0] is None
    assert batch.submitted[1]["resume"] == "docs-0"


def test_a_run_is_followed_to_its_end(run: Run, batch: Batch) -> None:
    assert run("batch", "submit", "s3://b/d/", "--follow")[:2] == (0, b"docs-1: complete, 3 records verified\n")
    assert run("batch", "status", "docs-1")[:2] == (0, b"docs-1: embedding\n")


def test_ctrl_c_while_following_says_that_the_run_goes_on(run: Run, batch: Batch) -> None:
    batch.ended = KeyboardInterrupt()
    status, _, err = run("batch", "status", "docs-1", "--follow")
    assert status == 130
    assert "goes on" in err


def test_advice_for_programs_becomes_advice_for_people(run: Run, batch: Batch) -> None:
    advice = "client.batch.submit(resume='docs-1') embeds the rest"
    batch.ended = BatchError("the run docs-1 is incomplete", run="docs-1", advice=advice)
    status, _, err = run("batch", "status", "docs-1", "--follow")
    assert status == 1
    assert err.splitlines()[-1] == (
        "jina-v3: the run docs-1 is incomplete; jina-v3 batch submit --resume docs-1 embeds the rest"
    )


def test_runs_are_listed(run: Run, batch: Batch) -> None:
    assert run("batch", "runs")[:2] == (0, b"docs-1\trunning\t2026-03-01 12:00\n")
    (told,) = json.loads(run("batch", "runs", "--json")[1])
    assert (told["name"], told["started"]) == ("docs-1", "2026-03-01 12:00:00+00:00")


def test_a_run_is_stopped(run: Run, batch: Batch) -> None:
    status, _, err = run("batch", "stop", "docs-1")
    assert (status, batch.stopped) == (0, True)
    assert "--resume docs-1" in err
    batch.status = batch.wait  # type: ignore[method-assign]
    batch.stopped = False
    status, _, err = run("batch", "stop", "docs-1")
    assert (status, batch.stopped) == (0, False)
    assert err == "there is nothing to stop: docs-1: complete, 3 records verified\n"


def test_a_result_has_vectors_and_bad_records_in_their_places(run: Run, batch: Batch) -> None:
    bad = BadRecord(file="a.jsonl", line=1, id="x", code="empty_text", message="text is empty")
    batch.answers = [bad, embedded(2, [1, 0], metadata={"city": "Ulm"}), embedded(3, [[1, 0], [0, 1]])]
    batch.left_out = [BadRecord(file="a.jsonl", line=9, id=None, code="record_too_large", message="too large")]
    status, out, err = run("batch", "result", "docs-1")
    first, second, third, last = (json.loads(line) for line in out.splitlines())
    assert status == 3
    assert "2 of 4 texts" in err
    assert (first["id"], first["error"]["code"], first["error"]["place"]) == ("x", "empty_text", "a.jsonl:1")
    assert second == {"city": "Ulm", "id": "r2", "embedding": [1, 0], "tokens": 2}
    assert third["embeddings"] == [[1, 0], [0, 1]]
    assert last["error"]["code"] == "record_too_large"


def test_a_column_id_beside_the_ids_does_not_pass_for_them(run: Run, batch: Batch) -> None:
    batch.answers = [embedded(1, [1, 0], id=None, metadata={"id": "mine"}), embedded(2, [1, 0], metadata={"id": "x"})]
    first, second = (json.loads(line) for line in run("batch", "result", "docs-1")[1].splitlines())
    assert ("id" in first, first["index"], second["id"]) == (False, 0, "r2")


def test_a_result_is_an_array(run: Run, batch: Batch, tmp_path: Path) -> None:
    bad = BadRecord(file="a.jsonl", line=1, id="x", code="empty_text", message="text is empty")
    batch.answers = [bad, embedded(2, [1, 0]), embedded(3, [0, 1])]
    assert run("batch", "result", "docs-1", "-o", str(tmp_path / "v.npy"))[0] == 3
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), [[np.nan, np.nan], [1, 0], [0, 1]])
    batch.answers.append(embedded(4, [[1, 0], [0, 1]]))
    status, _, err = run("batch", "result", "docs-1", "-o", str(tmp_path / "w.npy"))
    assert status == 2
    assert "write .jsonl" in err
    assert not (tmp_path / "w.npy").exists()


def test_batch_is_a_deployments(run: Run) -> None:
    status, _, err = run("batch", "runs", "--endpoint", "texts")
    assert status == 2
    assert "--deployment" in err


def test_csv_files_that_were_put_together_have_no_texts_in_their_heads(run: Run, batch: Batch, tmp_path: Path) -> None:
    files = [f'"id",text\r\n{name},red\r\n'.encode("utf-8-sig") for name in "ab"]
    (tmp_path / "a.csv").write_bytes(b"".join(files))
    run("batch", "submit", str(tmp_path / "a.csv"))
    assert batch.submitted[0] == [{"id": "a", "text": "red"}, {"id": "b", "text": "red"}]


def test_csv_with_a_head_is_read_here_as_embed_reads_it(run: Run, batch: Batch, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('\ufeffid,text,city\r\n7,"red\r\nand ""blue""",Ulm\r\n')
    run("batch", "submit", str(file))
    assert batch.submitted[0] == [{"id": "7", "text": 'red\r\nand "blue"', "city": "Ulm"}]
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text\nred\n"))
    run("batch", "submit", str(tmp_path / "a.csv.gz"))
    assert batch.submitted[0] == [{"text": "red"}]
    file.write_text("7,red\n")
    run("batch", "submit", str(file))
    assert batch.submitted[0] == str(file)


def test_a_plan_is_shown_with_its_cost_at_once(run: Run, batch: Batch) -> None:
    batch.outcome = "dry_run"
    status, out, _ = run("batch", "submit", "s3://b/d/", "--dry-run")
    assert status == 0
    assert "estimate  3 records, 40 tokens: 0.2 h, 0.2 machine hours of ml.g6.xlarge, $0.19" in out.decode()
    status, out, _ = run("batch", "report", "docs-1", "--json")
    assert (status, json.loads(out)["estimate"]["usd"]) == (0, 0.19)


def test_a_report_names_what_is_bad_and_what_is_left() -> None:
    first = {"file": "a.jsonl", "line": 3, "id": None, "code": "empty_text", "message": "text is empty"}
    report = {
        "run": "docs-1",
        "outcome": "incomplete",
        "files": {"all": 9, "verified": 2, "outstanding": 7},
        "records": {"all": 40, "embedded": 39, "bad": 1},
        "billed_s": 90.0,
        "usd": None,
        "instance_type": "ml.g6.xlarge",
        "bad": {"empty_text": {"count": 1, "first": [first]}},
        "outstanding": [{"file": f"{number}.jsonl", "message": "", "reason": "timeout"} for number in range(7)],
        "error": None,
    }
    assert list(tell_report(report)) == [
        "docs-1: incomplete",
        "files     2 of 9 verified",
        "records   40: 39 embedded, 1 bad",
        "fetch     jina-v3 batch result docs-1 --output vectors.parquet --partial",
        "cost      90.0 s of ml.g6.xlarge",
        "bad       1 empty_text, the first a.jsonl:3: text is empty",
        *(f"left      {number}.jsonl: timeout" for number in range(5)),
        "left      and 2 files more",
    ]


def test_a_pipe_is_told_how_far_a_run_is(run: Run, batch: Batch) -> None:
    assert run("batch", "status", "docs-1", "--follow")[2] == "2 of about 3 records verified\n"


def test_what_is_left_out_is_said_in_one_line(run: Run, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(*_: Any, **__: Any) -> Batch:
        warnings.warn("left out: a.txt", stacklevel=2)
        return batch

    monkeypatch.setattr(batch, "submit", submit)
    assert run("batch", "submit", "s3://b/d/")[2].splitlines()[0] == "jina-v3: left out: a.txt"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.jsonl"], "no file or folder nowhere.jsonl"),
        (["s3://b/d/", "--max-usd", "nan"], "nan must be a number above 0"),
        ([".", "--input-format", "txt"], "stays as it is"),
    ],
)
def test_data_and_limits_that_cannot_be_are_refused_here(run: Run, batch: Batch, words: list[str], told: str) -> None:
    status, _, err = run("batch", "submit", *words)
    assert (status, batch.submitted) == (2, (None, {}))
    assert told in err
