"""Lines and shards, against the whole text split at once."""

import gzip
import itertools
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.batch_deployment import BUCKET

from jina_v3_batch.lines import Line, split_lines, unpack
from jina_v3_batch.shards import gather_shards, piece_lines

TEXTS = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"a\n", b"bb\r\n", b"c" * 30 + b"\n", b"\r", b"x", "\u2028é\n".encode()]),
    max_size=40,
).map(b"".join)


def expected(text):
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def chunked(data, text):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(text=TEXTS, data=st.data())
def test_lines_are_the_same_whatever_the_chunks(text, data):
    assert [line.data for line in split_lines(chunked(data, text))] == expected(text)


@given(text=TEXTS, data=st.data(), most=st.integers(1, 40))
def test_a_line_beyond_the_limit_is_passed_over_and_told_by_its_size(text, data, most):
    found = list(split_lines(chunked(data, text), most))
    assert found == [Line(line if len(line) <= most else None, len(line)) for line in expected(text)]


@given(text=TEXTS, members=st.integers(1, 3), size=st.integers(1, 50))
def test_gzip_of_several_members_unpacks_as_one_stream(text, members, size):
    packed = b"".join(gzip.compress(text) for _ in range(members))
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(unpack(chunks)) == text * members


def test_gzip_that_is_cut_short_or_none_is_an_error():
    packed = gzip.compress(b"some text " * 1000)
    with pytest.raises(EOFError):
        list(unpack([packed[:-9]]))
    with pytest.raises(zlib.error):
        list(unpack([b"no gzip"]))
    assert b"".join(unpack([packed + b"\0" * 512])) == b"some text " * 1000


@given(text=TEXTS, data=st.data())
def test_every_line_begins_in_exactly_one_piece(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=6)))
    bounds = [0, *(cut for cut in cuts if cut < len(text)), len(text)]
    found = []
    for first, end in itertools.pairwise(bounds):
        read = text[max(0, first - 1) :]
        found += [line.data for line in piece_lines(iter([read[:3], read[3:]]), first, end, 10**6)]
    assert found == expected(text)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shard_bytes", [None, 40, 400])
def test_shards_hold_every_line_once_and_know_where_it_stood(batch, packed, shard_bytes):
    lines = [json.dumps({"id": number}).encode() + b"\r\n" for number in range(200)]
    lines[7] = lines[8] = b"\n"
    lines[50] = b"x" * 300 + b"\n"
    lines[199] = lines[199].rstrip()
    text = b"".join(lines)
    name = "big.jsonl.gz" if packed else "big.jsonl"
    stored = gzip.compress(text) if packed else text
    batch.put(name, stored)
    etag = batch.s3.head_object(Bucket=BUCKET, Key=f"batch/datasets/docs/{name}")["ETag"].strip('"')
    step = len(stored) if packed else 333
    pieces = [
        {
            "key": name,
            "etag": etag,
            "first": first,
            "end": min(first + step, len(stored)),
            "shard_bytes": shard_bytes,
            "dataset": f"s3://{BUCKET}/batch/datasets/docs/",
            "largest_record": 256,
        }
        for first in range(0, len(stored), step)
    ]
    for number, piece in enumerate(pieces):
        batch.step("reshard", piece=number, **piece)
        batch.step("reshard", piece=number, **piece)  # Step Functions may call twice
    shards = gather_shards(batch.run_state(), pieces)
    assert len({shard.key for shard in shards}) == len(shards)
    found = {}
    for shard in shards:
        body = batch.read(f"batch/runs/run-1/shards/{shard.key}")
        assert len(body) == shard.bytes
        assert shard_bytes is None or shard.bytes <= max(shard_bytes, 301)
        for number, line in enumerate(body.split(b"\n")[:-1], shard.lines_before):
            assert number not in found
            found[number] = line + b"\n"
    filled = {number: line for number, line in found.items() if line.strip()}
    assert filled == {
        number: line if line.endswith(b"\n") else line + b"\n"
        for number, line in enumerate(lines)
        if line.strip() and number != 50
    }
    assert [pair for shard in shards for pair in shard.aside] == [(51, 301)]


def test_a_stream_that_breaks_leaves_no_shard_behind(batch, monkeypatch):
    batch.put("big.jsonl.gz", gzip.compress((b"l" * 99 + b"\n") * 200_000)[:-20])
    piece = {
        "key": "big.jsonl.gz",
        "etag": None,
        "first": 0,
        "end": 100,
        "shard_bytes": 2**30,
        "dataset": f"s3://{BUCKET}/batch/datasets/docs/",
        "largest_record": 256,
    }
    with pytest.raises(EOFError):
        batch.step("reshard", piece=0, **piece)
    assert batch.keys("batch/runs/run-1/") == []
    assert "Uploads" not in batch.s3.list_multipart_uploads(Bucket=BUCKET)
