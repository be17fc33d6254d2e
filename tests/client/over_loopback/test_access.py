"""Who calls: signatures that AWS's own signer accepts, and what becomes of those it does not."""

import boto3
import numpy as np
import pytest
from tests.support.calling import Caller, open_client, right, some_texts
from tests.support.loopback_endpoint import LoopbackEndpoint

from jina_v3_client import AccessError, EndpointNotFoundError, InferenceRouter
from jina_v3_client.routing.targets import Endpoint

TEXTS = [*some_texts(35), "ein Text mit Umlauten: ÄÖÜ", "文章", "\u2028 and \x00 and \U0001f600"]


ANYBODY = {"session": None, "region": "eu-west-1"}  # whom the environment knows


def assert_right(embeddings: object, texts: list[str] = TEXTS) -> None:
    assert np.array_equal(np.asarray(embeddings), right(texts))


def test_signed_requests_are_answered(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    assert_right(caller.embed("texts", TEXTS, **ANYBODY))
    totals = endpoint.totals()
    assert (totals["refused"], totals["requests"]) == (0, 4)


def test_temporary_credentials_send_their_token(
    endpoint: LoopbackEndpoint, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "temporary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "short-lived")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert_right(caller.embed("texts", TEXTS, **ANYBODY))
    assert endpoint.totals()["refused"] == 0


def test_a_wrong_secret_is_told_as_such_and_never_tried_again(
    endpoint: LoopbackEndpoint, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(AccessError, match="secret access key") as caught:
        caller.embed("texts", ["a"], **ANYBODY)
    assert endpoint.totals()["requests"] == 1
    assert caught.value.request_id
    shown = f"{caught.value} {caught.value!r} {caught.value.__dict__}"
    assert "not-the-secret" not in shown
    assert "Signature=" not in shown


def test_an_unknown_key_is_told_as_such(
    endpoint: LoopbackEndpoint, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(AccessError, match="does not know"):
        caller.embed("texts", ["a"], **ANYBODY)


def test_without_credentials_nothing_is_sent(
    endpoint: LoopbackEndpoint, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessError, match="credentials"):
        caller.embed("texts", ["a"], **ANYBODY)
    assert endpoint.totals()["requests"] == 0


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_a_wrong_clock_is_learned_once(endpoint: LoopbackEndpoint, caller: Caller, ahead_s: float) -> None:
    endpoint.set_clock(ahead_s)
    assert_right(caller.embed("texts", ["first"], TEXTS, **ANYBODY))
    assert endpoint.totals()["refused"] == 1


def test_clocks_are_learned_by_region(endpoint: LoopbackEndpoint) -> None:
    endpoint.set_clock(900, "us-east-1")
    for region in ("eu-west-1", "us-east-1"):
        with open_client(session=None, region=region) as client:
            client.embed(["first"])
            assert_right(client.embed(TEXTS))
    assert endpoint.totals()["refused"] == 1


def test_variants_components_and_routers_are_asked_by_name(endpoint: LoopbackEndpoint, caller: Caller) -> None:
    targets = [
        Endpoint("split", variant="green"),
        Endpoint("parts", inference_component="part"),
        InferenceRouter("everywhere"),
    ]
    for target in targets:
        assert_right(caller.embed(target, ["a"]), ["a"])
    asked = [(one.region, one.endpoint, one.variant, one.component) for one in endpoint.asked()]
    assert asked == [
        ("eu-west-1", "split", "green", None),
        ("eu-west-1", "parts", None, "part"),
        ("us-east-1", "texts", "AllTraffic", None),
    ]
    assert endpoint.totals()["refused"] == 0


ABSENT = [
    Endpoint("absent", region="us-east-1"),
    Endpoint("absent"),
    Endpoint("split", region="eu-west-1", variant="red"),
    Endpoint("parts", region="eu-west-1", inference_component="other"),
    InferenceRouter("nowhere", region="eu-west-1"),
    InferenceRouter("everywhere", region="eu-west-1", routing_target="other"),
]


@pytest.mark.parametrize("target", ABSENT, ids=lambda target: target.label)
def test_what_is_not_there_is_named_with_its_region(
    endpoint: LoopbackEndpoint, caller: Caller, target: Endpoint | InferenceRouter
) -> None:
    with pytest.raises(EndpointNotFoundError) as caught:
        caller.embed(target, ["a"])
    for fact in (target.label, f"in {target.region or 'eu-west-1'}", "jina-v3 endpoints"):
        assert fact in str(caught.value)
    assert endpoint.totals()["requests"] == 1


def test_a_session_of_the_callers_is_used(endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with open_client(session=session) as client:
        assert_right(client.embed(TEXTS))
    assert {one.region for one in endpoint.asked()} == {"us-east-1"}
