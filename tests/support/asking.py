"""One request through reading, an encoder without a model, and writing: whole, or in parts."""

import io
import json
from collections.abc import Iterable

import numpy as np
import pyarrow.parquet as pq
from tests.support.fake_encoder import FakeEncoder
from tests.support.wire import strict_json

from jina_v3.config import Config
from jina_v3.serving import codecs
from jina_v3.serving.exchange import Request


def ask(body, content_type="application/json", accept=None, config=None, **given):
    """Return the answer as Python values."""
    body = body if isinstance(body, bytes | str) else json.dumps(body).encode()
    request = codecs.read_request(body, content_type, config or Config(), **given)
    writer = codecs.open_response(request, accept, given.get("attributes"))
    return read_back(answer(writer, [request]), writer.media_type)


def answer(writer, requests: Iterable[Request]) -> bytes:
    """Return everything that a writer makes of requests that are parts of one."""
    parts = [writer.part(request.answer(FakeEncoder().encode_jobs(request.jobs))) for request in requests]
    return b"".join([*parts, writer.end()])


def read_back(written: bytes, media_type: str):
    """Read a response without the code under test."""
    if media_type == "application/json":
        return strict_json(written)
    if media_type == "application/x-npy":
        return np.load(io.BytesIO(written), allow_pickle=False)
    if media_type == "application/octet-stream":
        return np.frombuffer(written, "<f4")
    if "parquet" in media_type:
        return pq.read_table(io.BytesIO(written))
    assert not written or written.endswith(b"\n")
    return [strict_json(line) for line in written.split(b"\n")[:-1]]


def parquet(table, **options) -> bytes:
    """Return a table as a file's bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()
