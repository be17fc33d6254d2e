"""Whole runs: the state machine over our steps, and our serving code behind the service's rules."""

import dataclasses
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.batch.tasks import TaskError
from tests.support.batch_service import FileFaultError

from jina_v3_batch.errors import PreflightError


def record(number, text="a few words", **fields):
    return json.dumps({"id": f"r{number}", "text": text, **fields}).encode() + b"\n"


def shard(first, count):
    return b"".join(record(number) for number in range(first, first + count))


def outputs(batch, name="run-1"):
    """Every output record by its id."""
    found = {}
    for key in batch.keys(f"batch/vectors/{name}/"):
        for line in batch.read(key).splitlines():
            value = json.loads(line)
            assert value["id"] not in found
            found[value["id"]] = value
    return found


def test_a_dataset_is_embedded_and_every_record_accounted_for(batch):
    for number in range(4):
        batch.put(f"part-{number}.jsonl", shard(number * 10, 10))
    batch.put("bad/last.jsonl", record(100, "") + b"\n" + record(101) + b"not json\n" + record(102, "x " * 80))
    batch.put("_SUCCESS", b"")
    batch.put("_log.jsonl", b"nothing of ours\n")
    report = batch.run()
    assert batch.end["outcome"] == report["outcome"] == "complete"
    assert report["files"] == {"all": 5, "verified": 5, "outstanding": 0}
    assert report["records"] == {"all": 44, "embedded": 41, "bad": 3}
    assert {code: bad["count"] for code, bad in report["bad"].items()} == {
        "empty_text": 1,
        "not_json": 1,
        "text_too_long": 1,
    }
    first = report["bad"]["not_json"]["first"][0]
    assert (first["file"], first["line"]) == ("bad/last.jsonl", 4)
    assert report["bad"]["text_too_long"]["first"][0]["id"] == "r102"
    assert len(outputs(batch)) == 44
    assert report["tokens"] == 41 * 5
    assert report["billed_s"] == 200
    assert report["usd"] == pytest.approx(200 / 3600, abs=0.01)
    assert [notice["Subject"] for notice in batch.notices] == ["Batch run run-1: complete"]
    assert "bad/last.jsonl, line 4" in batch.text()
    listed = b"".join(batch.read(key) for key in batch.keys("batch/runs/run-1/bad/"))
    assert len(listed.splitlines()) == 3


def test_a_file_that_fails_is_tried_again_alone(batch):
    for number in range(3):
        batch.put(f"{number}.jsonl", shard(number * 10, 10))
    failed = []

    def before_file(job, key, _out):
        if key == "1.jsonl" and job == 0:
            failed.append(key)
            raise FileFaultError("AlgorithmError: the container died")

    batch.service.before_file = before_file
    report = batch.run()
    assert report["outcome"] == "complete"
    assert len(batch.service.requests) == 2
    assert batch.service.requests[1]["TransformResources"]["InstanceCount"] == 1
    assert len(outputs(batch)) == 30
    assert [one["outcome"] for one in report["transforms"]] == ["files", "completed"]


def test_a_file_that_always_fails_is_given_up_and_a_resumed_run_completes_it(batch):
    for number in range(3):
        batch.put(f"{number}.jsonl", shard(number * 10, 10))

    def dies(_job, key, _out):
        if key == "1.jsonl":
            raise FileFaultError("AlgorithmError: the container died")

    batch.service.before_file = dies
    report = batch.run()
    assert batch.end == "Incomplete"
    assert report["outcome"] == "incomplete"
    assert len(batch.service.requests) == batch.settings.attempts
    assert report["files"] == {"all": 3, "verified": 2, "outstanding": 1}
    assert report["records"]["all"] == 20
    (outstanding,) = report["outstanding"]
    assert outstanding["file"] == "1.jsonl"
    assert "the container died" in outstanding["message"]
    assert '"resume": "run-1"' in batch.text()

    batch.service.before_file = lambda *_: None
    again = batch.run("run-2", resume="run-1")
    assert again["outcome"] == "complete"
    assert again["resumes"] == ["run-1"]
    assert again["records"] == {"all": 30, "embedded": 30, "bad": 0}
    assert len(batch.service.requests) == batch.settings.attempts + 1
    assert len(outputs(batch)) == 30

    told = batch.run("other", resume="run-1")["error"]["message"]
    assert "resume is 'run-1', which the run 'run-2' has resumed already" in told
    assert len(outputs(batch)) == 30
    assert len(batch.service.requests) == batch.settings.attempts + 1

    nothing = batch.run("run-3", resume="run-2")
    assert nothing["outcome"] == "complete"
    assert nothing["records"]["all"] == 30
    assert nothing["resumes"] == ["run-1", "run-2"]
    assert len(batch.service.requests) == batch.settings.attempts + 1


