import pytest

from jina_v3.errors import RequestError
from jina_v3.serving.formats.media_types import (
    CSV,
    JSON,
    JSON_LINES,
    TEXTS_OFFER,
    ContentType,
    negotiate,
    offers,
    read_content_type,
)


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
    assert read_content_type(header) == ContentType(media_type)


@pytest.mark.parametrize(
    "header",
    [
        "application/x-npy",
        "text/csv; header=1",
        "text/plain; charset=latin-1",
        "text/html",
        "json",
        "application/json; charset=utf-16",
    ],
)
def test_other_content_types_are_415_and_say_what_is_accepted(header):
    with pytest.raises(RequestError) as caught:
        read_content_type(header)
    assert caught.value.code.status == 415
    assert caught.value.field == "Content-Type"
    assert caught.value.value == header
    assert {"utf-8", JSON, "present"} & set(caught.value.allowed)


def test_the_header_of_csv():
    assert read_content_type("text/csv; header=Present") == ContentType(CSV, header=True)
    assert read_content_type("text/csv; header=absent") == ContentType(CSV)
    assert read_content_type("application/x-parquet; charset=binary; header=x").header is False


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
    assert negotiate(accept, offers(own, TEXTS_OFFER)) == chosen


@pytest.mark.parametrize("accept", ["text/csv", "text/*", "application/json;q=0", "image/png, image/*"])
def test_nothing_offered_is_406(accept):
    with pytest.raises(RequestError) as caught:
        negotiate(accept, offers(JSON, TEXTS_OFFER))
    assert caught.value.code.status == 406
    assert caught.value.value == accept
