"""What is sent for a target and its work, and what is mended: a wrong clock, credentials that have expired."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import boto3
import pytest
from tests.support.misbehaving_server import MisbehavingServer, whole

from jina_v3_client._aws.access import Access
from jina_v3_client._aws.sender import AsyncSender, Sender
from jina_v3_client._aws.signing import Credentials
from jina_v3_client._calls.steps import Work
from jina_v3_client.errors import AccessError
from jina_v3_client.routing.targets import Endpoint, InferenceRouter, Target
from jina_v3_client.transport import HttpRequest, HttpResponse, TransportError
from jina_v3_client.transport.httpx import HttpxTransport
from jina_v3_client.transport.urllib3 import Urllib3Transport

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TARGET = Endpoint("texts", region="eu-west-1")
WORK = Work(body=b'{"input": ["a hidden text"]}')
SECRET, TOKEN = "hidden-secret-key", "hidden-session-token"
OK = HttpResponse(status=200, headers={}, body=b"{}")


class Scripted:
    """A transport of both kinds that answers what it was told, and remembers what it was asked."""

    def __init__(self, *answers: HttpResponse | TransportError) -> None:
        self.answers = list(answers)
        self.requests: list[HttpRequest] = []
        self.timeouts_s: list[float] = []

    def answer(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        self.requests.append(request)
        self.timeouts_s.append(timeout_s)
        answer = self.answers.pop(0) if self.answers else OK
        if isinstance(answer, TransportError):
            raise answer
        return answer

    def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        return self.answer(request, timeout_s)

    def close(self) -> None:
        pass


class AsyncScripted:
    def __init__(self, scripted: Scripted) -> None:
        self._scripted = scripted

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        return self._scripted.answer(request, timeout_s)

    async def aclose(self) -> None:
        pass


class Known(Access):
    """Has credentials without looking for them; ``next_keys`` are those of the next renewals."""

    addresses = Access(region="us-east-1")  # botocore takes a while for the first of each

    def __init__(self, *next_keys: str, clock: Callable[[], datetime] = lambda: NOW, due: bool = False) -> None:
        super().__init__(region="us-east-1", clock=clock)
        self.keys = ["AKID1", *next_keys]
        self.due = due
        self.threads: set[threading.Thread] = set()

    def credentials(self, target: Target | None = None) -> Credentials:
        self.threads.add(threading.current_thread())
        return Credentials(access_key=self.keys[0], secret_key=SECRET, token=TOKEN)

    def url(self, target: Target) -> str:
        return self.addresses.url(target)

    def may_block(self, target: Target | None = None) -> bool:
        return self.due

    def renew(self, target: Target, refused: Credentials) -> bool:
        if self.credentials(target) == refused and len(self.keys) > 1:
            del self.keys[0]
        return self.credentials(target) != refused


Send = Callable[..., HttpResponse]


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    def through(
        access: Access, scripted: Scripted, target: Target = TARGET, work: Work = WORK, timeout_s: float = 9.0
    ) -> HttpResponse:
        if request.param == "sync":
            return Sender(access, scripted).send(target, work, timeout_s)
        return asyncio.run(AsyncSender(access, AsyncScripted(scripted)).send(target, work, timeout_s))

    return through


def _refusal(kind: str, date: datetime | None = None, status: int = 403) -> HttpResponse:
    headers = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/"}
    if date is not None:
        headers["date"] = format_datetime(date, usegmt=True)
    return HttpResponse(status=status, headers=headers, body=b"{}")


@pytest.mark.parametrize(
    ("target", "url", "own"),
    [
        (TARGET, "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/texts/invocations", {}),
        (
            Endpoint("texts", variant="canary"),
            "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/texts/invocations",
            {"x-amzn-sagemaker-target-variant": "canary"},
        ),
        (
            Endpoint("texts", inference_component="jina"),
            "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/texts/invocations",
            {"x-amzn-sagemaker-inference-component": "jina"},
        ),
        (
            InferenceRouter("every", routing_target="jina"),
            "https://inferencerouter-runtime.sagemaker.us-east-1.amazonaws.com/inference-routers/every/invocations",
            {"x-amzn-sagemaker-routing-target-name": "jina"},
        ),
    ],
)
def test_a_target_s_request_has_its_address_and_its_headers(
    send: Send, target: Target, url: str, own: dict[str, str]
) -> None:
    scripted = Scripted()
    work = Work(body=b"a line", content_type="application/jsonlines", accept="application/jsonlines")
    assert send(Known(), scripted, target, work) is OK
    (request,) = scripted.requests
    assert (request.method, request.url, request.body) == ("POST", url, b"a line")
    headers = dict(request.headers)
    sagemaker = {name: value for name, value in headers.items() if name.startswith("x-amzn-sagemaker-")}
    assert len(sagemaker.pop("x-amzn-sagemaker-inference-id")) == 36
    assert sagemaker == own
    assert headers["content-type"] == headers["accept"] == "application/jsonlines"
    assert headers["x-amz-security-token"] == TOKEN
    assert f"/20261121/{target.region or 'us-east-1'}/sagemaker/aws4_request" in headers["authorization"]


@pytest.mark.parametrize("status", [200, 400, 403, 424, 429, 500, 503])
def test_any_other_answer_is_given_as_it_is(send: Send, status: int) -> None:
    answer = _refusal("ValidationError", NOW + timedelta(hours=1), status)
    scripted = Scripted(answer)
    assert send(Known("AKID2"), scripted) is answer
    assert len(scripted.requests) == 1


def test_what_breaks_on_the_way_is_not_sent_again(send: Send) -> None:
    scripted = Scripted(TransportError("broken", "it broke"))
    with pytest.raises(TransportError, match="it broke"):
        send(Known(), scripted)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("kind", ["InvalidSignatureException", "RequestTimeTooSkewed"])
@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_wrong_clock_is_mended_by_one_more_call_and_then_known(send: Send, kind: str, minutes: int) -> None:
    access = Known()
    right = NOW + timedelta(minutes=minutes)
    scripted = Scripted(_refusal(kind, right))
    assert send(access, scripted) is OK
    assert [request.headers["x-amz-date"] for request in scripted.requests] == [
        "20261121T120000Z",
        f"{right:%Y%m%dT%H%M%SZ}",
    ]
    assert scripted.timeouts_s[1] < scripted.timeouts_s[0] <= 9
    send(access, scripted)
    assert scripted.requests[2].headers["x-amz-date"] == f"{right:%Y%m%dT%H%M%SZ}"
    assert len(scripted.requests) == 3


def test_a_clock_is_not_mended_twice_nor_where_it_is_right(send: Send) -> None:
    late = NOW + timedelta(hours=1)
    scripted = Scripted(_refusal("InvalidSignatureException", late), _refusal("InvalidSignatureException", late))
    assert send(Known(), scripted).status == 403
    assert len(scripted.requests) == 2
    scripted = Scripted(_refusal("InvalidSignatureException", NOW + timedelta(seconds=90)))
    assert send(Known(), scripted).status == 403  # the secret is wrong
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("kind", ["ExpiredTokenException", "ExpiredToken"])
def test_expired_credentials_are_replaced_and_the_call_is_made_again(send: Send, kind: str) -> None:
    access = Known("AKID2")
    scripted = Scripted(_refusal(kind))
    assert send(access, scripted) is OK
    assert [request.headers["authorization"].partition("Credential=")[2][:5] for request in scripted.requests] == [
        "AKID1",
        "AKID2",
    ]


def test_expired_credentials_without_others_stay_refused(send: Send) -> None:
    scripted = Scripted(_refusal("ExpiredTokenException"))
    assert send(Known(), scripted).status == 403
    assert len(scripted.requests) == 1


def test_a_refresh_that_takes_the_whole_time_is_a_time_out(send: Send) -> None:
    class Slow(Known):
        def credentials(self, target: Target | None = None) -> Credentials:
            threading.Event().wait(0.01)
            return super().credentials(target)

    scripted = Scripted()
    with pytest.raises(TransportError, match="credentials took") as failed:
        send(Slow(), scripted, timeout_s=0.005)
    assert failed.value.kind == "timeout"
    assert not scripted.requests


def test_an_event_loop_never_waits_for_credentials() -> None:
    waits, known = Known(due=True), Known(due=False)
    for access in (waits, known):
        asyncio.run(AsyncSender(access, AsyncScripted(Scripted())).send(TARGET, WORK, 9))
    assert threading.main_thread() not in waits.threads
    assert known.threads == {threading.main_thread()}


def test_no_credentials_are_no_request(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    scripted = Scripted()
    with pytest.raises(AccessError, match="no AWS credentials were found"):
        send(Access(), scripted)
    assert not scripted.requests


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", running.url)
        yield running


def test_neither_secrets_nor_texts_nor_signatures_are_ever_logged_or_shown(
    server: MisbehavingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    access = Access(boto3.Session("AKIDSHOWN", SECRET, TOKEN), region="eu-west-1")
    work = Work(body=b"a hidden text")
    server.then(whole(status="403 No"), whole())
    shown = []
    with Urllib3Transport() as transport:
        sender = Sender(access, transport)
        shown += [sender.send(TARGET, work, 9), sender, transport, work, access]
    server.__exit__()
    with Urllib3Transport() as transport, pytest.raises(TransportError) as failed:
        Sender(access, transport).send(TARGET, work, 9)
    shown += [failed.value, str(failed.value), failed.value.__dict__]

    async def ask() -> None:
        async with HttpxTransport() as transport:
            asynchronous = AsyncSender(access, transport)
            with pytest.raises(TransportError) as failed:
                await asynchronous.send(TARGET, work, 9)
            shown.extend([failed.value, str(failed.value), asynchronous, transport])

    asyncio.run(ask())
    everything = f"{shown} {caplog.text}"
    signature = server.asked[0].headers["authorization"].rpartition("=")[2]
    assert "botocore" in caplog.text
    assert "urllib3" in caplog.text
    for hidden in (SECRET, TOKEN, signature, "hidden text"):
        assert hidden not in everything