def test_want_of_machines_is_waited_for_and_costs_no_attempts(batch):
    batch.put("a.jsonl", shard(0, 10))

    def no_machine(number):
        if number < 8:
            reason = {
                "TransformJobName": "x",
                "FailureReason": "CapacityError: Unable to provision requested ML capacity",
            }
            raise TaskError("States.TaskFailed", json.dumps(reason))

    batch.service.before_job = no_machine
    report = batch.run()
    assert report["outcome"] == "complete"
    assert [one["outcome"] for one in report["transforms"]] == ["capacity"] * 8 + ["completed"]
    assert batch.seconds > 600


def test_throttling_is_retried_by_the_state_machine_under_another_name(batch):
    batch.put("a.jsonl", shard(0, 10))

    def throttled(number):
        if number < 4:
            raise TaskError("SageMaker.AmazonSageMakerException", "Rate exceeded (Error Code: ThrottlingException)")

    batch.service.before_job = throttled
    report = batch.run()
    assert report["outcome"] == "complete"
    assert len(report["transforms"]) == 1
    names = [request["TransformJobName"] for request in batch.service.requests]
    assert [name[-2:] for name in names] == ["-0", "-1", "-2", "-3", "-4"]


def test_a_quota_of_none_gives_up_at_once(batch):
    batch.put("a.jsonl", shard(0, 10))

    def no_quota(_number):
        raise TaskError(
            "SageMaker.ResourceLimitExceededException",
            "The account-level service limit 'ml.g6.xlarge for transform job usage' is 0 Instances, with current "
            "utilization of 0 Instances and a request delta of 1 Instances.",
        )

    batch.service.before_job = no_quota
    report = batch.run()
    assert batch.end == "Incomplete"
    assert "is 0 Instances" in report["outstanding"][0]["message"]


def test_a_record_too_large_to_send_is_set_aside_and_the_rest_of_its_file_embedded(batch):
    large = record(5, "x" * 7 * 2**20)
    for name, pack in (("a.jsonl", bytes), ("b.jsonl.gz", gzip.compress)):
        text = b"\n" + record(f"{name}1") + large + record(f"{name}2") + b"not json\n"
        batch.put(name, pack(shard(ord(name[0]) * 1000, 600) + text))
    report = batch.run()
    assert report["outcome"] == "complete"
    assert report["records"] == {"all": 2 * 604, "embedded": 2 * 602, "bad": 4}
    places = [(one["file"], one["line"]) for one in report["bad"]["record_too_large"]["first"]]
    assert places == [("a.jsonl", 603), ("b.jsonl.gz", 603)]
    assert [one["line"] for one in report["bad"]["not_json"]["first"]] == [605, 605]


def test_gzip_that_ends_too_early_takes_no_other_file_along(batch):
    whole = gzip.compress(shard(0, 300))
    batch.put("a.jsonl.gz", whole[:-40])
    for number in range(1, 6):
        batch.put(f"b{number}.jsonl.gz", gzip.compress(shard(number * 1000, 30)))
    report = batch.run()
    assert report["files"] == {"all": 6, "verified": 5, "outstanding": 1}
    (broken,) = report["outstanding"]
    assert (broken["file"], broken["reason"]) == ("a.jsonl.gz", "broken_gzip")
    assert "cannot be read to its end" in broken["message"]
    assert len(report["transforms"]) == 1  # nothing is embedded twice for its sake


@pytest.mark.parametrize("plain", [0, 3])
@pytest.mark.parametrize("dry_run", [False, True])
def test_gzip_is_estimated_by_what_it_unpacks_to(batch, plain, dry_run):
    """Alone it is cut, and its shards are no gzip any more; beside other files it stays whole."""
    lines = [record(number, "word " * 40, pad="p" * 6000) for number in range(1500)]
    batch.put("a.jsonl.gz", gzip.compress(b"".join(lines)))
    for number in range(plain):
        batch.put(f"{number}.jsonl", b"".join(lines[:100]))
    report = batch.run(dry_run=dry_run)
    assert bool(batch.keys("batch/runs/run-1/shards/")) is (plain == 0 and not dry_run)
    assert report["estimate"]["records"] == pytest.approx(1500 + 100 * plain, rel=0.1)


