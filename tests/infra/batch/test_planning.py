"""Sizes and shares: the service's limits hold whatever the dataset is, up to a billion documents."""

import io
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jina_v3_batch.cutting import MAX_SHARDS, choose_cuts, plan_pieces
from jina_v3_batch.dataset import DataFile, total_bytes
from jina_v3_batch.errors import PreflightError
from jina_v3_batch.job import job_name
from jina_v3_batch.outputs import candidates, kept_parts
from jina_v3_batch.parquet import read_footer
from jina_v3_batch.places import Place
from jina_v3_batch.planning import FILES_PER_JOB, GROUPS, FileSet, group_files, plan_jobs
from jina_v3_batch.samples import Record, Sample, choose
from jina_v3_batch.sizing import (
    MEBIBYTE,
    RESPONSE_BYTES,
    largest_file,
    measure,
    parquet_requests,
    parquet_rows,
    shard_bytes,
    text_requests,
)
from jina_v3_infra.config.fields import NAME

TYPES = ["float", "base64", "binary", "ubinary", "int8"]
OUTPUT_BYTES = {"float": 13 * 1024, "base64": 5464, "binary": 4.5 * 128, "ubinary": 3.6 * 128, "int8": 4.2 * 1024}


def dense(record_bytes, embedding_type="float", dimensions=1024):
    records = (Record(record_bytes, max(1, record_bytes - 25)),) * 10
    return measure([Sample("a", records)], embedding_type, dimensions)


@given(st.integers(20, 100_000), st.sampled_from(TYPES))
def test_a_response_stays_under_its_limit_by_the_request_or_the_shard(record_bytes, embedding_type):
    density = dense(record_bytes, embedding_type)
    requests = text_requests(density)
    assert 1 <= requests.max_payload_mb <= 6
    assert requests.max_payload_mb * requests.max_concurrent <= 100
    largest_request = min(requests.max_payload_mb * MEBIBYTE, largest_file(density))
    assert largest_request / record_bytes * OUTPUT_BYTES[embedding_type] <= 1.6 * RESPONSE_BYTES


@given(st.integers(1, 100 * MEBIBYTE - 1024))
def test_parquet_files_fit_their_request(largest):
    requests = parquet_requests(largest)
    assert requests.max_payload_mb * MEBIBYTE >= largest
    assert requests.max_payload_mb * requests.max_concurrent <= 100


def test_the_answer_to_the_most_rows_of_parquet_has_its_room():
    for embedding_type, width in {"float": 4096, "base64": 5464, "int8": 1024, "binary": 128}.items():
        assert parquet_rows(embedding_type, 1024) * width <= RESPONSE_BYTES


FILES = st.lists(st.integers(1, 10**9), min_size=1, max_size=300).map(
    lambda sizes: tuple(DataFile(f"{n:04}.jsonl{'.gz' if size % 3 == 0 else ''}", size) for n, size in enumerate(sizes))
)


@given(FILES, st.integers(1, 20), st.integers(1, 8), st.sampled_from([1e-12, 1e-9, 1e-7]))
def test_every_file_is_in_one_job_and_jobs_are_alike(files, lanes, instances, hours_per_byte):
    jobs = plan_jobs(
        [FileSet(Place("b", "p/"), files)],
        lanes=lanes,
        instances=instances,
        expansion=5.0,
        output_ratio=10.0,
        hours_per_byte=hours_per_byte,
    )
    assert sorted(file.key for job in jobs for file in job.files) == sorted(file.key for file in files)
    for job in jobs:
        assert {file.gzip for file in job.files} == {job.gzip}
        assert len(job.files) <= FILES_PER_JOB
    for gzip in (False, True):
        sizes = [total_bytes(job.files) for job in jobs if job.gzip is gzip]
        if sizes:
            assert max(sizes) - min(sizes) <= 2 * max(file.bytes for file in files)


@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=3000), st.floats(0.01, 500))
def test_groups_hold_every_file_once_and_are_few(sizes, ratio):
    groups = group_files(list(enumerate(sizes)), ratio)
    assert [index for group in groups for index in group] == list(range(len(sizes)))
    assert len(groups) <= GROUPS


