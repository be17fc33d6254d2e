"""InvokeEndpoint and InvokeEndpointWithResponseStream: what passes, and how every failure looks to boto3."""

import http.client
import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from tests.support.sagemaker_bench import REGION, Bench, until, variant

from jina_v3_infra.deploy.calls import example_calls
from local_aws.settings import ACCESS_KEY, ACCOUNT, SECRET_KEY

NEVER = "/absent/file"  # a container that waits for it does so until it is told to end
CONSOLE = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}#logEventViewer:group=/aws/sagemaker"


def test_a_body_passes_unchanged_with_three_headers_and_nothing_else(bench: Bench, endpoint: str) -> None:
    body = bytes(range(256)) * 20
    answer = bench.runtime.invoke_endpoint(EndpointName=endpoint, Body=b'{"echo": 1, "x": "' + b"y" * 3_000_000 + b'"}')
    assert len(answer["Body"].read()) == 3_000_020
    assert answer["ContentType"] == "application/json"
    assert "CustomAttributes" not in answer
    said = bench.ask(
        endpoint,
        ContentType="application/json; charset=utf-8",
        Accept="text/csv",
        CustomAttributes="trace=1",
        InferenceId="id-1",
    )
    headers = said["headers"]
    headers.pop("Host")
    assert headers == {
        "Content-Type": "application/json; charset=utf-8",
        "Accept": "text/csv",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
        "Content-Length": "2",
    }
    answer = bench.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, CustomAttributes="trace=1")
    assert (answer["CustomAttributes"], answer["InvokedProductionVariant"]) == ("TRACE=1", "main")


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (429, "client"), (500, "server"), (503, "server")])
def test_a_container_s_error_is_a_model_error(bench: Bench, endpoint: str, status: int, kind: str) -> None:
    with pytest.raises(bench.runtime.exceptions.ModelError) as error:
        bench.ask(endpoint, {"status": status, "message": '{"detail": "no"}'})
    response = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert response["OriginalMessage"] == '{"detail": "no"}'
    assert response["LogStreamArn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/{endpoint}"
    assert response["Error"]["Message"] == (
        f'Received {kind} error ({status}) from primary with message "{{"detail": "no"}}". See {CONSOLE}/Endpoints/'
        f"{endpoint} in account {ACCOUNT} for more information."
    )


def test_a_container_that_takes_too_long_is_a_model_error(bench: Bench, endpoint: str) -> None:
    started = time.monotonic()
    with (
        bench.set_to(model_timeout_s=1),
        pytest.raises(bench.runtime.exceptions.ModelError, match="invocation timed out while waiting") as error,
    ):
        bench.ask(endpoint, {"until_file": NEVER})
    assert 0.9 < time.monotonic() - started < 60
    assert error.value.response["OriginalStatusCode"] == 0


def test_what_is_no_endpoint_is_not_found(bench: Bench, endpoint: str) -> None:
    with pytest.raises(bench.runtime.exceptions.ValidationError) as error:
        bench.ask("ghost")
    assert error.value.response["Error"]["Message"] == f"Endpoint ghost of account {ACCOUNT} not found."
    with pytest.raises(ClientError, match="not found"):  # of another region
        bench.connect("sagemaker-runtime", "eu-west-1").invoke_endpoint(EndpointName=endpoint, Body=b"{}")


def test_too_large_a_body_and_too_long_attributes_are_refused(bench: Bench, endpoint: str) -> None:
    limit = 25 * 2**20
    bench.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x" * limit)
    with pytest.raises(bench.runtime.exceptions.ValidationError, match=f"less than or equal to {limit}"):
        bench.runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x" * (limit + 1))
    with pytest.raises(bench.runtime.exceptions.ValidationError, match="at 'customAttributes'"):
        bench.ask(endpoint, CustomAttributes="x" * 1025)


def test_only_who_signs_rightly_is_let_in(bench: Bench, endpoint: str) -> None:
    def refused(**changes: Any) -> tuple[str, int]:
        with pytest.raises(ClientError) as error:
            bench.connect("sagemaker-runtime", **changes).invoke_endpoint(EndpointName=endpoint, Body=b"{}")
        response = error.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]

    assert refused(aws_secret_access_key="wrong") == ("InvalidSignatureException", 403)
    assert refused(aws_access_key_id="AKIAUNKNOWN") == ("UnrecognizedClientException", 403)
    assert refused(aws_session_token="old") == ("UnrecognizedClientException", 403)
    connection = http.client.HTTPConnection("localhost", int(bench.aws.url.rpartition(":")[2]), timeout=60)
    connection.request("POST", f"/endpoints/{endpoint}/invocations", body=b"{}")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    answer.read()
    connection.close()


