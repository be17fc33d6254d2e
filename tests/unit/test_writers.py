import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.asking import answer, ask, parquet, read_back

from jina_v3.config import Config
from jina_v3.contract import EMBEDDING_TYPES, Limits
from jina_v3.errors import RequestError
from jina_v3.serving import codecs
from jina_v3.serving.formats.media_types import NPY, OCTETS, family

CONFIG = Config(limits=Limits(max_texts=40), batch=True)

words = st.text("ab\n\"', é😀", min_size=1, max_size=9)
texts = st.lists(words, min_size=1, max_size=9)
forms = st.sampled_from(EMBEDDING_TYPES)
several = st.lists(forms, min_size=1, max_size=3, unique=True)


@st.composite
def json_bodies(draw):
    """A request of any shape; a blank text may fail it."""
    given_texts = draw(texts)
    parameters = {"dimensions": draw(st.integers(1, 20)), "embedding_type": draw(forms | several)}
    field = draw(st.sampled_from(["data", "input", "inputs", "texts", "text_inputs"]))
    if field == "data":
        return {"data": [{"text": text, "id": n} for n, text in enumerate(given_texts)], "parameters": parameters}
    if draw(st.booleans()):
        parameters["late_chunking"] = True
        given_texts = [draw(texts) for _ in given_texts]
    return {field: given_texts, **parameters}


@st.composite
def record_bodies(draw):
    """Records of any form, some of them bad, each with an id."""
    kind = draw(st.sampled_from(["application/jsonlines", "text/csv", "application/x-parquet"]))
    given_texts = draw(st.lists(words | st.none(), max_size=9))
    if kind == "text/csv":
        rows = [
            f"{n},{text}" if text is None else '{},"{}"'.format(n, text.replace('"', '""'))
            for n, text in enumerate(given_texts)
        ]
        return kind, "\n".join(rows).encode()
    if kind == "application/jsonlines":
        records = [
            {"id": n, "text": text, "embedding_type": draw(st.none() | forms), "k": n}
            if text is None or len(text) != 3
            else {"id": n, "text": list(text), "late_chunking": True}
            for n, text in enumerate(given_texts)
        ]
        return kind, b"\n".join(json.dumps(record).encode() for record in records)
    table = pa.table({"id": list(range(len(given_texts))), "text": pa.array(given_texts, pa.string())})
    return kind, parquet(table, row_group_size=draw(st.integers(1, 9)))


def written(request, requests, accept):
    """Return the answer of one request by those of its parts, or why there is none."""
    try:
        writer = codecs.open_response(request, accept)
        return answer(writer, requests), writer.media_type
    except RequestError as error:
        return error.code, ""


FAST = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
ACCEPTS = ["application/json", "application/jsonlines", "application/x-parquet"]


def same(one, other):
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and (one == other).all()
    return one == other


@FAST
@given(json_bodies(), st.integers(1, 10), st.sampled_from([*ACCEPTS, NPY, OCTETS]))
def test_the_answers_of_parts_make_the_whole_of_a_json_request(body, size, accept):
    try:
        request = codecs.read_request(json.dumps(body).encode(), None, CONFIG)
    except RequestError as error:
        assert error.code.wire_name in ("invalid_value", "too_many_texts")  # noqa: PT017  either is right
        return
    parts = request.in_parts(size)
    assert sum(len(job.texts) for part in parts for job in part.jobs) == sum(len(job.texts) for job in request.jobs)
    assert all(sum(len(job.texts) for job in part.jobs) <= size or len(part.documents) == 1 for part in parts)
    whole, media_type = written(request, [request], accept)
    in_parts, _ = written(request, parts, accept)
    if "texts" in body and accept == "application/json" and media_type:  # the answer has an id of its own
        whole, in_parts = (b'{"id":"x"' + text[40:] for text in (whole, in_parts))
    if media_type == "":
        assert whole == in_parts
    elif "parquet" in media_type:
        assert read_back(in_parts, media_type).equals(read_back(whole, media_type))
    else:
        assert in_parts == whole
        assert same(read_back(in_parts, media_type), read_back(whole, media_type))


