"""The simulation of batch runs: its interpreter counts and ends as Step Functions does, and the real run passes it."""

import json
import re
from pathlib import Path

import pytest
from benchmarks.batch.__main__ import CASES, simulate
from benchmarks.batch.limits import LimitReachedError
from benchmarks.batch.machine import Machine
from benchmarks.batch.tables import Case, write_designs, write_outcomes
from benchmarks.batch.tasks import Done, TaskError
from benchmarks.batch.world import Troubles, shard_key

PAGE = Path(__file__).parents[2] / "docs" / "batch-scale.md"


def machine(states, task=lambda resource, parameters: Done(parameters, 1.0), items=()):
    definition = {"StartAt": next(iter(states)), "States": states}
    return Machine(definition, task, lambda bucket, key: list(items))


def looped(mode: str, **more: object) -> dict[str, object]:
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    processor = {"ProcessorConfig": {"Mode": mode}, "StartAt": "Call", "States": {"Call": call}}
    return {"All": {"Type": "Map", "ItemProcessor": processor, "ResultPath": None, "End": True, **more}}


def test_an_inline_map_of_too_many_items_ends_where_the_history_does():
    most = (25_000 - 2 - 2 - 2) // 7  # it starts and ends, its state is entered and left, the map begins and ends
    machine(looped("INLINE")).run("name", list(range(most)))
    with pytest.raises(LimitReachedError, match="25,000 events"):
        machine(looped("INLINE")).run("name", list(range(most + 1)))


def test_the_children_of_a_distributed_map_have_histories_of_their_own():
    reader = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"}}
    one = machine(looped("DISTRIBUTED", ItemReader=reader, MaxConcurrency=100), items=range(10_000))
    _, seconds = one.run("name", {})
    assert (one.counts.executions, one.counts.most_events) == (10_001, 7)
    assert seconds == 100  # ten thousand calls of a second, a hundred at a time


def test_a_payload_of_more_than_256_kb_ends_the_execution():
    states = {"Only": {"Type": "Pass", "End": True}}
    machine(states).run("name", "x" * (262_144 - 2))
    with pytest.raises(LimitReachedError, match="262,144"):
        machine(states).run("name", "x" * (262_144 - 1))


def test_a_task_is_tried_again_with_growing_waits_and_then_caught():
    def fail(resource, parameters):
        raise TaskError("Busy", "not now", 1.0)

    states = {
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 10, "BackoffRate": 2, "MaxAttempts": 3}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Told"}],
            "End": True,
        },
        "Told": {"Type": "Pass", "End": True},
    }
    output, seconds = machine(states, fail).run("name", {"kept": 1})
    assert output == {"kept": 1, "error": {"Error": "Busy", "Cause": "not now"}}
    assert seconds == 10 + 20 + 40 + 4


def test_a_run_with_everything_going_wrong_still_verifies_each_file():
    often = Troubles(throttled=0.3, no_capacity=0.3, machine_lost=0.3, file_fails=0.02)
    outcome = simulate(Case(shards=3_000, instances=2, jobs=2), troubles=often)
    files = outcome.report["files"]
    assert files["verified"] + files["outstanding"] == files["all"] == 3_000
    assert files["outstanding"] <= 3  # a file that failed three times
    assert set(outcome.world.failures) == {"throttled", "no capacity", "machine lost", "file failed"}


@pytest.mark.parametrize("aborts", [False, True], ids=["the others go on", "the job ends with it"])
def test_files_that_always_fail_are_found_and_cost_no_other_file_its_vectors(aborts):
    poison = frozenset(shard_key(shard) for shard in (0, 41, 42, 199))
    troubles = Troubles(throttled=0, no_capacity=0, machine_lost=0, file_fails=0, poison=poison, aborts=aborts)
    outcome = simulate(Case(shards=200, instances=2, jobs=1), troubles=troubles)
    assert {one["file"] for one in outcome.report["outstanding"]} == poison
    assert outcome.report["files"]["verified"] == 196
    assert outcome.world.jobs <= (60 if aborts else 12)


def test_where_each_file_fails_the_run_ends_before_it_has_tried_them_one_by_one():
    poison = frozenset(shard_key(shard) for shard in range(500))
    troubles = Troubles(throttled=0, no_capacity=0, machine_lost=0, poison=poison)
    outcome = simulate(Case(shards=500, instances=2, jobs=1), troubles=troubles)
    assert outcome.report["files"]["outstanding"] == 500
    assert outcome.world.jobs < 30


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_has_what_the_simulation_says():
    shown = re.findall(r"<!-- written by make batch-scale -->\n(.*?)\n<!-- end -->", PAGE.read_text(), re.DOTALL)
    outcomes = [simulate(case) for case in CASES]
    assert [json.dumps(table) for table in shown] == [
        json.dumps(write_outcomes(outcomes)),
        json.dumps(write_designs(CASES[-1])),
    ]
    assert [outcome.report["files"]["verified"] for outcome in outcomes] == [100, 10_000, 100_000]
    s3 = outcomes[-1].world.s3
    pages = s3.paginate(Bucket="", Prefix="batch/runs/")
    written = {item["Key"]: item["Size"] for page in pages for item in page["Contents"]}
    assert max(written.values()) < 5_000_000
    manifests = [json.loads(s3.get_object(Bucket="", Key=key)["Body"].read()) for key in written if "/manifest-" in key]
    assert max(map(len, manifests)) <= 1 + 2_000  # the prefix, and the files of a job
    assert len({name for manifest in manifests for name in manifest[1:]}) == 100_000
