"""Lambda: functions that run in processes of their own, by boto3 over sockets; and what they may not do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.functions import CODE, ROLE, Lambda, pack, prepare
from tests.support.sagemaker_bench import until

from local_aws.server import LocalAws
from local_aws.settings import Settings


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    settings = Settings(state_folder=tmp_path_factory.mktemp("state"), function_processes=2, waiting=0.001)
    with LocalAws(settings, ["local_aws.functions"]) as local:
        prepare(local)
        yield local


@pytest.fixture
def functions(aws: LocalAws) -> Iterator[Lambda]:
    made = Lambda(aws)
    yield made
    aws.faults.clear()
    for name in made.names:
        made.api.delete_function(FunctionName=name)


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str, int]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_handler_gets_its_event_and_its_context(functions: Lambda) -> None:
    name = functions.make("whole", Timeout=70)
    payload, answer = functions.call(name, {"text": "Grüße"})
    assert payload["event"] == {"text": "Grüße"}
    assert payload["name"] == name
    assert 0 < payload["remaining_ms"] <= 70_000
    assert payload["request"] == answer["ResponseMetadata"]["RequestId"]
    assert payload["arn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    by_arn, _ = functions.call(payload["arn"])
    assert by_arn["pid"] == payload["pid"]  # the same process, kept warm


def test_a_function_sees_its_own_variables_and_no_others(functions: Lambda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "of the one who started the local AWS")
    name = functions.make("alone", Environment={"Variables": {"OWN": "mine"}})
    environment = functions.call(name)[0]["environment"]
    assert environment["OWN"] == "mine"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_ENDPOINT_URL"] == functions.aws.url
    assert environment["AWS_SECRET_ACCESS_KEY"] == "testing"
    assert not {"SOME_SECRET", "HOME", "USER", "VIRTUAL_ENV", "PYTHONPATH"} & environment.keys()


def test_a_function_uses_s3(functions: Lambda) -> None:
    assert functions.call(functions.make("writes"), {"do": "s3", "bucket": "code"})[0] == "by a function"
    assert functions.s3.get_object(Bucket="code", Key="made")["Body"].read() == b"by a function"


@pytest.mark.parametrize("module", ["numpy", "pydantic", "local_aws"])
def test_a_function_has_boto3_and_no_other_package(functions: Lambda, module: str) -> None:
    error = functions.fail(functions.make("imports"), {"do": "import", "module": module})
    assert error["errorType"] == "ModuleNotFoundError"
    assert functions.call("imports", {"do": "import", "module": "boto3"})[1].get("FunctionError") is None


def test_an_exception_comes_as_lambda_writes_it(functions: Lambda) -> None:
    error = functions.fail(functions.make("fails"), {"do": "fail", "what": "this"})
    assert error["errorType"] == "ValueError"
    assert error["errorMessage"] == "no such thing as this"
    assert error["requestId"]
    assert len(error["stackTrace"]) == 1
    assert 'line 10, in handler\n    raise ValueError("no such thing as " + event["what"])' in error["stackTrace"][0]


def test_a_timeout_ends_the_process_and_the_next_call_has_another(functions: Lambda) -> None:
    name = functions.make("sleeps", Timeout=1)

    def answer() -> Any:
        """Return the process's id; a machine that is busy may need more than the second for it."""
        payload, told = functions.call(name)
        return None if "FunctionError" in told else payload["pid"]

    before = until(answer)
    error = functions.fail(name, {"do": "sleep", "s": 60})
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert until(answer) != before


def test_a_process_that_ends_is_told_and_replaced(functions: Lambda) -> None:
    name = functions.make("exits")
    error = functions.fail(name, {"do": "exit"})
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert functions.call(name)[1].get("FunctionError") is None


@pytest.mark.parametrize(
    ("handler", "code", "kind", "message"),
    [
        ("absent.handler", CODE, "Runtime.ImportModuleError", "Unable to import module 'absent'"),
        ("main.absent", CODE, "Runtime.HandlerNotFound", "Handler 'absent' missing on module 'main'"),
        ("main.handler", "def handler(", "Runtime.UserCodeSyntaxError", "Syntax error in module 'main'"),
    ],
)
def test_a_handler_that_cannot_be_called_is_named(
    functions: Lambda, handler: str, code: str, kind: str, message: str
) -> None:
    error = functions.fail(functions.make("wrong", pack(main=code), Handler=handler), {})
    assert error["errorType"] == kind
    assert error["errorMessage"].startswith(message)


def test_an_answer_that_is_no_json_is_an_error(functions: Lambda) -> None:
    error = functions.fail(functions.make("sets"), {"do": "unwritable"})
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"


def test_payloads_end_at_six_megabytes(functions: Lambda) -> None:
    name, limit = functions.make("large"), 6 * 2**20
    payload, _ = functions.call(name, {"do": "big", "bytes": limit - 2})  # two quotes
    assert len(payload) == limit - 2
    error = functions.fail(name, {"do": "big", "bytes": limit - 1})
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    with pytest.raises(ClientError) as refused:
        functions.call(name, {"text": "x" * limit})
    assert refusal(refused)[0::2] == ("RequestTooLargeException", 413)