@pytest.mark.parametrize("name", ["big.jsonl", "big.jsonl.gz"])
def test_one_large_file_is_cut_so_that_no_machine_idles(batch, name):
    lines = [record(number, "word " * 40, pad="p" * 5000) for number in range(2000)]
    lines[700] = b"\r\n"
    lines[1500] = record(1500, "x" * 7 * 2**20)
    lines[1900] = b"not json\n"
    body = b"".join(lines).rstrip(b"\n")
    batch.put(name, gzip.compress(body) if name.endswith("gz") else body)
    report = batch.run()
    assert report["outcome"] == "complete"
    assert report["files"] == {"all": 1, "verified": 1, "outstanding": 0}
    assert report["records"] == {"all": 1999, "embedded": 1997, "bad": 2}
    (large,) = report["bad"]["record_too_large"]["first"]
    (broken,) = report["bad"]["not_json"]["first"]
    assert (large["file"], large["line"], broken["file"], broken["line"]) == (name, 1501, name, 1901)
    assert len(batch.keys("batch/runs/run-1/shards/")) > 4
    ids = [f"r{number}" for number in range(2000) if number not in (700, 1500)]
    found = outputs(batch)
    assert set(ids) - set(found) == {"r1900"}


def test_an_earlier_dry_run_says_what_it_would_cost(batch):
    batch.put("a.jsonl", shard(0, 1000))
    report = batch.run(dry_run=True)
    assert report["outcome"] == "dry_run"
    assert report["estimate"]["records"] == pytest.approx(1000, rel=0.01)
    assert batch.service.requests == []
    assert batch.keys("batch/vectors/") == []


def test_a_refused_run_reports_its_reasons(batch):
    batch.put("a.jsonl", shard(0, 10))
    report = batch.run(dimension=256)
    assert batch.end == "Refused"
    assert "did you mean 'dimensions'?" in report["error"]["message"]
    assert batch.notices[0]["Subject"] == "Batch run run-1: refused"


def parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_parquet_is_accounted_for_by_its_footers(batch):
    batch.put("a.parquet", parquet(id=["a", "b", "c"], text=["one", None, "two words"]))
    batch.put("b.parquet", parquet(text=["x"] * 500, extra=list(range(500))))
    batch.put("without-rows.parquet", parquet(text=pa.array([], pa.string())))
    report = batch.run(dimensions=64)
    assert report["outcome"] == "complete"
    assert report["files"] == {"all": 3, "verified": 3, "outstanding": 0}
    assert report["records"] == {"all": 503, "embedded": 502, "bad": 1}
    (first,) = report["bad"]["empty_text"]["first"]
    assert (first["file"], first["line"], first["id"]) == ("a.parquet", 2, "b")
    assert report["tokens"] == 3 + 4 + 500 * 3
    out = pq.read_table(io.BytesIO(batch.read("batch/vectors/run-1/b.parquet.out")))
    assert len(out["embedding"][0]) == 64
    (request,) = batch.service.requests
    assert "BatchStrategy" not in request
    assert request["TransformInput"]["SplitType"] == request["TransformOutput"]["AssembleWith"] == "None"


@pytest.mark.parametrize("kept", ["docs/", "batch/datasets/docs/"])
def test_outputs_are_found_wherever_the_service_puts_them_and_stale_ones_deleted(batch, kept):
    batch.service.kept_prefix = kept
    for number in range(2):
        batch.put(f"{number}.jsonl", shard(number * 10, 10))
    batch.service.before_file = lambda job, key, out: out.split(b"\n", 1)[1] if key == "0.jsonl" and job < 3 else None
    report = batch.run()
    assert report["outcome"] == "incomplete"
    assert report["outstanding"][0]["reason"] == "mismatch"
    assert "line 1 has the id 'r0'" in report["outstanding"][0]["message"]
    assert batch.run("run-2", resume="run-1")["outcome"] == "complete"
    assert len(outputs(batch)) == 20


