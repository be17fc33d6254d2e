"""Where credentials, regions, addresses and clocks come from, and that no secret is ever shown."""

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.session import Session as BotocoreSession

from jina_v3_client._aws.access import Access
from jina_v3_client._aws.errors import aws_errors
from jina_v3_client._aws.signing import Credentials
from jina_v3_client.errors import AccessError, ConfigurationError, ConnectionFailedError, JinaClientError
from jina_v3_client.routing.targets import Endpoint, InferenceRouter

TARGET = Endpoint("texts", region="eu-west-1")
SECRET = "wJalrXUtnFEMI/hidden"
TOKEN = "hidden-session-token"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, profiles, regions or addresses but those of the test."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def profile(tmp_path: Path) -> Callable[..., None]:
    """Writes a profile to the configuration."""

    def write(name: str, **settings: str) -> None:
        with (tmp_path / "config").open("a") as config:
            config.write(f"[profile {name}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))

    return write


@pytest.fixture
def program(tmp_path: Path, profile: Callable[..., None]) -> Callable[..., None]:
    """A program that prints credentials; called, the fixture says which."""
    printed = tmp_path / "printed.json"
    profile("program", credential_process=f"cat {printed}")

    def write(key: str, *, lasts: timedelta = timedelta(hours=1), **more: object) -> None:
        content = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": SECRET, "SessionToken": TOKEN}
        ends = (datetime.now(UTC) + lasts).isoformat()
        printed.write_text(json.dumps({**content, "Expiration": ends, **more}))

    return write


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    access = Access()
    assert access.may_block(TARGET)
    assert access.credentials(TARGET) == Credentials(access_key="AKIDENVIRONMENT", secret_key=SECRET, token=TOKEN)
    access.url(TARGET)
    assert not access.may_block(TARGET)


def test_a_profile_has_its_own_credentials_and_region_and_a_target_may_name_another(
    profile: Callable[..., None],
) -> None:
    profile("one", aws_access_key_id="AKIDONE", aws_secret_access_key="s", region="us-east-1")
    profile("two", aws_access_key_id="AKIDTWO", aws_secret_access_key="s", region="eu-west-1")
    access = Access(profile="one")
    other = Endpoint("texts", profile="two")
    assert access.credentials(Endpoint("texts")).access_key == "AKIDONE"
    assert access.credentials(other).access_key == "AKIDTWO"
    assert [access.region_of(Endpoint("texts")), access.region_of(other)] == ["us-east-1", "eu-west-1"]
    assert Access(profile="one", region="eu-west-1").region_of(Endpoint("texts")) == "eu-west-1"
    assert access.region_of(TARGET) == "eu-west-1"
    assert access.client("s3", target=other).meta.region_name == "eu-west-1"


def test_credentials_that_end_are_got_anew_before_they_do(program: Callable[..., None]) -> None:
    program("AKIDFIRST", lasts=timedelta(minutes=5))
    access = Access(profile="program")
    access.url(TARGET)
    assert access.credentials(TARGET).access_key == "AKIDFIRST"
    assert access.may_block(TARGET)
    program("AKIDSECOND")
    assert access.credentials(TARGET).access_key == "AKIDSECOND"
    assert not access.may_block(TARGET)


def test_credentials_that_aws_refuses_are_got_anew_once_for_all(program: Callable[..., None], tmp_path: Path) -> None:
    program("AKIDFIRST")
    access = Access(profile="program")
    refused = access.credentials(TARGET)
    assert not access.renew(TARGET, refused)  # there are no others
    program("AKIDSECOND")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: access.renew(TARGET, refused), range(4))) == [True] * 4
    (tmp_path / "printed.json").unlink()
    assert access.renew(TARGET, refused)  # and is not asked again
    assert access.credentials(TARGET).access_key == "AKIDSECOND"


class Rolling:
    """Credentials of a session that was given: each refresh makes the next ones."""

    def __init__(self, lasts: timedelta = timedelta(hours=1)) -> None:
        self.made = 0
        self.fails = False
        self.lasts = lasts
        session = BotocoreSession()
        session._credentials = RefreshableCredentials.create_from_metadata(self.make(), self.make, "rolling")
        self.session = boto3.Session(botocore_session=session)

    def make(self) -> dict[str, str]:
        if self.fails:
            raise KeyError(SECRET)
        self.made += 1
        ends = (datetime.now(UTC) + self.lasts).isoformat()
        return {"access_key": f"AKID{self.made}", "secret_key": SECRET, "token": TOKEN, "expiry_time": ends}


