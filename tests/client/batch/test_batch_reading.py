"""Reading from S3: whatever breaks on the way, in bounded memory, and no byte twice or not at all."""

import gzip
import io
import json
import threading
import zlib

import numpy as np
import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from tests.support.batch_aws import refusal

from jina_v3_client.batch.fetching import Fetcher
from jina_v3_client.batch.lines import split_lines, unpack
from jina_v3_client.batch.outputs import OutputFile, read_lines
from jina_v3_client.batch.store import Store, Stored
from jina_v3_client.batch.vectors import DamagedError, decode_vector
from jina_v3_client.errors import AccessError, ConnectionFailedError, ResponseError


class Memory:
    """A store that counts the ranges that were asked for and are not yet taken."""

    def __init__(self, objects):
        self.objects, self.asked, self.lock = objects, 0, threading.Lock()

    def stored(self):
        return [Stored("b", str(key), len(data), "e") for key, data in enumerate(self.objects)]

    def read(self, stored, first, end):
        with self.lock:
            self.asked += 1
        return self.objects[int(stored.key)][first:end]


@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(1, 12), st.integers(1, 5))
def test_objects_come_whole_and_in_order_whatever_the_ranges_are(objects, range_bytes, ahead):
    memory = Memory(objects)
    with Fetcher(memory, memory.stored(), range_bytes=range_bytes, ahead=ahead) as fetcher:
        assert [b"".join(fetcher.chunks(one)) for one in memory.stored()] == objects


def test_no_more_is_read_ahead_than_is_said():
    memory = Memory([bytes(1000)] * 50)
    taken = 0
    with Fetcher(memory, memory.stored(), range_bytes=100, ahead=4) as fetcher:
        for one in memory.stored():
            for _ in fetcher.chunks(one):
                taken += 1
                assert memory.asked <= taken + 4
    assert memory.asked == taken == 500


@given(st.lists(st.binary(max_size=20)), st.binary(max_size=200))
def test_lines_do_not_depend_on_where_chunks_end(chunks, more):
    body = b"".join(chunks) + more
    expected = [
        (number, line) for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1) if line.strip()
    ]
    assert [(number, line.removesuffix(b"\n")) for number, line in split_lines([*chunks, more])] == expected


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50))
def test_gzip_of_several_members_unpacks_to_all_of_them(parts, size):
    packed = b"".join(map(gzip.compress, parts))
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(unpack(chunks)) == b"".join(parts)
    with pytest.raises((EOFError, zlib.error)):
        list(unpack([packed[:-1]]))


class Client:
    """An S3 client whose answers are given one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def get_object(self, **_):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"Body": io.BytesIO(answer)}


TIMEOUT = ReadTimeoutError(endpoint_url="https://s3")


@pytest.mark.parametrize("broken", [b"hel", TIMEOUT])
def test_a_range_that_breaks_is_read_again(broken):
    assert Store(Client(broken, broken, b"hello")).read(Stored("b", "k", 5, "e"), 0, 5) == b"hello"


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([b"hel"] * 4, ConnectionFailedError),
        ([refusal("PreconditionFailed", "GetObject", status=412)], ResponseError),
        ([refusal("NoSuchKey", "GetObject", status=404)], ResponseError),
        ([refusal("AccessDenied", "GetObject", status=403)], AccessError),
    ],
)
def test_what_cannot_be_read_is_told_by_its_kind(answers, kind):
    client = Client(*answers)
    with pytest.raises(kind):
        Store(client).read(Stored("b", "k", 5, "e"), 0, 5)
    assert client.answers == []


OUTPUT = OutputFile(stored=Stored("b", "k.out", 1, "e"), file="k", lines_before=10, aside=frozenset({12, 13}))


def test_lines_that_were_set_aside_have_no_output_and_keep_their_numbers():
    lines = b"".join(json.dumps({"id": n, "embedding": [0.5], "tokens": 3}).encode() + b"\n" for n in range(3))
    assert [record.line for record in read_lines(OUTPUT, [lines], "float")] == [11, 14, 15]


@pytest.mark.parametrize(
    ("value", "form", "kind"),
    [
        ([0.5, 1.0], "float", "float32"),
        ([1, -2], "binary", "int8"),
        ([1, 200], "ubinary", "uint8"),
        ([1, 200], "float", "uint8"),
        ([1, -2], "base64", "int8"),
        ("AACAPwAAAEA=", "float", "float32"),
    ],
)
def test_a_vector_is_of_the_form_its_values_tell(value, form, kind):
    vector = decode_vector(value, form, scaled=False)
    assert vector.dtype == np.dtype(kind)
    assert vector.tolist() == ([1.0, 2.0] if isinstance(value, str) else value)


@pytest.mark.parametrize("value", [None, [], "", "AAA=", [300, 1], [0.5, "x"], {"float": [0.5]}, [0.5, None], 5])
def test_what_is_no_vector_is_never_given_as_one(value):
    with pytest.raises(DamagedError):
        decode_vector(value, "float", scaled=False)