@FAST
@given(record_bodies(), st.integers(1, 10), st.sampled_from(ACCEPTS), st.sampled_from(["", *EMBEDDING_TYPES]))
def test_the_answers_of_parts_make_the_whole_of_records(body, size, accept, form):
    content_type, data = body
    attributes = f"dimensions=9;embedding_type={form}" if form else "dimensions=9"
    request = codecs.read_request(data, content_type, CONFIG, attributes=attributes)
    whole, media_type = written(request, [request], accept)
    cuts = [request.in_parts(size)]
    parts = codecs.read_parts(data, content_type, CONFIG, attributes=attributes, rows_per_part=size)
    cuts += [] if parts is None else [list(parts)]
    for cut in cuts:
        in_parts, _ = written(request, cut, accept)
        if family(media_type) == "application/x-parquet":
            assert read_back(in_parts, media_type).equals(read_back(whole, media_type))
        else:
            assert in_parts == whole
            read_back(whole, media_type)


def test_arrays():
    body = {"input": ["a", "b", "c"], "dimensions": 16}
    digits = np.array([item["embedding"] for item in ask(body)["data"]], np.float32)
    array = ask(body, accept=NPY)
    assert (array.dtype, array.shape) == (np.dtype("<f4"), (3, 16))
    assert array.tobytes() == digits.tobytes() == ask(body, accept=OCTETS).tobytes()
    assert ask({**body, "embedding_type": "base64"}, accept=NPY).tobytes() == digits.tobytes()
    for form, kind in (("binary", np.int8), ("ubinary", np.uint8)):
        packed = ask({**body, "embedding_type": form}, accept=NPY)
        assert (packed.dtype, packed.shape) == (kind, (3, 2))
        assert packed.tolist() == [item["embedding"] for item in ask({**body, "embedding_type": form})["data"]]
    assert ask("a text", "text/plain", NPY).shape == (1, 1024)


@pytest.mark.parametrize("form", ["int8", ["float"], ["float", "int8"]])
@pytest.mark.parametrize("accept", [NPY, OCTETS])
def test_forms_that_an_array_has_no_place_for(accept, form):
    with pytest.raises(RequestError, match="ask for application/json") as caught:
        ask({"input": "a", "embedding_type": form}, accept=accept)
    assert (caught.value.code.status, caught.value.field) == (422, "embedding_type")
    assert caught.value.allowed


@pytest.mark.parametrize("content_type", ["application/jsonlines", "text/csv"])
@pytest.mark.parametrize("accept", [NPY, OCTETS, "text/csv"])
def test_records_are_no_array(content_type, accept):
    with pytest.raises(RequestError) as caught:
        ask(b"", content_type, accept)
    assert caught.value.code.status == 406
    assert NPY not in caught.value.allowed
    assert "application/jsonlines" in caught.value.allowed


def test_the_shape_of_raw_floats_is_in_two_headers():
    request = codecs.read_request(b'{"input":["a","b"],"dimensions":3}', None, CONFIG)
    for given_attributes, attributes in ((None, "shape=2,3"), ("trace=7", "trace=7;shape=2,3"), ("x" * 1020, None)):
        writer = codecs.open_response(request, OCTETS, given_attributes)
        assert len(answer(writer, [request])) == 24
        assert writer.headers.get("X-Embedding-Shape") == "2,3"
        assert writer.headers.get("X-Amzn-SageMaker-Custom-Attributes") == attributes


def test_a_response_without_parts_is_still_one():
    for accept in ACCEPTS:
        request = codecs.read_request(b"", "application/jsonlines", CONFIG)
        writer = codecs.open_response(request, accept)
        written_alone = writer.end()
        assert len(read_back(written_alone, writer.media_type)) == 0
