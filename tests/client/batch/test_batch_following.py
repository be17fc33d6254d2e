"""Following a run: how far it is, how long it is waited for, and how its end is told."""

import pytest
from tests.support.batch_aws import refusal
from tests.support.batch_deployment import BUCKET

from jina_v3_client.batch.run import LONGEST_POLL_S, BatchRun
from jina_v3_client.errors import (
    AccessError,
    BatchError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    EndpointNotFoundError,
)


class Clock:
    def __init__(self):
        self.now_s, self.waits = 0.0, []

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock():
    return Clock()


def follow(run, clock):
    return BatchRun(run.name, run._service, run._store, clock=clock, sleep=clock.sleep)


def test_a_run_is_looked_at_less_and_less_often(client, access, clock):
    access.states.looks = 20
    run = follow(client.submit(["a"]), clock)
    assert run.wait().state == "succeeded"
    assert clock.waits[0] == 1
    assert clock.waits == sorted(clock.waits)
    assert clock.waits[-1] == LONGEST_POLL_S


def test_the_end_of_patience_is_not_the_end_of_the_run(client, access, clock):
    access.states.looks = None
    run = follow(client.submit(["a"]), clock)
    with pytest.raises(DeadlineError, match=rf"not ended after 60 s.*planning.*client\.batch\.run\('{run.name}'\)"):
        run.wait(60)
    assert clock.now_s == 60
    assert run.status().is_running
    access.states.looks = 0
    assert run.wait().outcome == "complete"


def test_ctrl_c_ends_the_waiting_and_not_the_run(client, access, clock):
    access.states.looks = None
    run = follow(client.submit(["a"]), clock)

    def interrupt(_):
        raise KeyboardInterrupt

    run._sleep = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        run.wait()
    assert "goes on" in caught.value.__notes__[0]
    assert run.status().is_running


def test_progress_is_told_from_the_working_files_of_the_run(client, access, batch, clock):
    """A run whose files are there and whose execution goes on still is one in its last minute."""
    texts = ["a few words"] * 30 + [""]
    run = client.submit(texts, name="docs-1")
    run.wait()
    access.states.executions["docs-1"]["status"] = "RUNNING"
    access.states.looks = None
    status = run.status()
    assert (status.phase, status.files, status.files_done) == ("embedding", 1, 1)
    assert (status.records_done, status.records_bad, status.jobs, status.jobs_done) == (31, 1, 4, 1)
    assert str(status) == "docs-1: embedding, 1 of 4 jobs done, 31 records verified, 1 bad"
    told = []
    with pytest.raises(DeadlineError):
        follow(run, clock).wait(1, progress=lambda done, total: told.append((done, total)))
    assert told[0][0] == 31


def test_a_look_that_fails_does_not_end_the_waiting(client, access, clock):
    access.states.looks = 3
    run = follow(client.submit(["a"]), clock)
    run.status()
    failures = [refusal("InternalError", "DescribeExecution", status=500)] * 2
    access.states.looks = 1
    first = iter([True])

    def sleep(seconds):
        if next(first, False):
            access.states.refusals.extend(failures)
        clock.sleep(seconds)

    run._sleep = sleep
    assert run.wait().outcome == "complete"
    assert access.states.refusals == []


def test_a_run_that_nobody_may_look_at_is_not_waited_for(client, access, clock):
    run = follow(client.submit(["a"]), clock)
    access.states.refusals.append(refusal("AccessDeniedException", "DescribeExecution", status=403))
    with pytest.raises(AccessError, match="states:DescribeExecution"):
        run.wait()


def test_a_run_that_is_not_there_is_told_with_those_that_are(client):
    with pytest.raises(EndpointNotFoundError, match="no run 'docs-9'; there is none at all"):
        client.run("docs-9").status()
    client.submit(["a"], name="docs-1")
    client.submit(["b"], name="docs-2")
    with pytest.raises(EndpointNotFoundError, match="no run 'docs-9'; there are docs-2, docs-1"):
        client.run("docs-9").wait()
    assert [(one.name, one.state) for one in client.runs()] == [("docs-2", "running"), ("docs-1", "running")]


def test_what_the_preflight_refuses_is_told_with_its_reason(client, batch):
    batch.put("a.jsonl", b'{"text": "a"}\n')
    batch.put("b.csv", b"a\n")
    run = client.submit(f"s3://{BUCKET}/batch/datasets/docs/")
    with pytest.raises(BatchError, match=r"was refused: the dataset mixes formats: csv \(b.csv\), jsonl"):
        run.wait()
    assert run.status().outcome == "refused"
    assert run.report()["outcome"] == "refused"


def test_a_run_above_its_price_is_refused(client):
    with pytest.raises(BatchError, match=r"estimated at .* above max_usd, 0\.0001"):
        client.submit(["a"], max_usd=0.0001).wait()


def test_a_dry_run_has_an_estimate_and_no_result(client):
    run = client.submit(["a"] * 10, dry_run=True)
    assert run.wait().outcome == "dry_run"
    assert run.report()["estimate"]["records"] == 10
    with pytest.raises(BatchError, match="planned only"):
        run.result()


def test_a_run_that_goes_on_has_no_result_yet(client, access):
    access.states.looks = None
    with pytest.raises(BatchError, match=r"not at its end.*run\.wait\(\) waits"):
        client.submit(["a"]).result()


def test_a_stopped_run_says_so_and_can_be_resumed(client, access):
    access.states.looks = None
    run = client.submit(["a"])
    with pytest.raises(ConfigurationError, match="still goes on, and both would write to the same place"):
        client.submit(resume=run.name)
    run.stop()
    assert run.status().state == "stopped"
    with pytest.raises(BatchError, match="was stopped"):
        run.wait()
    with pytest.raises(BatchError, match="ended before it had a plan"):
        client.submit(resume=run.name)


def test_a_step_that_breaks_is_told_as_the_report_has_it(client, batch):
    batch.fail["plan"] = RuntimeError("S3 went away")
    with pytest.raises(BatchError, match="failed: S3 went away"):
        client.submit(["a"]).wait()


def test_s3_that_cannot_be_reached_is_no_answer(client, access, batch, monkeypatch):
    from botocore.exceptions import EndpointConnectionError

    run = client.submit(["a"], name="docs-1")
    run.wait()
    result = run.result()

    def broken(**_):
        raise EndpointConnectionError(endpoint_url="https://s3")

    monkeypatch.setattr(batch.s3, "get_object", broken)
    with pytest.raises(ConnectionFailedError, match=r"could not be read: EndpointConnectionError.*4 attempts"):
        list(result)
