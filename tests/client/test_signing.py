"""SigV4: AWS's published cases, and botocore's signer for every other request."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jina_v3_client._aws.signing import Credentials, canonical_request, sign
from jina_v3_client.transport import HttpRequest

_VECTORS = json.loads((Path(__file__).parent / "sigv4_vectors.json").read_text())
_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_NOON = datetime(2026, 2, 28, 12, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize("name", _VECTORS["cases"])
def test_the_published_cases(name: str) -> None:
    case = _VECTORS["cases"][name]
    path, mark, query = case.get("target", "/").partition("?")
    # the cases have requests as they are before a URL is made of them; a query is encoded in ours
    url = f"https://example.amazonaws.com{path}{mark}{quote(query, safe='=&%')}"
    request = HttpRequest(
        method=case.get("method", "GET"),
        url=url,
        headers=case.get("headers", {}),
        body=case.get("body", "").encode(),
    )
    credentials = Credentials(**_VECTORS["credentials"], token=case.get("token"))
    signed = sign(
        request,
        credentials=credentials,
        region=_VECTORS["region"],
        service=_VECTORS["service"],
        now=datetime.fromisoformat(_VECTORS["time"]),
    )
    names = sorted(
        {"host", "x-amz-date", *request.headers} | ({"x-amz-security-token"} if credentials.token else set())
    )
    assert signed.headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={';'.join(names)}, Signature={case['signature']}"
    )


def _signed_by_botocore(
    request: HttpRequest, credentials: Credentials, region: str, service: str, now: datetime
) -> dict[str, Any]:
    theirs = AWSRequest(request.method, request.url, headers=dict(request.headers), data=request.body)
    known = BotocoreCredentials(credentials.access_key, credentials.secret_key, credentials.token)
    with patch("botocore.auth.get_current_datetime", return_value=now.replace(tzinfo=None)):
        SigV4Auth(known, service, region).add_auth(theirs)
    return {name.lower(): value for name, value in theirs.headers.items()}


_part = st.text("abcXYZ019-._~!$'()*,;:@ %éሴ", max_size=8)
_encoded = _part.map(lambda text: quote(text, safe="-._~"))
_name = st.text("abcdefgxyz019-", min_size=1, max_size=12).map(lambda text: f"x-{text}")
_value = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    host=st.sampled_from(
        ["runtime.sagemaker.eu-west-1.amazonaws.com", "LocalHost:5000", "a:443", "a:80", "[::1]:8443"]
    ),
    scheme=st.sampled_from(["http", "https"]),
    path=st.lists(_encoded | st.sampled_from(["", ".", ".."]), max_size=5).map(lambda parts: "/" + "/".join(parts)),
    query=st.lists(st.tuples(_encoded, _encoded).map("=".join) | _encoded, max_size=4).map("&".join),
    headers=st.dictionaries(
        _name | st.sampled_from(["content-type", "accept", "user-agent", "x-amzn-trace-id", "expect", "traceparent"]),
        _value,
        max_size=5,
    ),
    body=st.binary(max_size=60),
    token=st.none() | st.text("abc/+=", min_size=1, max_size=20),
    region=st.sampled_from(["us-east-1", "cn-north-1"]),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
)
@example(
    method="POST",
    host="runtime.sagemaker.eu-west-1.amazonaws.com",
    scheme="https",
    path="/endpoints/texts/invocations",
    query="",
    headers={"content-type": "application/json", "x-amzn-sagemaker-target-variant": "canary"},
    body=b'{"input": ["sunrise"]}',
    token=None,
    region="eu-west-1",
    now=datetime(2026, 2, 28, 12),
)
def test_any_request_is_signed_as_botocore_signs_it(
    method: str,
    host: str,
    scheme: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    token: str | None,
    region: str,
    now: datetime,
) -> None:
    url = f"{scheme}://{host}{path}{'?' if query else ''}{query}"
    request = HttpRequest(method=method, url=url, headers=headers, body=body)
    credentials = Credentials(access_key="AKIDEXAMPLE", secret_key=_SECRET, token=token)
    ours = sign(request, credentials=credentials, region=region, now=now.replace(tzinfo=UTC)).headers
    theirs = _signed_by_botocore(request, credentials, region, "sagemaker", now)
    assert ours["authorization"] == theirs["authorization"]
    assert {name: value for name, value in ours.items() if name != "host"} == theirs


def test_what_is_not_the_request_s_own_is_signed_over() -> None:
    stale = {"authorization": "of before", "x-amz-security-token": "old", "x-amz-date": "20200101T000000Z"}
    request = HttpRequest(method="POST", url="http://a/", headers=stale)
    signed = sign(request, credentials=Credentials(access_key="A", secret_key="s"), region="us-east-1", now=_NOON)
    fresh = sign(
        HttpRequest(method="POST", url="http://a/", headers={}),
        credentials=Credentials(access_key="A", secret_key="s"),
        region="us-east-1",
        now=_NOON,
    )
    assert signed.headers == fresh.headers
    assert request.headers is stale


def test_the_time_is_utc_whatever_zone_it_comes_in() -> None:
    credentials = Credentials(access_key="A", secret_key="s")
    request = HttpRequest(method="POST", url="http://a/", headers={})
    elsewhere = _NOON.astimezone(timezone(timedelta(hours=13)))
    there = sign(request, credentials=credentials, region="us-east-1", now=elsewhere)
    assert there == sign(request, credentials=credentials, region="us-east-1", now=_NOON)
    assert there.headers["x-amz-date"] == "20260228T120007Z"


def test_the_body_is_in_the_canonical_request_by_its_hash_alone() -> None:
    request = HttpRequest(method="POST", url="http://a/", headers={"host": "a"}, body=b"a secret text")
    assert "secret" not in canonical_request(request)


def test_credentials_show_neither_secret_nor_token() -> None:
    shown = repr(Credentials(access_key="AKIDEXAMPLE", secret_key=_SECRET, token="a-token"))
    assert shown == "<Credentials AKIDEXAMPLE>"
