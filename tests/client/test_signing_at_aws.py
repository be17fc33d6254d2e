"""The local AWS, whose signatures are its own, as the judge of what both senders send."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from tests.support.sagemaker_bench import Bench, variant

from jina_v3_client._aws.access import Access
from jina_v3_client._aws.sender import AsyncSender, Sender
from jina_v3_client._calls.steps import Work
from jina_v3_client.routing.targets import Endpoint
from jina_v3_client.transport import HttpResponse
from jina_v3_client.transport.httpx import HttpxTransport
from jina_v3_client.transport.urllib3 import Urllib3Transport
from local_aws.server import LocalAws
from local_aws.settings import ACCESS_KEY, SECRET_KEY, Settings

REGION = "us-east-1"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with LocalAws(Settings(state_folder=tmp_path_factory.mktemp("aws"), waiting=0.001), ["local_aws.sagemaker"]) as aws:
        yield Bench(aws)


@pytest.fixture(scope="module")
def endpoint(bench: Bench) -> str:
    """An endpoint of two variants, whose second gets nothing but what names it."""
    models = [bench.create_model(TAG=name) for name in ("first", "second")]
    weights = {"first": 1.0, "second": 0.0}
    return bench.create_endpoint(
        bench.create_config(
            *(
                variant(model, name, InitialVariantWeight=weight)
                for model, (name, weight) in zip(models, weights.items(), strict=True)
            )
        )
    )


Send = Callable[..., HttpResponse]


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Send:
    monkeypatch.setenv("AWS_ENDPOINT_URL", bench.aws.url)

    def through(access: Access, target: Endpoint, body: bytes = b"{}") -> HttpResponse:
        if request.param == "sync":
            with Urllib3Transport() as transport:
                return Sender(access, transport).send(target, Work(body=body), 60)
        return asyncio.run(_send(access, target, body))

    async def _send(access: Access, target: Endpoint, body: bytes) -> HttpResponse:
        async with HttpxTransport() as transport:
            return await AsyncSender(access, transport).send(target, Work(body=body), 60)

    return through


def _access(key: str = ACCESS_KEY, secret: str = SECRET_KEY, token: str | None = None, **more: object) -> Access:
    return Access(boto3.Session(key, secret, token), region=REGION, **more)


def test_a_signed_call_is_let_in_and_reaches_the_variant_it_names(send: Send, endpoint: str) -> None:
    for name in ("first", "second"):
        answered = send(_access(), Endpoint(endpoint, variant=name))
        assert answered.status == 200
        assert answered.headers["x-amzn-invoked-production-variant"] == name
    large = json.dumps({"x": "y" * 3_000_000, "echo": 1}).encode()
    assert len(send(_access(), Endpoint(endpoint), large).body) == len(large)


def test_temporary_credentials_are_let_in_with_their_token(send: Send, bench: Bench, endpoint: str) -> None:
    role = bench.connect("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/caller", RoleSessionName="a-session"
    )["Credentials"]
    key, secret, token = role["AccessKeyId"], role["SecretAccessKey"], role["SessionToken"]
    assert send(_access(key, secret, token), Endpoint(endpoint)).status == 200
    refused = send(_access(key, secret), Endpoint(endpoint))
    assert (refused.status, refused.headers["x-amzn-errortype"]) == (403, "UnrecognizedClientException")


@pytest.mark.parametrize(
    ("key", "secret", "kind"),
    [(ACCESS_KEY, "another", "InvalidSignatureException"), ("AKIDUNKNOWN", "any", "UnrecognizedClientException")],
)
def test_a_wrong_secret_and_an_unknown_key_are_refused(
    send: Send, endpoint: str, key: str, secret: str, kind: str
) -> None:
    refused = send(_access(key, secret), Endpoint(endpoint))
    assert (refused.status, refused.headers["x-amzn-errortype"]) == (403, kind)


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_wrong_by_twenty_minutes_is_mended(send: Send, endpoint: str, minutes: int) -> None:
    asked = []

    def clock() -> datetime:
        asked.append(1)
        return datetime.now(UTC) + timedelta(minutes=minutes)

    access = _access(clock=clock)
    assert send(access, Endpoint(endpoint)).status == 200
    assert len(asked) == 3  # signed, learned, signed again
    assert send(access, Endpoint(endpoint)).status == 200
    assert len(asked) == 4