def test_csv_rows_come_back_as_json_lines(batch):
    batch.put("a.csv", b'"1","some, text"\r\n2,more\r\n\r\n3,\r\n4,"a ""b"""\r\nx,y,z\r\n')
    report = batch.run()
    assert report["records"] == {"all": 5, "embedded": 3, "bad": 2}
    assert {code: bad["first"][0]["line"] for code, bad in report["bad"].items()} == {"empty_text": 4, "not_csv": 6}


def test_a_quotation_over_a_line_end_that_no_sample_showed_is_named(batch):
    rows = b"".join(b"%d,some text\n" % number for number in range(9_000))
    batch.put("a.csv", rows + b'20000,"two\nlines"\n' + b"20001,end\n")
    batch.put("b.csv", b"1,x\n")
    report = batch.run(embedding_type="binary")
    assert report["outcome"] == "incomplete"
    assert "line 9001 has a quotation that goes on over its end" in report["outstanding"][0]["message"]
    assert report["outstanding"][0]["failures"] == 1


def test_verification_goes_on_where_its_time_ended(batch):
    for number in range(7):
        batch.put(f"{number}.jsonl", shard(number * 10, 10))
    batch.remaining_s = lambda: 0.0
    report = batch.run(instances=1)
    assert report["outcome"] == "complete"
    assert report["records"]["all"] == 70
    assert [call["at"] for call in batch.calls if call["step"] == "verify"] == list(range(7))


def test_a_dataset_that_changed_is_embedded_again_where_it_changed(batch):
    for number in range(3):
        batch.put(f"{number}.jsonl", shard(number * 10, 10))
    batch.run()
    batch.put("1.jsonl", shard(500, 5))
    batch.put("3.jsonl", shard(600, 5))
    report = batch.run("run-2", resume="run-1")
    assert report["outcome"] == "complete"
    assert report["files"]["all"] == 4
    assert report["records"]["all"] == 30
    assert {"r0", "r20", "r500", "r600"} <= set(outputs(batch))
    assert "r10" not in outputs(batch)


def test_a_success_file_starts_a_run_over_its_folder(batch):
    batch.put("a.jsonl", shard(0, 10))
    report = batch.run(success_file={"bucket": "deployment", "key": "batch/datasets/docs/_SUCCESS"})
    assert report["outcome"] == "complete"
    assert report["dataset"] == "s3://deployment/batch/datasets/docs/"


def test_a_report_is_the_same_when_it_is_made_again(batch):
    batch.put("a.jsonl", shard(0, 10) + b"bad\n")
    report = batch.run()
    batch.step("report", input=report["input"])
    assert json.loads(batch.read("batch/runs/run-1/report.json")) == report


def test_a_name_is_used_once(batch):
    batch.put("a.jsonl", shard(0, 10))
    report = batch.run()
    again = batch.step("report", started="another time", state={"error": {"Error": "PreflightError", "Cause": "taken"}})
    assert again["outcome"] == "refused"
    assert json.loads(batch.read("batch/runs/run-1/report.json")) == report
    with pytest.raises(PreflightError, match="was here before"):
        batch.step("plan", started="another time", input=report["input"])


def test_a_file_that_is_replaced_while_it_is_embedded_is_not_taken_for_verified(batch):
    for number in range(2):
        batch.put(f"{number}.jsonl", shard(number * 10, 10))
    same_ids = shard(0, 10).replace(b"few", b"other")
    batch.service.before_file = lambda _job, key, _out: batch.put(key, same_ids) if key == "0.jsonl" else None
    report = batch.run()
    (outstanding,) = report["outstanding"]
    assert (outstanding["file"], outstanding["reason"]) == ("0.jsonl", "changed")
    batch.service.before_file = lambda *_: None
    assert batch.run("run-2", resume="run-1")["outcome"] == "complete"


def test_a_piece_that_cannot_be_cut_ends_the_run_with_a_report(batch):
    batch.put("big.jsonl", b"".join(record(number, "word " * 400) for number in range(5000)))
    steps = batch.fail
    steps["reshard"] = RuntimeError("S3 went away")
    report = batch.run()
    assert batch.end == "Broken"
    assert report["outcome"] == "failed"
    assert report["files"]["outstanding"] == 1
    steps.clear()
    assert batch.run("run-2", resume="run-1")["outcome"] == "complete"


