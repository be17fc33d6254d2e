import pytest

from jina_v3.errors import RequestError
from jina_v3.serving.formats.json_values import as_utf8, load_json


@pytest.mark.parametrize(
    ("body", "code", "field", "part"),
    [
        (b"", "not_json", "body", "empty"),
        (b" \n", "not_json", "body", "empty"),
        (b"{bad", "not_json", "body", "line 1, column 2"),
        (b"[1,\n2,]", "not_json", "body", "line 2"),
        (b"NaN", "not_json", "body", "not JSON"),
        (b"[Infinity]", "not_json", "body", "not JSON"),
        (b"[1e400]", "not_json", "body", "beyond the range"),
        (b"1" * 5000, "not_json", "body", "beyond the range"),
        (b"[" * 100_000, "not_json", "body", "nested"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "not_json", "body", "nested"),
        (b"\xff", "not_utf8", "body", "byte 0"),
        (b'{"a":"\xc3"}', "not_utf8", "body", "byte 6"),
        (b'"\xed\xa0\x80"', "not_utf8", "body", "byte 1"),
        (b'"a\x00b"', "not_json", "body", "not JSON"),
        (rb'"\ud800"', "invalid_text", "body", "the body holds half"),
        (rb'{"data":[{"text":"a"},{"text":"\udc00 b"}]}', "invalid_text", "data[1].text", "data[1].text"),
        (rb'[["a",["\ud83d"]]]', "invalid_text", "[0][1][0]", "[0][1][0]"),
        (rb'{"a":{"\ud800":1}}', "invalid_text", "a", "a holds half"),
        (rb'["\ud800", NaN, ', "not_json", "body", "surrogate"),
    ],
)
def test_what_is_wrong_and_where(body, code, field, part):
    with pytest.raises(RequestError) as caught:
        load_json(as_utf8(body))
    assert caught.value.code.wire_name == code
    assert caught.value.field == field
    assert caught.value.allowed
    assert caught.value.value is not None or code == "not_json"
    assert part in caught.value.message


def test_whole_pairs_byte_order_marks_and_escaped_nul_are_read():
    assert load_json(as_utf8(rb'"\ud83d\ude00"')) == "😀"
    assert load_json(as_utf8(b"\xef\xbb\xbf[1]")) == [1]
    assert load_json(as_utf8('["ä"]')) == ["ä"]
    assert load_json(as_utf8(bytearray(b'"a\\u0000b"'))) == "a\x00b"


@pytest.mark.parametrize("body", ["[1]".encode("utf-16"), "\ud800"])
def test_other_encodings(body):
    with pytest.raises(RequestError) as caught:
        as_utf8(body)
    error = caught.value
    assert (error.code.wire_name, error.field, error.allowed) == ("not_utf8", "body", "UTF-8")
    assert error.value