@pytest.mark.parametrize(("shards", "bytes_each"), [(100, 10_000_000), (100_000, 10_000_000), (100_000, 64_000_000)])
def test_a_billion_documents_stay_within_the_limits(shards, bytes_each):
    files = tuple(DataFile(f"{number:06}.jsonl", bytes_each) for number in range(shards))
    jobs = plan_jobs(
        [FileSet(Place("b", "p/"), files)],
        lanes=10,
        instances=10,
        expansion=1.0,
        output_ratio=13.0,
        hours_per_byte=2e-12,
    )
    assert sum(len(job.files) for job in jobs) == shards
    assert len(jobs) <= 10_000
    for job in jobs[:3]:
        groups = group_files([(n, file.bytes) for n, file in enumerate(job.files)], 13.0)
        assert len(groups) <= GROUPS
        assert max(len(group) for group in groups) * bytes_each * 14 <= 60e9


@given(st.integers(1, 10**12), st.integers(20, 20_000), st.integers(1, 8), st.sampled_from(TYPES))
def test_pieces_cover_a_file_without_gap_or_overlap(size, record_bytes, machines, embedding_type):
    density = dense(record_bytes, embedding_type)
    try:
        cuts = choose_cuts([DataFile("a.jsonl", size)], density, machines)
    except PreflightError:
        assert size / shard_bytes(density) > MAX_SHARDS
        return
    pieces = plan_pieces(cuts)
    if not pieces:
        assert size < largest_file(density)
        return
    assert pieces[0]["first"] == 0
    assert pieces[-1]["end"] == size
    assert all(one["end"] == two["first"] for one, two in itertools.pairwise(pieces))
    assert len(pieces) <= MAX_SHARDS


@given(st.integers(1, 2000), st.integers(3, 60))
def test_samples_are_spread_over_the_listing(count, most):
    files = [DataFile(f"{number:05}", 10 + (number == count // 3)) for number in range(count)]
    chosen = choose(files, most)
    assert len(chosen) <= most
    assert len(chosen) == len(set(chosen))
    assert {files[0], files[-1], files[count // 3]} <= set(chosen)
    assert len(chosen) >= min(count, most) - 2


@given(st.from_regex(NAME, fullmatch=True), st.text(max_size=80), st.integers(0, 10_000), st.integers(0, 999))
def test_job_names_are_what_sagemaker_takes_and_tell_the_deployment(deployment, run, number, attempt):
    name = job_name(deployment, run, "then", number, attempt) + "-5"
    assert len(name) <= 63
    assert all(part.isascii() and part.isalnum() for part in name.split("-"))
    assert name.startswith(deployment[:29])
    assert name != job_name(deployment, run, "later", number, attempt) + "-5"


@given(st.lists(st.sampled_from(["a", "c/a", "b/c/a", "c/c/a", "x/c/a", "a/b/c/a"]), unique=True, min_size=1))
def test_no_key_is_looked_for_in_the_outputs_of_two_files(keys):
    kept = kept_parts(Place("bucket", "a/b/c/"), keys)
    looked = [candidates(Place("out", "o/"), kept, key) for key in keys]
    plain = {f"o/{key}.out" for key in keys}
    for key, places in zip(keys, looked, strict=True):
        assert places[0] == f"o/{key}.out"
        assert not plain & set(places[1:])


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"text": ["a", None]}),
        pa.table({"bytes": [b"a"], "text": ["a"], "words": pa.array(["a"]).dictionary_encode()}),
        pa.table(
            {
                "deep": [{"a": [{"b": 1}], "c": {"d": "x"}}],
                "text": ["x"],
                "tags": [["a", "b"]],
                "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
            }
        ),
        pa.table({f"column-{number}": [number] * 3 for number in range(300)}),
    ],
)
def test_parquet_footers_are_read_as_their_writer_meant_them(table):
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"key": "wörth", "empty": ""}), sink, row_group_size=1)
    body = sink.getvalue()
    size = int.from_bytes(body[-8:-4], "little")
    footer = read_footer(body[-8 - size : -8])
    assert footer.rows == table.num_rows
    assert list(footer.columns) == table.column_names
    values = {one.name: getattr(one.type, "value_type", one.type) for one in table.schema if one.name != "tags"}
    assert footer.strings == {name for name, kind in values.items() if pa.types.is_string(kind)}
    assert footer.metadata["key"] == "wörth"
    for cut in range(1, size, max(1, size // 50)):
        with pytest.raises(ValueError, match="footer"):
            read_footer(body[-8 - size : -8 - size + cut])
