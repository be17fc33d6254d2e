"""The deployment in steps: what is called in which order, going on, breaking off, failing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.sagemaker.models import sagemaker_backends
from tests.infra.deploy.conftest import ACCOUNT, FOUNDATION, REGION, FakeCdk, Services, make_endpoint, make_stack

from jina_v3_infra.deploy import command
from jina_v3_infra.deploy.account import Account, open_account
from jina_v3_infra.deploy.command import Tools
from jina_v3_infra.deploy.failures import CommandError

Run = Callable[..., int]


def words(cdk: FakeCdk) -> list[tuple[str, ...]]:
    return [call[:2] for call in cdk.calls]


def test_an_empty_account_is_bootstrapped_and_gets_everything(
    run: Run, cdk: FakeCdk, published: list[str], account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--yes") == 0
    assert words(cdk) == [
        ("bootstrap", f"aws://{ACCOUNT}/{REGION}"),
        ("deploy", "jina-v3-foundation"),
        ("deploy", "jina-v3-endpoint"),
    ]
    assert cdk.calls[0][2:] == ("--app", "")
    for call in cdk.calls[1:]:
        assert "--exclusively" in call
        assert call[call.index("--require-approval") + 1] == "never"
        assert call[call.index("--app") + 1].endswith("cdk.out")
    assert cdk.synthesised == 1
    (bucket,) = published
    assert bucket in {one["Name"] for one in account.client("s3").list_buckets()["Buckets"]}
    out = capsys.readouterr().out
    for step in ("[1/4] bootstrap", "[2/4] foundation", "[3/4] publish", "[4/4] endpoint"):
        assert step in out
    assert out.count(" s)") == 4  # the time of each
    calls = (
        "EmbeddingClient.from_deployment(",
        "jina-v3 embed",
        "boto3",
        "aws sagemaker-runtime invoke-endpoint",
        "curl",
    )
    assert sorted(calls, key=out.index) == list(calls)  # ours first
    for needle in ("--aws-sigv4", "$1.25 an hour", "destroy"):
        assert needle in out
    assert "testing" not in out  # the keys


def test_a_second_run_does_not_bootstrap(run: Run, cdk: FakeCdk) -> None:
    run("deploy", "--yes")
    cdk.calls.clear()
    assert run("deploy", "--yes") == 0
    assert words(cdk) == [("deploy", "jina-v3-foundation"), ("deploy", "jina-v3-endpoint")]


@pytest.mark.parametrize(
    ("options", "done"),
    [
        (("--until", "bootstrap"), ["bootstrap"]),
        (("--until", "publish"), ["bootstrap", "foundation", "publish"]),
        (("--from", "foundation", "--until", "foundation"), ["foundation"]),
        (("--from", "publish"), ["publish", "endpoint"]),
        (("--from", "endpoint"), ["endpoint"]),
    ],
)
def test_steps_are_chosen(
    run: Run, cdk: FakeCdk, published: list[str], account: Account, options: tuple[str, ...], done: list[str]
) -> None:
    if options[0] == "--from":
        make_stack(account, "jina-v3-foundation", FOUNDATION)
    assert run("deploy", "--yes", *options) == 0
    made = {"bootstrap": "bootstrap", "jina-v3-foundation": "foundation", "jina-v3-endpoint": "endpoint"}
    called = [made.get(call[0]) or made[call[1]] for call in cdk.calls]
    assert sorted(called + ["publish"] * len(published)) == sorted(done)
    assert cdk.synthesised == int("foundation" in done or "endpoint" in done)


def test_publishing_without_a_foundation_says_where_to_begin(
    run: Run, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--yes", "--from", "publish") == 1
    assert "begin with --from foundation" in capsys.readouterr().err
    make_stack(account, "jina-v3-foundation", {"Resources": FOUNDATION["Resources"]})  # it broke off
    assert run("deploy", "--yes", "--from", "publish") == 1
    assert "begin with --from foundation" in capsys.readouterr().err


def test_steps_in_the_wrong_order_are_refused(run: Run, cdk: FakeCdk, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "--yes", "--from", "endpoint", "--until", "publish") == 1
    assert cdk.calls == []
    assert "the order is bootstrap, foundation, publish, endpoint" in capsys.readouterr().err


def test_what_the_preflight_finds_wrong_stops_it(
    run: Run, cdk: FakeCdk, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.quotas["ml.g6.xlarge"] = 0.0
    assert run("deploy", "--yes") == 1
    assert cdk.calls == []
    assert "nothing was deployed" in capsys.readouterr().err
    assert run("deploy", "--yes", "--skip-preflight") == 0
    assert len(cdk.calls) == 3


def test_another_account_is_refused_even_without_preflight(
    run: Run, cdk: FakeCdk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("deploy", "--yes", "--skip-preflight", "-c", 'account="999999999999"') == 1
    assert cdk.calls == []
    assert f"credentials are of account {ACCOUNT}" in capsys.readouterr().err


@pytest.mark.parametrize("step", ["bootstrap", "foundation", "publish", "endpoint"])
def test_ctrl_c_leaves_a_state_to_go_on_from(
    run: Run, cdk: FakeCdk, tools: Tools, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    def interrupt_call(arguments: tuple[str, ...]) -> None:
        if step in (arguments[0], arguments[1].removeprefix("jina-v3-")):
            raise KeyboardInterrupt

    cdk.on_call = interrupt_call
    stopped = dataclasses.replace(tools, publish=interrupt) if step == "publish" else tools
    assert command.run(["deploy", "--yes"], stopped) == 130
    assert f"deploy --from {step} continues" in capsys.readouterr().err
    cdk.on_call = lambda arguments: None
    assert command.run(["deploy", "--yes", "--from", step], tools) == 0


def test_a_failed_stack_tells_its_first_failure_and_not_older_ones(
    run: Run, cdk: FakeCdk, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    events = [event("1", "Old", "a failure of last week")]
    fail_with(
        cdk,
        monkeypatch,
        account,
        events,
        [
            event("4", "jina-v3-foundation", "The following resource(s) failed"),
            event("3", "Other", "Resource creation cancelled"),
            event("2", "Bucket", "the name is taken"),
        ],
    )
    cdk.statuses["jina-v3-foundation"] = 1
    assert run("deploy", "--yes", "--skip-preflight", "--from", "foundation") == 1
    err = capsys.readouterr().err
    assert "Bucket (AWS::Test): the name is taken" in err
    assert err.index("the name is taken") < err.index("The following")
    assert "last week" not in err
    assert "cancelled" not in err


def test_a_failed_endpoint_tells_its_reason_and_the_end_of_its_log(
    run: Run, cdk: FakeCdk, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    make_stack(account, "jina-v3-foundation", FOUNDATION)
    logs, group = account.client("logs"), "/aws/sagemaker/Endpoints/jina-v3"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="main/i-1")
    now_ms = int(time.time() * 1000)
    lines = [{"timestamp": now_ms + number, "message": f"line {number:02}"} for number in range(30)]
    cdk.statuses["jina-v3-endpoint"] = 1

    def write_log(arguments: tuple[str, ...]) -> None:
        logs.put_log_events(logGroupName=group, logStreamName="main/i-1", logEvents=lines)

    cdk.on_call = write_log
    make_endpoint(account, "jina-v3")
    sagemaker_backends[ACCOUNT][REGION].endpoints["jina-v3"].failure_reason = "the container did not answer /ping"
    assert run("deploy", "--yes", "--skip-preflight", "--from", "endpoint") == 1
    err = capsys.readouterr().err
    assert "cdk deploy of jina-v3-endpoint failed with exit status 1" in err
    assert "the container did not answer /ping" in err
    assert [line.strip() for line in err.splitlines() if "line " in line] == [f"line {n}" for n in range(10, 30)]


def test_the_question_is_asked_on_a_terminal_only(
    run: Run, cdk: FakeCdk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.Screen, "is_terminal", property(lambda self: True))
    for answer in ("n", ""):
        monkeypatch.setattr("builtins.input", lambda answer=answer: answer)
        assert run("deploy") == 1
    assert cdk.calls == []
    assert "$1.25 an hour" in capsys.readouterr().out
    monkeypatch.setattr("builtins.input", lambda: "y")
    assert run("deploy", "--until", "bootstrap") == 0
    monkeypatch.setattr(command.Screen, "is_terminal", property(lambda self: False))
    monkeypatch.setattr("builtins.input", lambda: pytest.fail("asked in a pipe"))
    assert run("deploy", "--until", "bootstrap") == 0


def test_the_app_gets_the_configuration_with_whole_paths(
    run: Run, cdk: FakeCdk, tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "model").symlink_to(tiny_model)
    (tmp_path / "jina-v3.toml").write_text('[model]\nsource = "model"\n')
    assert run("deploy", "--yes", "-c", "tags.team=search") == 0
    assert cdk.context == {
        "config": str(tmp_path / "jina-v3.toml"),
        "tags.team": "search",
        "model.source": str(tiny_model.resolve()),
    }


def test_credentials_of_a_profile_are_exported_before_the_calls(
    run: Run, account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run("deploy", "--yes") == 0
    assert "export-credentials" not in capsys.readouterr().out  # they are in the environment
    (tmp_path / "aws").write_text("[profile 'my work']\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    other = open_account(REGION, "my work")
    mine = dataclasses.replace(account, session=other.session, profile=other.profile)
    monkeypatch.setattr(command, "open_account", lambda region, profile: mine)
    assert run("deploy", "--yes", "--profile", "my work") == 0
    before, _, after = capsys.readouterr().out.partition(
        """eval "$(aws configure export-credentials --profile 'my work' --format env)"\n"""
    )
    assert "curl --aws-sigv4" in after
    assert "curl" not in before
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_PROFILE", "my work")
    assert open_account(REGION).export_command() == other.export_command()


def test_an_asynchronous_endpoint_is_called_otherwise(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "--yes", "-c", "endpoint.asynchronous.concurrency=2") == 0
    out = capsys.readouterr().out
    assert "invoke-endpoint-async" in out
    assert 'from_deployment("jina-v3", region="us-east-1")' in out
    assert 'route="asynchronous"' in out
    assert "boto3:" not in out
    assert "--invocation-timeout-seconds 900 --request-ttl-seconds 21600" in out


def test_a_refused_publication_is_one_sentence(
    tools: Tools, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> str:
        raise CommandError("the disk is full")

    assert command.run(["deploy", "--yes"], dataclasses.replace(tools, publish=refuse)) == 1
    assert capsys.readouterr().err == "the disk is full\n"


def event(number: str, name: str, reason: str) -> dict[str, Any]:
    return {
        "EventId": number,
        "LogicalResourceId": name,
        "ResourceType": "AWS::Test",
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": reason,
    }


def fail_with(
    cdk: FakeCdk,
    monkeypatch: pytest.MonkeyPatch,
    account: Account,
    before: list[dict[str, Any]],
    added: list[dict[str, Any]],
) -> None:
    """Have the stack's events be some before the CDK's call and more, newer first, after it."""
    client = account.client("cloudformation")
    real, state = client._make_api_call, {"events": before}

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "DescribeStackEvents":
            return {"StackEvents": state["events"]}
        return real(operation, arguments)

    monkeypatch.setattr(client, "_make_api_call", call)

    def fail(arguments: tuple[str, ...]) -> None:
        state["events"] = [*added, *before]

    cdk.on_call = fail