def test_the_log_has_the_lines_of_each_call(functions: Lambda) -> None:
    name = functions.make("prints")
    _, answer = functions.call(name, {"do": "print", "text": "one\ntwo"}, LogType="Tail")
    request = answer["ResponseMetadata"]["RequestId"]
    lines = functions.lines(f"/aws/lambda/{name}")
    assert lines[0] == f"START RequestId: {request} Version: $LATEST"
    assert sorted(lines[1:5]) == ["an error line", "loaded", "one", "two"]
    assert lines[5] == f"END RequestId: {request}"
    assert lines[6].startswith(f"REPORT RequestId: {request}\tDuration: ")
    assert "Init Duration" in lines[6]
    assert base64.b64decode(answer["LogResult"]).decode().splitlines() == lines


def test_a_log_group_of_choice_is_written_to(functions: Lambda) -> None:
    functions.call(functions.make("elsewhere", LoggingConfig={"LogGroup": "/some/group"}))
    assert functions.lines("/some/group")[0].startswith("START")


def test_calls_at_once_have_processes_of_their_own_up_to_the_bound(functions: Lambda, tmp_path: Path) -> None:
    name, end = functions.make("many"), tmp_path / "end"
    event = {"do": "hold", "begun": str(tmp_path / "begun"), "until_file": str(end)}
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(functions.call, name, event) for _ in range(8)]
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        end.touch()
        pids = {call.result()[0]["pid"] for call in calls}
    assert len(pids) == 2


def test_reserved_concurrency_throttles(functions: Lambda) -> None:
    name = functions.make("reserved")
    functions.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as refused:
        functions.call(name)
    assert refusal(refused) == ("TooManyRequestsException", "Rate Exceeded.", 429)


def test_a_throttle_on_demand_is_lambda_s(functions: Lambda) -> None:
    name = functions.make("throttled")
    functions.aws.faults.add(kind="throttle", operation="Invoke", count=1)
    with pytest.raises(ClientError) as refused:
        functions.call(name)
    assert refused.value.response["Reason"] == "CallerRateLimitExceeded"
    assert functions.call(name)[1]["StatusCode"] == 200


def test_new_code_and_new_settings_take_effect(functions: Lambda) -> None:
    name = functions.make("changes", Environment={"Variables": {"STATE": "one"}})
    assert functions.call(name)[0]["environment"]["STATE"] == "one"
    functions.api.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"STATE": "two"}}, LoggingConfig={"LogGroup": "/other"}
    )
    assert functions.call(name)[0]["environment"]["STATE"] == "two"
    assert functions.lines("/other")
    functions.s3.put_object(Bucket="code", Key="second.zip", Body=pack(main="handler = lambda event, context: 'new'"))
    functions.api.update_function_code(FunctionName=name, S3Bucket="code", S3Key="second.zip")
    assert functions.call(name)[0] == "new"


def test_a_call_that_nobody_waits_for_is_tried_three_times(functions: Lambda) -> None:
    name = functions.make("event")
    answer = functions.api.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"do": "fail", "what": "it"}')
    assert answer["StatusCode"] == 202
    until(lambda: sum(line.startswith("END") for line in _lines(functions, name)) == 3)


def _lines(functions: Lambda, name: str) -> list[str]:
    try:
        return functions.lines(f"/aws/lambda/{name}")
    except ClientError:
        return []


def test_a_dry_run_runs_nothing(functions: Lambda) -> None:
    name = functions.make("dry")
    assert functions.api.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert not _lines(functions, name)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"Runtime": "nodejs22.x"}, "does not run 'nodejs22.x'"),
        ({"Environment": {"Variables": {"AWS_REGION": "eu-west-1"}}}, "reserved keys"),
        ({"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:a:1"]}, "has no Layers of functions"),
        ({"Code": {"S3Bucket": "code", "S3Key": "absent.zip"}}, "s3://code/absent.zip"),
    ],
)
def test_what_a_function_must_not_be_is_refused(functions: Lambda, settings: dict[str, Any], said: str) -> None:
    functions.s3.put_object(Bucket="code", Key="there.zip", Body=pack(main=CODE))
    request = {
        "FunctionName": "refused",
        "Role": ROLE,
        "Runtime": "python3.13",
        "Handler": "main.handler",
        "Code": {"S3Bucket": "code", "S3Key": "there.zip"},
    }
    with pytest.raises(ClientError) as refused:
        functions.api.create_function(**request | settings)
    code, message, status = refusal(refused)
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert said in message


def test_a_function_that_is_there_or_not_there_is_told(functions: Lambda) -> None:
    functions.make("once")
    with pytest.raises(ClientError) as refused:
        functions.make("once")
    assert refusal(refused) == ("ResourceConflictException", "Function already exist: once", 409)
    with pytest.raises(ClientError) as refused:
        functions.call("never")
    assert refusal(refused)[0::2] == ("ResourceNotFoundException", 404)