def test_a_session_s_own_credentials_are_refreshed_too() -> None:
    rolling = Rolling()
    access = Access(rolling.session, region="eu-west-1")
    refused = access.credentials(TARGET)
    assert refused.access_key == "AKID1"
    assert access.renew(TARGET, refused)
    assert access.credentials(TARGET).access_key == "AKID2"


def test_a_session_s_fixed_credentials_are_all_there_are() -> None:
    access = Access(boto3.Session("AKIDFIXED", SECRET, region_name="us-east-1"))
    refused = access.credentials(TARGET)
    assert not access.renew(TARGET, refused)
    with pytest.raises(ConfigurationError, match="a session is given too"):
        Access(boto3.Session("AKIDFIXED", SECRET), profile="one")


def test_nobody_is_told_as_nobody_with_what_to_do() -> None:
    with pytest.raises(AccessError, match=r"no AWS credentials were found; log in .* \(eu-west-1/texts\)$"):
        Access().credentials(TARGET)


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (f'{{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "{SECRET}", ', "JSONDecodeError"),
        (f'{{"Version": 7, "SecretAccessKey": "{SECRET}"}}', "CredentialRetrievalError"),
        (None, "CredentialRetrievalError"),
    ],
)
def test_a_program_that_fails_is_no_access_and_its_words_are_not_repeated(
    program: Callable[..., None], tmp_path: Path, printed: str | None, why: str
) -> None:
    if printed is not None:
        (tmp_path / "printed.json").write_text(printed)
    with pytest.raises(AccessError, match=f"could not be had \\({why}\\)") as failed:
        Access(profile="program").credentials(TARGET)
    _show_no_secret(failed.value)


def test_a_refresh_that_fails_is_no_access_and_its_words_are_not_repeated() -> None:
    rolling = Rolling(timedelta(seconds=30))
    access = Access(rolling.session)
    rolling.fails = True
    with pytest.raises(AccessError, match="KeyError") as failed:
        access.credentials(TARGET)
    _show_no_secret(failed.value)
    rolling.fails, rolling.lasts = False, timedelta(seconds=-1)
    with pytest.raises(AccessError, match="RuntimeError"):  # refreshed, and expired all the same
        access.credentials(TARGET)


def test_an_unknown_profile_and_no_region_are_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"\(elsewhere\) could not be found"):
        Access(profile="elsewhere").credentials(TARGET)
    with pytest.raises(ConfigurationError, match=r"no AWS region is known; give region=.* \(texts\)"):
        Access().region_of(Endpoint("texts"))


def test_an_address_that_is_none_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:8080")
    with pytest.raises(ConfigurationError, match=r"is no URL; make AWS_ENDPOINT_URL… .* http://HOST"):
        Access(region="eu-west-1").url(Endpoint("texts"))


def _show_no_secret(error: BaseException) -> None:
    shown = f"{error} {error!r} {error.__cause__!r} {error.__dict__}"
    assert error.__suppress_context__
    assert SECRET not in shown
    assert TOKEN not in shown


