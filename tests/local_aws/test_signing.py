"""SigV4 against botocore's signer, which signs what the local AWS is to believe."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.signing import Secret, SignatureError, SignedRequest, canonical_request, sign, string_to_sign, verify

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def signed_by_botocore(
    path: str = "/endpoints/e/invocations",
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
    *,
    method: str = "POST",
    key: str = KEY,
    service: str = "sagemaker",
    token: str | None = None,
) -> SignedRequest:
    request = AWSRequest(method, f"http://localhost:5000{path}", data=body, headers=headers or {})
    SigV4Auth(Credentials("AKIDEXAMPLE", key, token), service, "us-east-1").add_auth(request)
    prepared = request.prepare()
    sent = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    return SignedRequest(method=method, target=path, headers={"host": "localhost:5000", **sent}, body=body)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def check(request: SignedRequest, **changes: Any) -> Any:
    secret = changes.pop("secret", Secret(key=KEY))
    given_ = {"service": "sagemaker", "find_secret": {"AKIDEXAMPLE": secret}.get, "now": datetime.now(UTC), **changes}
    return verify(request, **given_)


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(max_size=200),
    name=st.text("abcXYZ-_.~ é/%", min_size=1, max_size=20),
    values=st.dictionaries(
        st.sampled_from(["x-amzn-sagemaker-custom-attributes", "content-type", "accept"]),
        st.text("ab c;=,", max_size=20),
    ),
    query=st.sampled_from(["", "?b=2&a=1", "?list-type=2&prefix=a%20b&delimiter=%2F", "?empty"]),
)
def test_what_botocore_signs_is_let_in(body: bytes, name: str, values: dict[str, str], query: str) -> None:
    from urllib.parse import quote

    request = signed_by_botocore(f"/endpoints/{quote(name, safe='')}/invocations{query}", body, values)
    claim = check(request)
    assert (claim.access_key, claim.region) == ("AKIDEXAMPLE", "us-east-1")


def test_the_example_of_the_documents() -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html and the published test suite: get-vanilla
    request = SignedRequest(
        method="GET",
        target="/",
        headers={
            "host": "example.amazonaws.com",
            "x-amz-date": "20150830T123600Z",
            "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        },
        body=b"",
    )
    claim = check(request, service="service", now=datetime(2015, 8, 30, 12, 37, tzinfo=UTC))
    canonical = canonical_request(request, claim.signed_headers)
    assert canonical.splitlines()[:4] == ["GET", "/", "", "host:example.amazonaws.com"]
    assert sign(KEY, claim, string_to_sign(canonical, claim, "20150830T123600Z")) == claim.signature


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"body": b'{"x": 1}'}, "InvalidSignatureException"),
        ({"target": "/endpoints/other/invocations"}, "InvalidSignatureException"),
        ({"target": "/endpoints/e/invocations?a=1"}, "InvalidSignatureException"),
        ({"method": "PUT"}, "InvalidSignatureException"),
    ],
)
def test_what_was_changed_after_signing_is_refused(change: dict[str, Any], code: str) -> None:
    request = signed_by_botocore()
    check(request)
    with pytest.raises(SignatureError, match="does not match") as refused:
        check(dataclasses.replace(request, **change))
    assert refused.value.code == code


def test_a_signed_header_that_was_changed_is_refused_and_a_foreign_hash_of_the_body_is_not_believed() -> None:
    request = signed_by_botocore(headers={"X-Amz-Content-SHA256": "0" * 64})
    with pytest.raises(SignatureError, match="does not match"):
        check(request)
    request = signed_by_botocore(headers={"accept": "a"})
    with pytest.raises(SignatureError, match="does not match"):
        check(dataclasses.replace(request, headers={**request.headers, "accept": "b"}))


def test_a_wrong_secret_and_an_unknown_key_are_refused() -> None:
    with pytest.raises(SignatureError, match="does not match"):
        check(signed_by_botocore(key="another"))
    with pytest.raises(SignatureError, match="token included in the request is invalid") as refused:
        check(signed_by_botocore(), find_secret={}.get)
    assert refused.value.code == "UnrecognizedClientException"


@pytest.mark.parametrize(("minutes", "word"), [(6, "expired"), (-6, "not yet current")])
def test_a_clock_more_than_five_minutes_away_is_refused(minutes: int, word: str) -> None:
    request = signed_by_botocore()
    check(request, now=datetime.now(UTC) + timedelta(minutes=minutes * 0.8))
    with pytest.raises(SignatureError, match=word) as refused:
        check(request, now=datetime.now(UTC) + timedelta(minutes=minutes))
    assert refused.value.code == "InvalidSignatureException"


def test_temporary_credentials_need_their_token_and_end() -> None:
    now = datetime.now(UTC)
    secret = Secret(key=KEY, token="token", expires=now + timedelta(hours=1))
    request = signed_by_botocore(token="token")
    check(request, secret=secret)
    with pytest.raises(SignatureError) as refused:
        check(signed_by_botocore(), secret=secret)
    assert refused.value.code == "UnrecognizedClientException"
    with pytest.raises(SignatureError) as refused:
        check(request, secret=dataclasses.replace(secret, expires=now - timedelta(seconds=1)))
    assert refused.value.code == "ExpiredTokenException"


def test_another_service_s_signature_is_refused() -> None:
    with pytest.raises(SignatureError, match="correct service: 'sagemaker'"):
        check(signed_by_botocore(service="s3"))


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "MissingAuthenticationTokenException"),
        ("Basic dGVzdDp0ZXN0", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0", "IncompleteSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request, SignedHeaders=x-amz-date, "
            "Signature=0",
            "InvalidSignatureException",
        ),
    ],
)
def test_a_header_that_is_not_whole_is_refused(authorization: str, code: str) -> None:
    request = signed_by_botocore()
    with pytest.raises(SignatureError) as refused:
        check(dataclasses.replace(request, headers={**request.headers, "authorization": authorization}))
    assert refused.value.code == code


def test_the_scope_s_day_is_the_date_s_day() -> None:
    request = signed_by_botocore()
    day = request.headers["x-amz-date"][:8]
    moved = request.headers["authorization"].replace(f"/{day}/", "/20200101/")
    with pytest.raises(SignatureError, match="Date in Credential scope"):
        check(dataclasses.replace(request, headers={**request.headers, "authorization": moved}))
    without = {name: value for name, value in request.headers.items() if name != "x-amz-date"}
    with pytest.raises(SignatureError, match="X-Amz-Date"):
        check(dataclasses.replace(request, headers=without))
