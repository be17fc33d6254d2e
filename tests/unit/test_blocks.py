"""Cutting a stream of records: whatever the pieces it comes in, whole records, nothing lost, lines counted."""

import asyncio
import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from jina_v3.serving.http.blocks import Block, Cutter, cut, cutter_for


def blocks_of(pieces: list[bytes], cutter: Cutter) -> list[Block]:
    async def parts():
        for piece in pieces:
            yield piece

    async def run():
        return [block async for block in cut(parts(), cutter)]

    return asyncio.run(run())


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(end, len(data)) for end in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def check(data: bytes, blocks: list[Block]) -> None:
    assert b"".join(block.data for block in blocks) == data
    line = 1
    for block in blocks:
        assert block.first_line == line
        line += block.data.count(b"\n")


lines = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b" ")), max_size=30).map(b"\n".join)
cuts = st.lists(st.integers(0, 600), max_size=8)


@given(lines, cuts, st.integers(1, 6), st.integers(1, 80))
def test_lines(data, where, most_records, most_bytes):
    blocks = blocks_of(pieces_of(data, where), Cutter(quoted=False, most_records=most_records, most_bytes=most_bytes))
    check(data, blocks)
    for block in blocks[:-1]:
        assert block.data.endswith(b"\n")
    for block in blocks:
        assert block.data or blocks == [Block(1, b"")]
        assert len(block.data.removesuffix(b"\n").split(b"\n")) <= most_records


rows = st.lists(st.lists(st.text(st.sampled_from('a",\n\r'), max_size=6), min_size=1, max_size=3), max_size=12)


@given(rows, cuts, st.integers(1, 4))
def test_rows_with_quotations_over_several_lines(values, where, most_records):
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(values)
    data = written.getvalue().encode()
    blocks = blocks_of(pieces_of(data, where), Cutter(quoted=True, most_records=most_records, most_bytes=10_000))
    check(data, blocks)
    read = [list(csv.reader(io.StringIO(block.data.decode(), newline=""))) for block in blocks]
    assert [row for block in read for row in block] == values
    assert all(len(block) == most_records for block in read[:-1])


def test_a_record_larger_than_a_block_stays_whole():
    data = b"x" * 5000 + b"\n" + b"y\n"
    blocks = blocks_of([data[at : at + 100] for at in range(0, len(data), 100)], Cutter(quoted=False, most_bytes=64))
    assert [block.data for block in blocks] == [b"x" * 5000 + b"\n", b"y\n"]


def test_which_bodies_are_streams_of_records():
    for content_type in ("application/jsonlines", "application/x-ndjson; charset=utf-8", "APPLICATION/JSONL"):
        cutter = cutter_for(content_type)
        assert cutter is not None
        assert not cutter.quoted
    cutter = cutter_for("text/csv; header=absent")
    assert cutter is not None
    assert cutter.quoted
    for content_type in (None, "", "application/json", "text/csv; header=present", "application/x-parquet"):
        assert cutter_for(content_type) is None