@pytest.mark.parametrize("step", ["job", "verify", "settle"])
def test_a_step_that_always_fails_leaves_its_files_outstanding_and_a_report(batch, step):
    batch.put("a.jsonl", shard(0, 10))
    batch.fail[step] = RuntimeError("a fault of ours")
    report = batch.run()
    assert batch.end == "Incomplete"
    assert report["files"] == {"all": 1, "verified": 0, "outstanding": 1}
    batch.fail.clear()
    again = batch.run("run-2", resume="run-1")
    assert again["outcome"] == "complete"
    assert again["records"]["all"] == 10


def test_a_report_that_cannot_be_written_is_told_at_least(batch):
    batch.put("a.jsonl", shard(0, 10))
    batch.fail["report"] = RuntimeError("a fault of ours")
    with pytest.raises(batch.s3.exceptions.NoSuchKey):
        batch.run()
    assert batch.end == "Unreported"
    assert "a fault of ours" in batch.notices[0]["Message"]


def test_a_resumed_run_takes_up_single_shards_of_a_file(batch):
    lines = [record(number, "word " * 40, pad="p" * 5000) for number in range(2000)]
    batch.put("big.jsonl", b"".join(lines) + b"not json\n")

    def dies(_job, key, _out):
        if "000002-" in key:
            raise FileFaultError("AlgorithmError: the container died")

    batch.service.before_file = dies
    report = batch.run()
    assert report["files"] == {"all": 1, "verified": 0, "outstanding": 1}
    (outstanding,) = report["outstanding"]
    assert (outstanding["file"], outstanding["shard"]) == ("big.jsonl", "big.jsonl.shards/000002-00000.jsonl")
    embedded = report["records"]["all"]
    assert 0 < embedded < 2001

    batch.service.before_file = lambda *_: None
    batch.service.requests.clear()
    again = batch.run("run-2", resume="run-1")
    assert again["outcome"] == "complete"
    assert again["records"] == {"all": 2001, "embedded": 2000, "bad": 1}
    assert again["bad"]["not_json"]["first"][0]["line"] == 2001
    assert len(batch.service.requests) == 1
    assert len(outputs(batch)) == 2001


def test_parquet_that_lost_a_row_or_its_account_is_no_output(batch):
    for number in range(3):
        batch.put(f"{number}.parquet", parquet(text=["x"] * 10))

    def damaged(_job, key, out):
        table = pq.read_table(io.BytesIO(out))
        sink = io.BytesIO()
        if key == "0.parquet":
            pq.write_table(table.replace_schema_metadata(None), sink)
        elif key == "1.parquet":
            summary = {"rows": 9, "embedded": 9, "tokens": 1, "errors": {}, "first_errors": []}
            metadata = {"jina_v3.summary": json.dumps(summary)}
            pq.write_table(table.slice(1).replace_schema_metadata(metadata), sink)
        else:
            return out[: len(out) // 2]
        return sink.getvalue()

    batch.service.before_file = damaged
    messages = {one["file"]: one["message"] for one in batch.run(dimensions=8)["outstanding"]}
    assert "footer lacks 'jina_v3.summary'" in messages["0.parquet"]
    assert "10 rows went in, 9 came out" in messages["1.parquet"]
    assert "no Parquet that can be read" in messages["2.parquet"]


def test_a_resumed_run_removes_what_is_left_of_a_file_that_is_now_cut(batch):
    batch.settings = dataclasses.replace(batch.settings, instances=1)
    for number in range(2):
        lines = [record(f"{number}-{one}", pad="p" * 5000) for one in range(1800)]
        batch.put(f"{number}.jsonl", b"".join(lines))
    batch.service.before_file = lambda _job, key, out: out.split(b"\n", 1)[1] if key == "1.jsonl" else None
    assert batch.run(dimensions=2)["files"] == {"all": 2, "verified": 1, "outstanding": 1}
    batch.settings = dataclasses.replace(batch.settings, instances=2)
    batch.service.before_file = lambda *_: None
    assert batch.run("run-2", resume="run-1")["outcome"] == "complete"
    names = [key.removeprefix("batch/vectors/run-1/") for key in batch.keys("batch/vectors/run-1/")]
    assert "0.jsonl.out" in names
    assert "1.jsonl.out" not in names
    assert sum(name.startswith("1.jsonl.shards/") for name in names) > 1
    assert len(outputs(batch)) == 3600
