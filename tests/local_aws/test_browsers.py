"""A page that is open in a browser of this machine cannot use the local AWS; programs can."""

import pytest
import urllib3

from local_aws.server import LocalAws

OURS = {"Authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request"}


def status(aws: LocalAws, headers: dict[str, str], method: str = "GET") -> int:
    return urllib3.request(method, aws.url, headers={**OURS, **headers}, retries=False, timeout=60).status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://page.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost.page.example"},
        {"Host": "page.example"},  # whose server has given it this machine's address
        {"Host": "page.example:5005", "Origin": "http://page.example:5005"},
        {"Host": "["},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_page_is_refused(aws: LocalAws, headers: dict[str, str], method: str) -> None:
    answer = urllib3.request(method, aws.url, headers={**OURS, **headers}, retries=False, timeout=60)
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "headers", [{}, {"Host": "127.0.0.1:5005"}, {"Host": "[::1]:5005"}, {"Origin": "http://localhost:5005"}]
)
def test_a_program_is_not(aws: LocalAws, headers: dict[str, str]) -> None:
    assert status(aws, headers) == 200


def test_a_bucket_before_the_name_is_none_of_a_page(aws: LocalAws) -> None:
    aws.client("s3", "us-east-1").create_bucket(Bucket="harbour")
    port = aws.url.rpartition(":")[2]
    assert status(aws, {"Host": f"harbour.localhost:{port}"}, "HEAD") == 200
