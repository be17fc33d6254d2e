"""Step Functions: definitions that really execute, calling functions and S3 of the same AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.flows import ROLE, Flows, call
from tests.support.functions import Lambda, pack, prepare

from local_aws.server import LocalAws
from local_aws.settings import Settings

CODE = """
import json

tried = {}

def handler(event, context):
    what = event.get("do")
    if what == "flaky":
        tried[event["name"]] = tried.get(event["name"], 0) + 1
        if tried[event["name"]] <= event["failures"]:
            raise ConnectionError(f"attempt {tried[event['name']]}")
        return {"attempts": tried[event["name"]]}
    if what == "fail":
        raise ValueError(event["why"])
    if what == "big":
        return "x" * event["bytes"]
    return {"did": event}
"""
MAP_CONFIG = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    # one process a function: what it counts is then of all its calls
    settings = Settings(state_folder=tmp_path_factory.mktemp("state"), function_processes=1, waiting=0.01)
    with LocalAws(settings, ["local_aws.functions", "local_aws.step_functions"]) as local:
        prepare(local)
        local.client("s3", "us-east-1").create_bucket(Bucket="data")
        yield local


@pytest.fixture(scope="module")
def does(aws: LocalAws) -> str:
    return Lambda(aws).make("does", pack(main=CODE))


@pytest.fixture
def flows(aws: LocalAws) -> Flows:
    return Flows(aws)


def test_tasks_get_what_the_states_pass_on(flows: Flows, does: str) -> None:
    name = {"Type": "Pass", "Parameters": {"job.$": "States.Format('{}-{}', $$.Execution.Name, $.n)"}, "Next": "Call"}
    output = flows.output({"Name": name, "Call": call(does)}, {"n": 7})
    assert output["did"]["job"].endswith("-7")


def test_a_retry_waits_and_counts_and_a_catch_gets_error_and_cause(
    flows: Flows, does: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("local_aws.step_functions.interpreter.pause", lambda _env, seconds: waits.append(seconds))
    retry = [{"ErrorEquals": ["ConnectionError"], "IntervalSeconds": 60, "MaxAttempts": 3, "BackoffRate": 1.5}]
    caught = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Tell"}
    states = {"Call": call(does, Retry=retry, Catch=[caught]), "Tell": {"Type": "Pass", "End": True}}
    assert flows.output(states, {"do": "flaky", "name": "three", "failures": 3}) == {"attempts": 4}
    assert waits == [60, 90, 135]
    output = flows.output(states, {"do": "flaky", "name": "four", "failures": 4})
    assert output["failure"]["Error"] == "ConnectionError"
    assert json.loads(output["failure"]["Cause"])["errorMessage"] == "attempt 4"


def test_the_retry_s_number_is_in_the_context(flows: Flows, does: str) -> None:
    parameters = {"do": "flaky", "name.$": "States.Format('try-{}', $$.State.RetryCount)", "failures": 1}
    retry = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    execution = flows.start(flows.make({"Call": call(does, parameters, Retry=retry)}))
    assert flows.finish(execution)["status"] == "FAILED"  # each name has one failure of its own
    scheduled = [
        event["taskScheduledEventDetails"] for event in flows.events(execution) if "taskScheduledEventDetails" in event
    ]
    assert [json.loads(one["parameters"])["Payload"]["name"] for one in scheduled] == ["try-0", "try-1", "try-2"]


def test_an_uncaught_error_fails_the_execution(flows: Flows, does: str) -> None:
    found = flows.run({"Call": call(does)}, {"do": "fail", "why": "no reason"})
    assert (found["status"], found["error"]) == ("FAILED", "ValueError")
    assert json.loads(found["cause"])["errorMessage"] == "no reason"


def test_a_throttled_function_is_an_error_to_retry(flows: Flows, does: str) -> None:
    flows.aws.faults.add(kind="throttle", operation="Invoke", count=2)
    retry: list[dict[str, Any]] = [
        {"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 2}
    ]
    retry[0] |= {"JitterStrategy": "FULL", "MaxDelaySeconds": 2}
    assert flows.output({"Call": call(does, Retry=retry)}, {"n": 1}) == {"did": {"n": 1}}


def test_a_result_above_the_payload_limit_is_a_data_limit_exceeded(flows: Flows, does: str) -> None:
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "Never"}]  # which does not catch it
    states = {"Call": call(does, Catch=caught), "Never": {"Type": "Pass", "End": True}}
    within = flows.run(states, {"do": "big", "bytes": 200_000})
    assert within["status"] == "SUCCEEDED", within.get("cause", "")[:1000]
    found = flows.run(states, {"do": "big", "bytes": 262_144})
    assert (found["status"], found["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_parameters_above_the_payload_limit_are_too(flows: Flows, does: str) -> None:
    grown = {"do": "none", "more.$": "States.Format('{}{}', $.text, $.text)"}
    found = flows.run({"Call": call(does, grown)}, {"text": "x" * 140_000})
    assert (found["status"], found["error"]) == ("FAILED", "States.DataLimitExceeded")


def endless() -> dict[str, Any]:
    look = {"Variable": "$.n", "NumericLessThan": 0, "Next": "End"}
    choice = {"Type": "Choice", "Choices": [look], "Default": "Again"}
    return {"Again": {"Type": "Pass", "Next": "Look"}, "Look": choice, "End": {"Type": "Succeed"}}


def test_an_execution_ends_when_its_history_is_full(flows: Flows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_aws.step_functions.history.MOST_EVENTS", 50)
    execution = flows.start(flows.make(endless()), {"n": 1})
    assert flows.finish(execution)["error"] == "States.Runtime"
    kinds = flows.kinds(execution)
    assert len(kinds) == 50
    assert kinds[-1] == "ExecutionFailed"


@pytest.mark.slow
def test_a_history_is_full_with_25000_events(flows: Flows) -> None:
    execution = flows.start(flows.make(endless()), {"n": 1})
    found = flows.finish(execution, limit_s=240)
    assert found["cause"] == "The execution reached the maximum number of history events (25000)."
    assert len(flows.kinds(execution)) == 25_000


def test_s3_s_own_integration_reads_and_writes(flows: Flows) -> None:
    put = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
        "Parameters": {"Bucket": "data", "Key": "written", "Body": {"by": "a state"}},
        "Next": "Get",
    }
    get = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": "data", "Key": "written"},
        "ResultSelector": {"read.$": "States.StringToJson($.Body)"},
        "End": True,
    }
    assert flows.output({"Put": put, "Get": get}) == {"read": {"by": "a state"}}
    absent = {**get, "Parameters": {"Bucket": "data", "Key": "absent"}}
    assert flows.run({"Get": absent})["error"] == "S3.NoSuchKeyException"


def test_a_message_is_published(flows: Flows) -> None:
    topic = flows.aws.client("sns", "us-east-1").create_topic(Name="told")["TopicArn"]
    queue = flows.aws.client("sqs", "us-east-1").create_queue(QueueName="hears")["QueueUrl"]
    flows.aws.client("sns", "us-east-1").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:hears"
    )
    parameters = {"TopicArn": topic, "Subject": "a run", "Message.$": "$.text"}
    publish = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": parameters, "End": True}
    assert flows.output({"Tell": publish}, {"text": "it is done"})["MessageId"]
    (message,) = flows.aws.client("sqs", "us-east-1").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == "it is done"


# --- map runs


def distributed(process: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Type": "Map",
        "Label": "Items",
        "ItemProcessor": {"ProcessorConfig": MAP_CONFIG, "StartAt": next(iter(process)), "States": process},
        "End": True,
        **more,
    }


SAY = {"Say": {"Type": "Pass", "End": True}}
READER = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "JSON"},
    "Parameters": {"Bucket": "data", "Key.$": "$.items_key"},
}
WRITER = {
    "Resource": "arn:aws:states:::s3:putObject",
    "Parameters": {"Bucket": "data", "Prefix.$": "States.Format('runs/{}/{}', $$.Execution.Name, $.at_once)"},
}


def put_items(flows: Flows, items: list[Any]) -> None:
    flows.aws.client("s3", "us-east-1").put_object(Bucket="data", Key="items.json", Body=json.dumps(items))


def read_json(flows: Flows, key: str) -> Any:
    return json.loads(flows.aws.client("s3", "us-east-1").get_object(Bucket="data", Key=key)["Body"].read())


def test_a_distributed_map_runs_fifty_items_and_writes_their_results(flows: Flows, does: str) -> None:
    put_items(flows, [{"do": "fail" if n % 10 == 0 else "", "why": f"item {n}", "n": n} for n in range(50)])
    state = distributed(
        {"Call": call(does)},
        ItemReader=READER,
        ResultWriter=WRITER,
        MaxConcurrencyPath="$.at_once",
        ToleratedFailurePercentage=100,
    )
    execution = flows.start(flows.make({"All": state}), {"items_key": "items.json", "at_once": 5}, name="fifty")
    found = flows.finish(execution)
    assert found["status"] == "SUCCEEDED", found
    where = json.loads(found["output"])["ResultWriterDetails"]
    assert where["Key"].startswith("runs/fifty/5/")
    files = read_json(flows, where["Key"])["ResultFiles"]
    assert files["PENDING"] == []
    succeeded, failed = (read_json(flows, files[kind][0]["Key"]) for kind in ("SUCCEEDED", "FAILED"))
    assert sorted(json.loads(one["Output"])["did"]["n"] for one in succeeded) == [n for n in range(50) if n % 10]
    assert sorted(json.loads(one["Input"])["n"] for one in failed) == [0, 10, 20, 30, 40]
    assert {one["Error"] for one in failed} == {"ValueError"}
    (run,) = flows.api.list_map_runs(executionArn=execution)["mapRuns"]
    described = flows.api.describe_map_run(mapRunArn=run["mapRunArn"])
    assert described["status"] == "SUCCEEDED"
    assert described["maxConcurrency"] == 5
    assert {kind: described["itemCounts"][kind] for kind in ("total", "succeeded", "failed", "running")} == {
        "total": 50,
        "succeeded": 45,
        "failed": 5,
        "running": 0,
    }
    children = flows.api.list_executions(mapRunArn=run["mapRunArn"], statusFilter="FAILED")["executions"]
    assert {one["executionArn"] for one in children} == {one["ExecutionArn"] for one in failed}


def test_each_item_is_an_execution_with_its_own_name_and_history(flows: Flows) -> None:
    context = {
        "Type": "Pass",
        "Parameters": {"name.$": "$$.Execution.Name", "run.$": "$.run", "n.$": "$.n"},
        "End": True,
    }
    selector = {"run.$": "$$.Execution.Name", "n.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"}
    machine = flows.make({"All": distributed({"Say": context}, ItemsPath="$.list", ItemSelector=selector)})
    execution = flows.start(machine, {"list": [5, 6, 7]}, name="parent")
    said = json.loads(flows.finish(execution)["output"])
    assert [one["n"] for one in said] == [5, 6, 7]
    assert {one["run"] for one in said} == {"parent"}
    assert len({one["name"] for one in said} - {"parent"}) == 3
    (run,) = flows.api.list_map_runs(executionArn=execution)["mapRuns"]
    child = flows.api.list_executions(mapRunArn=run["mapRunArn"])["executions"][0]
    kinds = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    assert flows.kinds(child["executionArn"]) == kinds
    assert flows.kinds(execution)[2:5] == ["MapStateStarted", "MapRunStarted", "MapRunSucceeded"]


@pytest.mark.parametrize(
    ("tolerated", "status"),
    [
        ({}, "FAILED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 49}, "FAILED"),
        ({"ToleratedFailurePercentage": 50}, "SUCCEEDED"),
    ],
)
def test_failures_are_tolerated_up_to_the_threshold(flows: Flows, tolerated: dict[str, Any], status: str) -> None:
    choose = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.fails", "BooleanEquals": True, "Next": "No"}],
        "Default": "Yes",
    }
    process = {"Choose": choose, "No": {"Type": "Fail", "Error": "Bad", "Cause": "it is"}, "Yes": {"Type": "Succeed"}}
    items = [{"fails": n < 2} for n in range(4)]
    found = flows.run({"All": distributed(process, ItemsPath="$.items", **tolerated)}, {"items": items})
    assert found["status"] == status
    if status == "FAILED":
        assert found["error"] == "States.ExceedToleratedFailureThreshold"
    else:
        kinds = [one.get("Error", "fine") for one in json.loads(found["output"])]
        assert kinds == ["Bad", "Bad", "fine", "fine"]


def test_an_item_above_the_payload_limit_fails_the_map(flows: Flows) -> None:
    put_items(flows, ["fits", "x" * 262_144])
    found = flows.run({"All": distributed(SAY, ItemReader=READER)}, {"items_key": "items.json"})
    assert (found["status"], found["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_results_above_the_payload_limit_need_a_writer(flows: Flows) -> None:
    put_items(flows, ["x" * 10_000] * 30)
    state = distributed(SAY, ItemReader=READER)
    found = flows.run({"All": state}, {"items_key": "items.json"})
    assert (found["status"], found["error"]) == ("FAILED", "States.DataLimitExceeded")
    written = flows.run({"All": {**state, "ResultWriter": WRITER}}, {"items_key": "items.json", "at_once": 1})
    assert written["status"] == "SUCCEEDED"


def test_an_item_reader_s_error_can_be_caught(flows: Flows) -> None:
    caught = [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Tell", "ResultPath": "$.failure"}]
    state = distributed({"Say": {"Type": "Succeed"}}, ItemReader=READER, Catch=caught)
    output = flows.output({"All": state, "Tell": {"Type": "Pass", "End": True}}, {"items_key": "absent.json"})
    assert output["failure"]["Error"] == "States.ItemReaderFailed"


def test_a_map_within_a_map_works_on_each_group(flows: Flows, does: str) -> None:
    inner = {
        "Type": "Map",
        "ItemsPath": "$.groups",
        "MaxConcurrency": 3,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Call", "States": {"Call": call(does)}},
        "End": True,
    }
    items = [{"groups": [{"n": 10 * n + m} for m in range(4)]} for n in range(3)]
    output = flows.output({"All": distributed({"Each": inner}, ItemsPath="$.items")}, {"items": items})
    assert [[one["did"]["n"] for one in group] for group in output] == [
        [10 * n + m for m in range(4)] for n in range(3)
    ]


# --- executions


def test_a_wait_is_scaled_and_a_stop_ends_it_with_its_items(flows: Flows) -> None:
    wait = {"Type": "Wait", "SecondsPath": "$.s", "End": True}
    assert flows.run({"Wait": wait}, {"s": 20})["status"] == "SUCCEEDED"  # 0.2 s here
    machine = flows.make({"All": distributed({"Wait": wait}, ItemsPath="$.items", MaxConcurrency=2)})
    execution = flows.start(machine, {"items": [{"s": 1_000_000}] * 4})
    while not (runs := flows.api.list_map_runs(executionArn=execution)["mapRuns"]):
        time.sleep(0.02)
    (run,) = runs
    while flows.api.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]["running"] < 2:
        time.sleep(0.02)
    flows.api.stop_execution(executionArn=execution, error="Enough", cause="by hand")
    found = flows.api.describe_execution(executionArn=execution)
    assert (found["status"], found["error"], found["cause"]) == ("ABORTED", "Enough", "by hand")
    assert flows.kinds(execution)[-1] == "ExecutionAborted"
    deadline = time.monotonic() + 60
    while (described := flows.api.describe_map_run(mapRunArn=run["mapRunArn"]))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert described["status"] == "ABORTED"
    assert (described["itemCounts"]["aborted"], described["itemCounts"]["pending"]) == (2, 2)


def test_a_name_is_for_one_execution(flows: Flows) -> None:
    machine = flows.make({"Wait": {"Type": "Wait", "SecondsPath": "$.s", "End": True}})
    first = flows.start(machine, {"s": 1_000_000}, name="one")
    assert flows.start(machine, {"s": 1_000_000}, name="one") == first
    with pytest.raises(flows.api.exceptions.ExecutionAlreadyExists):
        flows.start(machine, {"s": 1}, name="one")
    flows.api.stop_execution(executionArn=first)
    with pytest.raises(flows.api.exceptions.ExecutionAlreadyExists):
        flows.start(machine, {"s": 1_000_000}, name="one")
    assert [one["name"] for one in flows.api.list_executions(stateMachineArn=machine)["executions"]] == ["one"]


def test_a_state_that_takes_too_long_times_out(flows: Flows) -> None:
    found = flows.run({"Wait": {"Type": "Wait", "Seconds": 1_000_000, "End": True}}, TimeoutSeconds=1)
    assert found["status"] == "TIMED_OUT"


def test_a_change_is_for_the_next_execution(flows: Flows) -> None:
    machine = flows.make({"Say": {"Type": "Pass", "Result": "old", "End": True}})
    definition = {"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": "new", "End": True}}}
    flows.api.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
    assert flows.finish(flows.start(machine))["output"] == '"new"'


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("{", "INVALID_JSON_DESCRIPTION"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}, "'B' of /States/A is not at /States"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}, "needs either Next or End"),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}},
            "nothing leads to /States/B",
        ),
        (
            {
                "StartAt": "A",
                "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:no", "End": True}},
            },
            "not recognized",
        ),
        ({"StartAt": "A", "States": {"A": {"Type": "Walk", "End": True}}}, "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(flows: Flows, definition: Any, said: str) -> None:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    with pytest.raises(ClientError) as refused:
        flows.api.create_state_machine(name="wrong", definition=text, roleArn=ROLE)
    assert refused.value.response["Error"]["Code"] == "InvalidDefinition"
    assert said in refused.value.response["Error"]["Message"]