def test_secrets_are_in_no_repr_and_no_log(program: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    program("AKIDFIRST")
    access = Access(profile="program")
    found = access.credentials(TARGET)
    access.renew(TARGET, found)
    access.url(TARGET)
    shown = (
        f"{access} {found} {access.__dict__} {[caller.__dict__ for caller in access._callers.values()]} {caplog.text}"
    )
    assert "botocore" in caplog.text
    assert SECRET not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("target", "variables", "url"),
    [
        (TARGET, {}, "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/texts/invocations"),
        (
            Endpoint("texts", region="cn-north-1"),
            {},
            "https://runtime.sagemaker.cn-north-1.amazonaws.com.cn/endpoints/texts/invocations",
        ),
        (
            Endpoint("texts", region="us-east-1", variant="canary"),
            {"AWS_USE_FIPS_ENDPOINT": "true"},
            "https://runtime-fips.sagemaker.us-east-1.amazonaws.com/endpoints/texts/invocations",
        ),
        (
            TARGET,
            {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
            "https://runtime.sagemaker.eu-west-1.api.aws/endpoints/texts/invocations",
        ),
        (
            TARGET,
            {"AWS_ENDPOINT_URL": "http://localhost:5000"},
            "http://localhost:5000/endpoints/texts/invocations",
        ),
        (
            TARGET,
            {
                "AWS_ENDPOINT_URL": "http://localhost:5000",
                "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://localhost:6000/under/",
            },
            "http://localhost:6000/under/endpoints/texts/invocations",
        ),
        (
            InferenceRouter("every", region="eu-west-1"),
            {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://localhost:6000"},
            "https://inferencerouter-runtime.sagemaker.eu-west-1.amazonaws.com/inference-routers/every/invocations",
        ),
    ],
)
def test_addresses_are_those_that_boto3_would_call(
    monkeypatch: pytest.MonkeyPatch, target: Endpoint | InferenceRouter, variables: dict[str, str], url: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Access().url(target) == url


def test_clients_are_made_once_for_all_threads(profile: Callable[..., None]) -> None:
    access = Access(region="eu-west-1")
    start = threading.Barrier(4)

    def ask(_: int) -> Any:
        start.wait()
        return access.client("s3")

    with ThreadPoolExecutor(4) as pool:
        assert len({id(client) for client in pool.map(ask, range(4))}) == 1
    assert access.client("s3", "us-east-1") is not access.client("s3")


def test_a_clock_is_learned_for_a_region_and_forgotten_when_it_is_right_again() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    behind = timedelta(minutes=20)
    clock = [noon - behind]
    access = Access(clock=lambda: clock[0])
    assert access.learn_clock("eu-west-1", format_datetime(noon, usegmt=True), signed=access.now("eu-west-1"))
    assert access.now("eu-west-1") == noon
    assert access.now("us-east-1") == noon - behind
    assert not access.learn_clock("eu-west-1", format_datetime(noon, usegmt=True), signed=access.now("eu-west-1"))
    clock[0] = noon  # someone has set it
    assert access.learn_clock("eu-west-1", format_datetime(noon, usegmt=True), signed=access.now("eu-west-1"))
    assert access.now("eu-west-1") == noon


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sat, 21 Nov 2026 12:00:00"])
def test_a_date_that_says_nothing_teaches_nothing(date: str | None) -> None:
    access = Access()
    assert not access.learn_clock("eu-west-1", date, signed=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("AccessDenied", AccessError, "may not do this .*; allow the action DescribeStacks"),
        ("ExpiredToken", AccessError, "have expired .*; log in"),
        ("SignatureDoesNotMatch", AccessError, "does not belong"),
        ("InvalidSignatureException", AccessError, "check AWS_SECRET_ACCESS_KEY"),
        ("RequestTimeTooSkewed", AccessError, "clock is wrong"),
        ("Strange", JinaClientError, "DescribeStacks: Strange: told"),
    ],
)
def test_what_aws_refuses_says_what_to_do(code: str, kind: type[JinaClientError], words: str) -> None:
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"RequestId": "6f1c"}}
    with pytest.raises(kind, match=words) as failed, aws_errors(target="eu-west-1/texts"):
        raise ClientError(answer, "DescribeStacks")  # type: ignore[arg-type]
    assert (failed.value.request_id, failed.value.target) == ("6f1c", "eu-west-1/texts")


def test_a_signature_that_has_expired_is_the_clocks_fault() -> None:
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": "SignatureDoesNotMatch", "Message": "Signature expired: 2020 is now earlier than 2026"}}
    with pytest.raises(AccessError, match="clock is wrong"), aws_errors():
        raise ClientError(answer, "GetCallerIdentity")  # type: ignore[arg-type]


def test_a_proxy_that_does_not_answer_and_an_address_that_is_none_are_named_without_their_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from botocore.exceptions import NoRegionError, ProxyConnectionError

    with pytest.raises(ConnectionFailedError, match="see HTTPS_PROXY") as failed, aws_errors():
        raise ProxyConnectionError(proxy_url="http://me:secret@proxy")
    assert "secret" not in str(failed.value)
    with pytest.raises(ConfigurationError, match="set AWS_DEFAULT_REGION"), aws_errors():
        raise NoRegionError
    monkeypatch.setenv("AWS_ENDPOINT_URL", "me:secret@host")
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL") as failed_too:
        Access(region="eu-west-1").client("s3")
    assert "secret" not in str(failed_too.value)


def test_what_cannot_be_reached_is_a_connection_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with pytest.raises(ConnectionFailedError, match=r"at 127.0.0.1:9 \(EndpointConnectionError"), aws_errors():
        Access(region="eu-west-1").client("s3").list_buckets()