def test_a_caller_who_is_denied_is_told_what_and_on_what(bench: Bench, endpoint: str) -> None:
    bench.aws.faults.add(kind="denied", operation="InvokeEndpoint", endpoint=endpoint, count=1)
    with pytest.raises(ClientError) as denied:
        bench.ask(endpoint, {"echo": 1})
    error, status = denied.value.response["Error"], denied.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert (error["Code"], status) == ("AccessDeniedException", 403)
    arn = bench.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    assert f"not authorized to perform: sagemaker:InvokeEndpoint on resource: {arn} because" in error["Message"]
    assert bench.ask(endpoint, {"echo": 1})


def test_a_body_that_was_changed_on_the_way_is_refused(bench: Bench, endpoint: str) -> None:
    def tamper(request: Any, **_: Any) -> None:
        request.body = b'{"echo": 2}'

    runtime = bench.connect("sagemaker-runtime")
    runtime.meta.events.register("before-send.sagemaker-runtime.*", tamper)
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        runtime.invoke_endpoint(EndpointName=endpoint, Body=b'{"echo": 1}')


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_can_call_it(bench: Bench, endpoint: str) -> None:
    command = ["curl", "--silent", "--show-error", "--aws-sigv4", f"aws:amz:{REGION}:sagemaker", "--noproxy", "*"]
    headers = [
        "--user",
        "testing:testing",
        "--header",
        "Content-Type: application/json",
        "--data-binary",
        '{"echo": 1}',
    ]
    url = f"{bench.aws.url}/endpoints/{endpoint}/invocations"
    assert subprocess.run([*command, *headers, url], capture_output=True, check=True).stdout == b'{"echo": 1}'


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_line_that_deploying_prints_works_as_it_is(bench: Bench, endpoint: str) -> None:
    printed = example_calls("texts", endpoint, REGION, bench.aws.url).partition("curl:\n")[2]

    def call(**environment: str) -> tuple[str, str]:
        """Return the answer, and curl's record of what it sent."""
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "no_proxy": "*"}
        known = {"PATH": os.environ["PATH"], **keys, **environment}
        script = printed.replace("curl ", "curl --verbose ", 1)
        done = subprocess.run(["sh", "-c", script], env=known, capture_output=True, text=True, check=True)
        return done.stdout, done.stderr

    for environment in ({}, {"AWS_SESSION_TOKEN": ""}):
        answer, record = call(**environment)
        assert json.loads(answer)["headers"]["Content-Type"] == "application/json"
        assert "security-token" not in record.lower()
    answer, record = call(AWS_SESSION_TOKEN="of another")
    assert "> x-amz-security-token: of another" in record.lower()
    assert "security token" in answer  # is refused


def test_many_callers_at_once_get_their_own_answers(bench: Bench, endpoint: str) -> None:
    def call(number: int) -> bool:
        wish = {"echo": 1, "number": number, "sleep_s": 0.01 * (number % 3)}
        answer = bench.runtime.invoke_endpoint(EndpointName=endpoint, Body=json.dumps(wish).encode())
        return bool(json.loads(answer["Body"].read()) == wish)

    with ThreadPoolExecutor(16) as callers:
        assert all(callers.map(call, range(200)))


def stream(bench: Bench, endpoint: str, wish: dict[str, Any], **more: Any) -> Any:
    return bench.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps(wish).encode(), **more
    )


def test_a_stream_comes_part_by_part_as_it_is_made(bench: Bench, endpoint: str, tmp_path: Path) -> None:
    gates = [tmp_path / "two", tmp_path / "three"]
    wish = {"parts": ["one\n", "two\n", "three\n"], "between_files": [str(gate) for gate in gates]}
    answer = stream(bench, endpoint, wish, Accept="x/y")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("application/jsonlines", "main")
    parts = (event["PayloadPart"]["Bytes"] for event in answer["Body"])
    assert next(parts) == b"one\n"
    for gate, part in zip(gates, (b"two\n", b"three\n"), strict=True):
        gate.touch()  # it is made once the one before it has come
        assert next(parts) == part
    assert list(parts) == []


