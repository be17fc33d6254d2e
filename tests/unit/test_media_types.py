import pytest

from jina_v3.errors import RequestError
from jina_v3.serving.formats.media_types import JSON, JSON_LINES, OFFERED, negotiate, offers, read_content_type


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        (None, JSON),
        ("", JSON),
        ("application/json", JSON),
        ("Application/JSON; charset=UTF-8", JSON),
        ('application/json;charset="utf-8"', JSON),
        ("application/json; profile=x", JSON),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/jsonl;charset=us-ascii", "application/jsonl"),
    ],
)
def test_content_types_that_are_offered(header, media_type):
    assert read_content_type(header) == media_type


@pytest.mark.parametrize(
    "header",
    ["text/csv", "application/x-parquet", "application/x-npy", "text/html", "json", "application/json; charset=utf-16"],
)
def test_other_content_types_are_415_and_say_what_is_accepted(header):
    with pytest.raises(RequestError) as caught:
        read_content_type(header)
    assert caught.value.code.status == 415
    assert caught.value.field == "Content-Type"
    assert caught.value.value == header
    assert "utf-8" in caught.value.allowed or JSON in caught.value.allowed


@pytest.mark.parametrize(
    ("accept", "own", "chosen"),
    [
        (None, JSON, JSON),
        ("", JSON_LINES, JSON_LINES),
        (" , ", JSON_LINES, JSON_LINES),
        ("*/*", JSON_LINES, JSON_LINES),
        ("*/*", "application/x-ndjson", "application/x-ndjson"),
        ("application/*", JSON_LINES, JSON_LINES),
        ("application/json", JSON_LINES, JSON),
        ("application/jsonlines, application/json", JSON, JSON),  # a draw goes to the request's own form
        ("application/jsonlines, application/json;q=0.9", JSON, JSON_LINES),
        ("text/html, application/json;q=0.5", JSON_LINES, JSON),
        ("application/json;q=0, */*;q=0.1", JSON, JSON_LINES),
        ("text/html, */*;q=0.1", JSON, JSON),
        ("APPLICATION/JSON; charset=utf-8", JSON, JSON),
        ("application/json;q=nonsense", JSON, JSON),
    ],
)
def test_negotiation(accept, own, chosen):
    assert negotiate(accept, offers(own, OFFERED)) == chosen


@pytest.mark.parametrize("accept", ["text/csv", "text/*", "application/json;q=0", "application/x-npy, image/png"])
def test_nothing_offered_is_406(accept):
    with pytest.raises(RequestError) as caught:
        negotiate(accept, offers(JSON, OFFERED))
    assert caught.value.code.status == 406
    assert caught.value.value == accept
