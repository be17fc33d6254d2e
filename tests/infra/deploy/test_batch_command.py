"""`batch`: starting runs, following them to their end, reading their reports, stopping them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto.stepfunctions.models import stepfunctions_backends
from tests.infra.deploy.conftest import ACCOUNT, BATCH, FOUNDATION, REGION, client_error, make_stack

from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.batch import following, progress
from jina_v3_infra.deploy.batch.runs import name_run
from jina_v3_infra.outputs import read_foundation

Run = Callable[..., int]
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:jina-v3-batch"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_POLL_S", 0.0)


@pytest.fixture
def bucket(account: Account) -> str:
    """The bucket of a deployment with batch transform that stands."""
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    make_stack(account, "jina-v3-batch", BATCH)
    foundation = read_foundation(account.client("cloudformation"), "jina-v3-foundation")
    assert foundation is not None
    return foundation.bucket


def executions() -> list[Any]:
    (machine,) = stepfunctions_backends[ACCOUNT][REGION].state_machines
    return list(machine.executions)


def inputs() -> list[dict[str, Any]]:
    return [json.loads(one.execution_input) for one in executions()]


def end(status: str, cause: str = "") -> None:
    """End the only run, as the state machine would."""
    (one,) = executions()
    one.status, one.cause = status, cause
    one.stop_date = datetime.now(UTC).isoformat()


def put(account: Account, bucket: str, run: str, name: str, content: Any) -> None:
    body = content if isinstance(content, str) else json.dumps(content)
    account.client("s3").put_object(Bucket=bucket, Key=f"batch/runs/{run}/{name}", Body=body.encode())


def objects(account: Account, bucket: str) -> dict[str, bytes]:
    s3 = account.client("s3")
    found = s3.list_objects_v2(Bucket=bucket, Prefix="batch/datasets/").get("Contents", ())
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


class Life:
    """What the run does between two looks at it; and the map runs that Step Functions tells of it."""

    def __init__(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        self.turns: list[Callable[[], None]] = []
        self.counts: list[dict[str, int]] = []  # of each map run, the newest last
        client = account.client("stepfunctions")
        self._real = client._make_api_call
        monkeypatch.setattr(client, "_make_api_call", self._call)

    def _call(self, operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "ListMapRuns":
            return {"mapRuns": list(self._map_runs())}
        if operation == "DescribeMapRun":
            number = int(arguments["mapRunArn"].rpartition(":")[2])
            return {"itemCounts": {"failed": 0, "running": 0, "aborted": 0, "timedOut": 0} | self.counts[number]}
        answer = self._real(operation, arguments)
        if operation == "DescribeExecution" and self.turns:
            self.turns.pop(0)()
        return answer

    def _map_runs(self) -> Iterator[dict[str, Any]]:
        for number in range(len(self.counts)):
            yield {"mapRunArn": f"{MACHINE}/x:{number}", "startDate": datetime(2027, 1, number + 1, tzinfo=UTC)}


@pytest.fixture
def life(account: Account, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Life:
    return Life(account, monkeypatch)


def test_a_run_is_started_with_what_was_given_and_nothing_else(
    run: Run, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("batch", "start", "s3://bucket/news/") == 0
    assert inputs() == [{"dataset": "s3://bucket/news/"}]
    (started,) = executions()
    assert re.fullmatch(r"news-\d{8}-\d{6}-[0-9a-f]{4}", started.name)
    out = capsys.readouterr().out
    assert f"run {started.name} of s3://bucket/news/ is started" in out
    assert f"jina-v3-infra batch status {started.name}" in out


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (("--task", "separation"), {"task": "separation"}),
        (("--task", "none"), {"task": None}),
        (("--dimensions", "256", "--embedding-type", "int8"), {"dimensions": 256, "embedding_type": "int8"}),
        (("--output", "s3://other/out/", "--instances", "3"), {"output": "s3://other/out/", "instances": 3}),
        (("--max-usd", "2.5", "--dry-run", "--format", "csv"), {"max_usd": 2.5, "dry_run": True, "format": "csv"}),
        (("--resume", "earlier"), {"resume": "earlier"}),
    ],
)
def test_options_are_the_runs_input(
    run: Run, account: Account, bucket: str, words: tuple[str, ...], fields: dict[str, Any]
) -> None:
    put(account, bucket, "earlier", "plan.json", {"dataset": "s3://bucket/news/", "jobs": 1})
    assert run("batch", "start", "s3://bucket/news/", *words) == 0
    assert inputs() == [{"dataset": "s3://bucket/news/"} | fields]


@pytest.mark.parametrize("dataset", ["s3://b/", "s3://b/Ünïcode docs/", "s3://b/" + "long/" * 30 + "x" * 300 + "/"])
def test_a_name_of_a_run_is_one_that_step_functions_takes(dataset: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9-]{1,80}", name_run(dataset))
    assert name_run(dataset) != name_run(dataset)


def test_a_folder_of_this_machine_is_uploaded_once(
    run: Run, account: Account, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my docs"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"text": "a"}\n')
    (folder / "more/b.csv.gz").write_bytes(gzip.compress(b"1,b\n"))
    for other in ("_SUCCESS", ".hidden.jsonl", "README.md"):
        (folder / other).write_text("no data")
    assert run("batch", "start", str(folder)) == 0
    (given,) = inputs()
    place = given["dataset"]
    assert re.fullmatch(rf"s3://{bucket}/batch/datasets/my-docs-[0-9a-f]{{12}}/", place)
    prefix = place.removeprefix(f"s3://{bucket}/")
    assert objects(account, bucket) == {
        f"{prefix}a.jsonl": (folder / "a.jsonl").read_bytes(),
        f"{prefix}more/b.csv.gz": (folder / "more/b.csv.gz").read_bytes(),
    }
    assert "2 files sent" in capsys.readouterr().out
    assert run("batch", "start", str(folder)) == 0
    assert "where it was already" in capsys.readouterr().out
    assert inputs()[1]["dataset"] == place
    (folder / "a.jsonl").write_text('{"text": "b"}\n')  # as long as before
    assert run("batch", "start", str(folder)) == 0
    assert inputs()[2]["dataset"] != place  # so that what was there is not mixed with it


def test_a_file_of_this_machine_is_a_dataset_too(run: Run, account: Account, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "a"}\n')
    assert run("batch", "start", str(tmp_path / "texts.jsonl")) == 0
    ((key, content),) = objects(account, bucket).items()
    assert re.fullmatch(r"batch/datasets/texts-[0-9a-f]{12}/texts\.jsonl", key)
    assert content == b'{"text": "a"}\n'


def test_no_file_of_a_folder_is_left_out_unsaid(
    run: Run, account: Account, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("A.JSONL", "b.jsonl", "part-00000", "notes.txt", "_SUCCESS"):
        (tmp_path / name).write_text('{"text": "a"}\n')
    assert run("batch", "start", str(tmp_path)) == 0
    assert "left out, as no data by its name: notes.txt, part-00000 (2 in all)" in capsys.readouterr().out
    assert {key.rpartition("/")[2] for key in objects(account, bucket)} == {"A.JSONL", "b.jsonl"}
    (tmp_path / "notes.txt").unlink()
    assert run("batch", "start", str(tmp_path), "--format", "jsonl") == 0
    assert "left out" not in capsys.readouterr().out
    assert {key.rpartition("/")[2] for key in objects(account, bucket)} == {"A.JSONL", "b.jsonl", "part-00000"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "batch start needs a dataset: an s3:// place, a file or a folder; or --resume RUN"),
        (("nowhere",), "there is no nowhere here; a dataset is a file or folder of this machine, or an s3:// place"),
        ((".",), "has no data: files are .jsonl"),
        (("--resume", "gone"), "there is no run 'gone'"),
    ],
)
def test_what_cannot_be_started_is_a_sentence(
    run: Run, bucket: str, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("batch", "start", *words) == 1
    assert told in capsys.readouterr().err
    assert executions() == []


def test_a_run_that_is_resumed_is_of_the_same_dataset(run: Run, account: Account, bucket: str) -> None:
    put(account, bucket, "earlier", "plan.json", {"dataset": "s3://bucket/news/", "jobs": 1})
    assert run("batch", "start", "--resume", "earlier") == 0
    assert inputs() == [{"dataset": "s3://bucket/news/", "resume": "earlier"}]


@pytest.mark.parametrize(
    ("status", "planned", "told"),
    [
        ("RUNNING", True, "still goes on, and both would write to the same place"),
        ("FAILED", False, "failed before it had a plan; start its dataset anew"),
    ],
)
@pytest.mark.parametrize("dataset", [(), ("s3://b/x/",)])
def test_a_run_that_goes_on_or_had_no_plan_is_not_resumed(
    run: Run,
    account: Account,
    bucket: str,
    status: str,
    planned: bool,
    told: str,
    dataset: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("batch", "start", "s3://b/x/")
    (one,) = executions()
    if planned:
        put(account, bucket, one.name, "plan.json", {"dataset": "s3://b/x/", "jobs": 1})
    one.status = status
    assert run("batch", "start", *dataset, "--resume", one.name) == 1
    assert f"the run {one.name} {told}" in capsys.readouterr().err
    assert executions() == [one]


@pytest.mark.parametrize("words", [("start", "s3://b/x/"), ("status",), ("report", "r"), ("stop", "r")])
def test_without_batch_transform_it_says_how_to_get_it(
    run: Run, account: Account, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("batch", *words) == 1
    err = capsys.readouterr().err
    assert "jina-v3-batch does not stand in us-east-1; add a [batch] section to the configuration, then" in err
    assert run("batch", *words, "-c", "batch.instances=1") == 1
    assert "add a [batch]" not in capsys.readouterr().err


def test_a_run_is_followed_to_its_end(
    run: Run, account: Account, bucket: str, life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    def name() -> str:
        return str(executions()[0].name)

    def verified(number: int, attempt: int, *files: dict[str, Any]) -> None:
        put(account, bucket, name(), f"jobs/{number}/verified-{attempt}-0-0.json", {"files": files})

    def cutting() -> None:
        put(account, bucket, name(), "plan.json", {"dataset": "s3://b/x/", "jobs": 0})
        life.counts = [{"total": 4, "succeeded": 1, "running": 3}]

    def embedding() -> None:
        put(account, bucket, name(), "plan.json", {"dataset": "s3://b/x/", "jobs": 8})
        life.counts += [{"total": 8, "succeeded": 3, "running": 4, "failed": 1}]
        verified(0, 0, {"index": 0, "ok": True, "records": 1000}, {"index": 1, "ok": False})

    def more() -> None:
        verified(0, 1, {"index": 1, "ok": True, "records": 234})
        verified(5, 0, {"index": 0, "ok": True, "records": 1000})

    def ended() -> None:
        put(account, bucket, name(), "report.txt", "Batch run\nComplete: every record is accounted for.\n")
        put(account, bucket, name(), "report.json", {"outcome": "complete"})
        end("SUCCEEDED")

    same = lambda: None  # noqa: E731  # a look at which nothing is new
    life.turns = [same, cutting, same, embedding, same, more, ended]
    assert run("batch", "start", "s3://b/x/", "--follow") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[2] for line in lines[1:-3]] == [
        "planning",
        "cutting large files: 1 of 4 pieces done, 3 running",
        "embedding: 3 of 8 jobs done, 4 running, 1 failed, 1,000 records verified",
        "embedding: 3 of 8 jobs done, 4 running, 1 failed, 2,234 records verified",
    ]
    assert re.fullmatch(rf"{name()}: succeeded after \d:\d\d:\d\d", lines[-3])
    assert lines[-2:] == ["Batch run", "Complete: every record is accounted for."]


@pytest.mark.parametrize(
    ("status", "outcome", "exit_status"),
    [
        ("SUCCEEDED", "complete", 0),
        ("SUCCEEDED", "dry_run", 0),
        ("FAILED", "incomplete", 1),
        ("FAILED", "refused", 1),
        ("FAILED", "failed", 1),
        ("ABORTED", None, 1),
    ],
)
def test_only_a_run_that_did_what_was_asked_is_a_success(
    run: Run,
    account: Account,
    bucket: str,
    life: Life,
    status: str,
    outcome: str | None,
    exit_status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ended() -> None:
        (one,) = executions()
        if outcome is not None:
            put(account, bucket, one.name, "report.txt", f"this is {outcome}\n")
            put(account, bucket, one.name, "report.json", {"outcome": outcome})
        end(status, "somebody did it")

    life.turns = [ended]
    assert run("batch", "start", "s3://b/x/", "--follow") == exit_status
    told = capsys.readouterr()
    if outcome is None:
        assert "it has no report: somebody did it" in told.err
    else:
        assert f"this is {outcome}" in told.out


def test_ctrl_c_stops_following_and_not_the_run(
    run: Run, bucket: str, life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    life.turns = [interrupt]
    assert run("batch", "start", "s3://b/x/", "--follow") == 130
    (one,) = executions()
    assert one.status == "RUNNING"
    err = capsys.readouterr().err
    assert f"no longer following {one.name}, which goes on" in err
    assert f"jina-v3-infra batch status {one.name} --follow" in err
    assert f"jina-v3-infra batch stop {one.name}" in err


def test_on_a_terminal_the_line_moves(
    run: Run, bucket: str, life: Life, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    life.turns = [lambda: None, lambda: end("ABORTED")]
    assert run("batch", "start", "s3://b/x/", "--follow") == 1
    out = capsys.readouterr().out
    assert "\x1b[" in out
    assert "planning (" in out  # with the time that it takes


def test_runs_are_listed_and_one_is_described(
    run: Run, account: Account, bucket: str, life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("batch", "status") == 0
    assert "no run was started yet" in capsys.readouterr().out
    run("batch", "start", "s3://b/news/")
    (one,) = executions()
    put(account, bucket, one.name, "plan.json", {"dataset": "s3://b/news/", "output": "s3://o/v/", "jobs": 2})
    life.counts = [{"total": 2, "succeeded": 1, "running": 1}]
    capsys.readouterr()
    assert run("batch", "status") == 0
    assert f"run {one.name}: running, started " in capsys.readouterr().out
    assert run("batch", "status", one.name) == 0
    out = capsys.readouterr().out
    for line in ("dataset: s3://b/news/", "output: s3://o/v/", "embedding: 1 of 2 jobs done, 1 running"):
        assert line in out
    end("FAILED", "files are outstanding")
    assert run("batch", "status") == 0
    assert ": failed, started " in capsys.readouterr().out
    assert run("batch", "status", one.name) == 1  # it did not do what was asked of it
    put(account, bucket, one.name, "report.json", {"outcome": "incomplete"})
    assert run("batch", "status") == 0
    assert ": failed (incomplete), started " in capsys.readouterr().out


def test_progress_that_cannot_be_asked_for_is_no_failure(
    run: Run, account: Account, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("batch", "start", "s3://b/news/")
    (one,) = executions()
    put(account, bucket, one.name, "plan.json", {"dataset": "s3://b/news/", "jobs": 2})
    client = account.client("stepfunctions")
    real = client._make_api_call

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "ListMapRuns":
            raise client_error(operation, "AccessDeniedException")
        return real(operation, arguments)

    monkeypatch.setattr(client, "_make_api_call", call)
    assert run("batch", "status", one.name) == 0
    assert "embedding: jobs are being started" in capsys.readouterr().out


def test_a_look_at_a_large_run_reads_a_part_and_says_so(
    run: Run,
    account: Account,
    bucket: str,
    life: Life,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "_READ_AT_A_LOOK", 2)
    run("batch", "start", "s3://b/news/")
    (one,) = executions()
    put(account, bucket, one.name, "plan.json", {"dataset": "s3://b/news/", "jobs": 1})
    for group in range(3):
        files = [{"index": group, "ok": True, "records": 10}]
        put(account, bucket, one.name, f"jobs/0/verified-0-{group}-0.json", {"files": files})
    capsys.readouterr()
    assert run("batch", "status", one.name) == 0
    assert "at least 20 records verified" in capsys.readouterr().out
    life.turns = [lambda: None, lambda: None, lambda: end("ABORTED")]
    run("batch", "status", one.name, "--follow")
    assert ", 30 records verified" in capsys.readouterr().out  # at the second look


def test_a_report_is_printed(run: Run, account: Account, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    put(account, bucket, "r", "report.txt", "Batch run r\nRecords    10: 9 embedded, 1 bad\n")
    assert run("batch", "report", "r") == 0
    assert capsys.readouterr().out == "Batch run r\nRecords    10: 9 embedded, 1 bad\n"


def test_a_run_without_a_report_and_a_run_that_never_was(
    run: Run, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("batch", "start", "s3://b/x/")
    (one,) = executions()
    assert run("batch", "report", one.name) == 1
    assert f"the run {one.name} has no report: it is running; batch status --follow" in capsys.readouterr().err
    for words in (("report", "never"), ("status", "never"), ("stop", "never")):
        assert run("batch", *words) == 1
        assert "there is no run 'never'" in capsys.readouterr().err


def test_a_run_is_stopped_once(run: Run, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("batch", "start", "s3://b/x/")
    (one,) = executions()
    assert run("batch", "stop", one.name) == 0
    assert one.status == "ABORTED"
    assert f"jina-v3-infra batch start --resume {one.name}" in capsys.readouterr().out
    assert run("batch", "stop", one.name) == 0
    assert "goes on no more: it is aborted" in capsys.readouterr().out
    for words in (("report", one.name), ("status", one.name)):
        assert run("batch", *words) == 1
        assert f"To go on: jina-v3-infra batch start --resume {one.name}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("start", "s3://b/x/"), ("status",), ("report", "r"), ("stop", "r")])
@pytest.mark.parametrize("service", ["stepfunctions", "s3", "cloudformation"])
def test_whatever_aws_refuses_is_a_sentence(
    run: Run,
    account: Account,
    bucket: str,
    service: str,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = []

    def refuse(operation: str, arguments: dict[str, Any]) -> Any:
        asked.append(operation)
        raise client_error(operation, "AccessDeniedException")

    monkeypatch.setattr(account.client(service), "_make_api_call", refuse)
    status = run("batch", *words)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    if asked:
        assert status == 1
        assert "the missing permission is " in err
        assert re.search(r"(states|s3|cloudformation):[A-Z]", err)