def test_a_stream_of_one_piece_is_whole(bench: Bench, endpoint: str) -> None:
    body = {"echo": 1, "filling": "z" * 300_000}
    parts = [event["PayloadPart"]["Bytes"] for event in stream(bench, endpoint, body)["Body"]]
    assert json.loads(b"".join(parts)) == body


def test_a_stream_that_fails_before_it_begins_is_a_model_error(bench: Bench, endpoint: str) -> None:
    with pytest.raises(bench.runtime.exceptions.ModelError, match="Received client error"):
        stream(bench, endpoint, {"status": 413})


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"parts": ["one"], "break": True}, "StreamBroken"),
        ({"parts": ["one", "two"], "between_files": [NEVER]}, "ModelInvocationTimeExceeded"),
    ],
)
def test_a_stream_that_breaks_off_says_so(bench: Bench, endpoint: str, wish: dict[str, Any], code: str) -> None:
    with bench.set_to(model_timeout_s=1), closing(stream(bench, endpoint, wish)["Body"]) as events:
        parts = iter(events)
        assert next(parts)["PayloadPart"]["Bytes"] == b"one"
        with pytest.raises(EventStreamError) as error:
            next(parts)
    assert error.value.response["Error"]["Code"] == "ModelStreamError"
    assert ("timeout" in str(error.value)) == (code == "ModelInvocationTimeExceeded")


def test_a_caller_that_leaves_a_stream_holds_nobody_up(bench: Bench) -> None:
    name = bench.create_endpoint(bench.simple_config(TAG="old"))
    answer = stream(bench, name, {"parts": ["x" * 70_000], "endless": True})
    next(iter(answer["Body"]))
    answer["Body"].close()
    bench.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=bench.simple_config(TAG="new"))
    bench.wait(name, "InService")
    assert bench.ask(name)["tag"] == "new"
    bench.delete(name)


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ({"kind": "throttle"}, "ThrottlingException", 400),
        ({"kind": "error"}, "ServiceUnavailable", 503),
        ({"kind": "error", "status": 500}, "InternalFailure", 500),
        ({"kind": "model_error", "original_status": 429, "original_message": "full"}, "ModelError", 424),
    ],
)
def test_faults_meet_calls(bench: Bench, endpoint: str, fault: dict[str, Any], error: str, status: int) -> None:
    bench.aws.faults.add(**fault, operation="InvokeEndpoint", endpoint=endpoint, variant="main", count=1)
    with pytest.raises(ClientError) as raised:
        bench.ask(endpoint)
    response = raised.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (error, status)
    known = getattr(bench.runtime.exceptions, error, None) if error != "ThrottlingException" else ClientError
    assert type(raised.value) is known
    if error == "ModelError":
        assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (429, "full")
    bench.ask(endpoint)


def test_latency_on_demand_makes_a_call_wait(bench: Bench, endpoint: str) -> None:
    bench.aws.faults.add(kind="latency", latency_s=0.4, count=1, endpoint=endpoint)
    started = time.monotonic()
    bench.ask(endpoint)
    assert time.monotonic() - started > 0.4


def test_an_instance_that_is_lost_comes_back(bench: Bench) -> None:
    config = bench.create_config(variant(bench.create_model(), "a"), variant(bench.create_model(), "b"))
    name = bench.create_endpoint(config)
    before = {one: bench.ask(name, TargetVariant=one)["pid"] for one in "ab"}
    bench.aws.faults.add(kind="instance_lost", endpoint=name, variant="a", count=1)
    with pytest.raises(bench.runtime.exceptions.ServiceUnavailable):
        bench.ask(name, TargetVariant="a")

    def pid() -> Any:
        try:
            return bench.ask(name, TargetVariant="a")["pid"]
        except bench.runtime.exceptions.ServiceUnavailable:
            return None

    assert until(pid) != before["a"]
    assert bench.ask(name, TargetVariant="b")["pid"] == before["b"]
    until(lambda: len({line.split(":")[0] for line in bench.logged(name) if line.startswith("a/")}) == 2)
    bench.delete(name)
